"""The bill of one call, and of one cache's life."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_moonshot_cache.economics.prices import (
        AutomaticPrice,
        ChatPrice,
        NamedPrice,
    )
    from langchain_moonshot_cache.economics.usage import Usage

__all__ = ["CallCost", "cache_cost", "call_cost"]

_MILLION = Decimal(1_000_000)
_MINUTE = 60


@dataclass(frozen=True, slots=True)
class CallCost:
    """What a call cost, and what it would have cost without any cache."""

    cost: Decimal
    uncached: Decimal


def call_cost(
    usage: Usage,
    *,
    chat: ChatPrice,
    named: NamedPrice | None = None,
    automatic: AutomaticPrice | None = None,
) -> CallCost | None:
    """Price one call from what the provider reported about it.

    With a named cache the price is the fee per call, the input that the cache did not
    give, and the output. With automatic caching, cached input has a price of its own;
    writes are not priced here while their tier is unknown.

    Args:
        usage: The reported tokens.
        chat: Price of input and output.
        named: Price of the named cache if the call used one.
        automatic: Price of cached input if the provider caches by itself.

    Returns:
        The two costs, or None where a figure that they need was not reported.
    """
    if usage.prompt is None or usage.output is None:
        return None
    output = usage.output * chat.output
    full = (usage.prompt * chat.input + output) / _MILLION
    if named is None and automatic is None:
        return CallCost(cost=full, uncached=full)
    if usage.uncached is None or usage.cached is None:
        return None
    cost = (usage.uncached * chat.input + output) / _MILLION
    if named is not None:
        cost += named.call
    elif automatic is not None:
        cost += usage.cached * automatic.cache_read / _MILLION
    return CallCost(cost=cost, uncached=full)


def cache_cost(tokens: int, *, seconds: float, price: NamedPrice) -> Decimal:
    """Price a named cache: creation once, and storage by the started minute.

    Args:
        tokens: Tokens that the cache holds.
        seconds: How long it lived. A started minute counts whole, so even a cache
            that was deleted at once is stored for one.
        price: The prices of the day it was created.
    """
    minutes = max(-(-int(seconds) // _MINUTE), 1)
    return tokens * (price.create + minutes * price.storage_minute) / _MILLION
