"""Five minutes or an hour: the lifetimes of automatic prefix caching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from langchain_moonshot_cache.economics.gaps import EDGES

if TYPE_CHECKING:
    from typing import Self

    from langchain_moonshot_cache.economics.gaps import Gaps
    from langchain_moonshot_cache.economics.prices import AutomaticPrice

__all__ = ["TIERS", "Tier", "TierPrice", "hour_gains"]

Tier = Literal["5m", "1h"]

TIERS: dict[Tier, int] = {"5m": 300, "1h": 3600}
"""Lifetimes in seconds. Every hit renews them, free of charge."""

_MILLION = 1_000_000
_SHORT = EDGES.index(TIERS["5m"]) + 1
_MEDIUM = EDGES.index(TIERS["1h"]) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TierPrice:
    """What a token costs to read from a cache, and to write for either lifetime."""

    read: float
    short: float
    long: float

    @classmethod
    def of(cls, price: AutomaticPrice) -> Self | None:
        """Take list prices; None for a model that does not bill by tier."""
        if price.cache_write_5m is None or price.cache_write_1h is None:
            return None
        return cls(
            read=float(price.cache_read) / _MILLION,
            short=float(price.cache_write_5m) / _MILLION,
            long=float(price.cache_write_1h) / _MILLION,
        )

    def surcharge(self, tokens: int) -> float:
        """Return what writing so many tokens for an hour costs on top."""
        return tokens * (self.long - self.short)


def hour_gains(gaps: Gaps, price: TierPrice, *, tokens: int, growth: float) -> float:
    """Return what an hour saves on average, from a first write until it has lapsed.

    The lifetime of a first write holds for all that is appended while it lives. A gap
    of up to five minutes is bridged by either; one of up to an hour has a prefix of
    five minutes written anew; beyond that, both begin again, with a choice again.

    Args:
        gaps: At least one observation or expectation.
        price: What the model's tokens cost.
        tokens: Length of the prompt.
        growth: Tokens that a use appends on average.
    """
    short = sum(gaps.counts[:_SHORT])
    medium = sum(gaps.counts[_SHORT:_MEDIUM])
    beyond = max(gaps.counts[-1], 1e-9)
    rewritten = medium / beyond * tokens * (price.short - price.read)
    appended = (short + medium) / beyond * growth
    return rewritten - (tokens + appended) * (price.long - price.short)
