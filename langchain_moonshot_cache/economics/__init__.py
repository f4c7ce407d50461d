"""What calls and caches cost, and when a cache pays. Pure; all money is Decimal."""

from langchain_moonshot_cache.economics.bill import CallCost, cache_cost, call_cost
from langchain_moonshot_cache.economics.ledger import Ledger, Totals
from langchain_moonshot_cache.economics.policy import CachePolicy, Decision
from langchain_moonshot_cache.economics.prices import (
    AutomaticPrice,
    ChatPrice,
    NamedPrice,
    PriceBook,
    currency_of,
)
from langchain_moonshot_cache.economics.rereading import rereading_cost
from langchain_moonshot_cache.economics.usage import Usage, read_usage, with_tiers

__all__ = [
    "AutomaticPrice",
    "CachePolicy",
    "CallCost",
    "ChatPrice",
    "Decision",
    "Ledger",
    "NamedPrice",
    "PriceBook",
    "Totals",
    "Usage",
    "cache_cost",
    "call_cost",
    "currency_of",
    "read_usage",
    "rereading_cost",
    "with_tiers",
]
