"""What calls and caches cost, and when a cache pays. Pure."""

from langchain_moonshot_cache.economics.advisor import Advisor
from langchain_moonshot_cache.economics.bill import (
    Bill,
    cache_bill,
    cache_cost,
    call_bill,
    started_minutes,
)
from langchain_moonshot_cache.economics.gaps import Gaps
from langchain_moonshot_cache.economics.life import CacheLife, Span
from langchain_moonshot_cache.economics.money import from_units, to_units
from langchain_moonshot_cache.economics.policy import (
    CachePolicy,
    Decision,
    Outlook,
    Wish,
)
from langchain_moonshot_cache.economics.prices import (
    AutomaticPrice,
    ChatPrice,
    NamedPrice,
    PriceBook,
    Unpriced,
    currency_of,
)
from langchain_moonshot_cache.economics.rental import Rental
from langchain_moonshot_cache.economics.rereading import rereading_cost
from langchain_moonshot_cache.economics.sums import COUNTERS, Head, Sums, sums_of_call
from langchain_moonshot_cache.economics.tiers import TIERS, Tier, TierPrice
from langchain_moonshot_cache.economics.usage import Usage, read_usage, with_tiers

__all__ = [
    "COUNTERS",
    "TIERS",
    "Advisor",
    "AutomaticPrice",
    "Bill",
    "CacheLife",
    "CachePolicy",
    "ChatPrice",
    "Decision",
    "Gaps",
    "Head",
    "NamedPrice",
    "Outlook",
    "PriceBook",
    "Rental",
    "Span",
    "Sums",
    "Tier",
    "TierPrice",
    "Unpriced",
    "Usage",
    "Wish",
    "cache_bill",
    "cache_cost",
    "call_bill",
    "currency_of",
    "from_units",
    "read_usage",
    "rereading_cost",
    "started_minutes",
    "sums_of_call",
    "to_units",
    "with_tiers",
]
