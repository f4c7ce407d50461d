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
    tier: str = "5m",
) -> CallCost | None:
    """Price one call from what the provider reported about it.

    With a named cache the price is the fee per call, the input that the cache did not
    give, and the output. With automatic caching, input that was read from the cache
    and input that was written to it have prices of their own.

    Args:
        usage: The reported tokens.
        chat: Price of input and output.
        named: Price of the named cache if the call used one.
        automatic: Price of cached input if the provider caches by itself.
        tier: What written tokens count as where their tier was not reported.

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
        cost += _surcharge(usage, chat=chat, automatic=automatic, tier=tier)
    return CallCost(cost=cost, uncached=full)


def _surcharge(
    usage: Usage, *, chat: ChatPrice, automatic: AutomaticPrice, tier: str
) -> Decimal:
    """Price what writing costs beyond plain input, for models that bill writes."""
    five, hour = automatic.cache_write_5m, automatic.cache_write_1h
    if five is None or hour is None or not usage.written:
        return Decimal(0)
    at_hour = usage.written_1h
    if at_hour is None:
        # Only the other tier may be reported, or none: then the one asked for counts.
        rest = usage.written - (usage.written_5m or 0)
        at_hour = rest if tier == "1h" or usage.written_5m is not None else 0
    at_five = usage.written - at_hour
    surcharge = at_five * (five - chat.input) + at_hour * (hour - chat.input)
    return surcharge / _MILLION


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
