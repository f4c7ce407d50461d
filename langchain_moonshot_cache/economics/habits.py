"""What an advisor remembers of one prefix."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from langchain_moonshot_cache.economics.gaps import EDGES, LONGEST, Gaps

if TYPE_CHECKING:
    from langchain_moonshot_cache.economics.rental import Rental
    from langchain_moonshot_cache.economics.tiers import Tier

__all__ = ["Habit", "Kept"]

CLOSE = float(EDGES[0])
"""Seconds. Gaps below are not told apart, so uses that follow one another this closely
are counted together, and cost next to nothing."""


@dataclass(slots=True)
class Kept:
    """A cache that is being kept, since its last use.

    Attributes:
        rental: What it costs.
        seconds: How long after that use it ends.
        usable: How long after that use it can be used.
    """

    rental: Rental
    seconds: float
    usable: float

    @property
    def reserve(self) -> float:
        """What it may cost beyond twice the least: if a use comes just too late."""
        rent, stake = self.rental.rent, self.rental.stake
        return rent * self.seconds + stake - 2 * min(rent * self.usable, stake)

    def cost(self, gap: float) -> float:
        """Return what keeping it comes to if the next use comes after a gap."""
        if gap < self.usable:
            return self.rental.rent * gap
        return self.rental.rent * self.seconds + self.rental.stake

    def after(self, gap: float) -> Kept:
        """Return what is left of it after a use that came after a gap."""
        left, usable = max(self.seconds - gap, 0.0), max(self.usable - gap, 0.0)
        return Kept(self.rental, left, usable)


@dataclass(slots=True)
class Known:
    """The least that keeping and letting go can have cost, all uses known.

    Both figures are what is paid beyond that least.

    Attributes:
        fresh: If the cache was created for the last use: letting it go after that one
            use wastes the rest of a started minute, all of it.
        older: If it was kept over a gap.
    """

    fresh: float = 0.0
    older: float = math.inf

    def after(self, gap: float, rental: Rental) -> float:
        """Add a gap; return by how much the least grows."""
        kept = min(self.fresh, self.older) + rental.rent * gap
        gone = min(self.fresh + rental.minute, self.older) + rental.stake
        least = min(kept, gone)
        self.fresh, self.older = gone - least, kept - least
        return least


@dataclass(slots=True)
class Habit:
    """What is known about the uses of one prefix, and what is at stake with its cache.

    Attributes:
        last: When it was used last, in unix seconds, close uses aside.
        latest: When it was used last of all.
        close: Uses since ``last`` that are not counted yet, each of them closer to it
            than gaps are told apart.
        gaps: The gaps between its uses, as far as anybody told.
        news: Those of them that nobody else was told yet.
        gap: The latest one.
        written: Whether the provider was asked to write it.
        growth: Tokens that a use appends on average.
        tier: The lifetime that it was written for.
        kept: Its cache, if that is being kept.
        enough: Seconds of a cache's life that were enough, at the last decision, not
            to prolong it.
        ever_kept: Whether it ever was.
        known: What keeping and letting go would have cost, all uses known.
        looked: When others were last asked about it.
        advance: Part of the slack that was settled before the gap had an end.
        lapsed: Whether it counts as used for the last time.
    """

    last: float
    latest: float = -math.inf
    close: int = 0
    gaps: Gaps = field(default_factory=Gaps)
    news: Gaps = field(default_factory=Gaps)
    gap: float = LONGEST
    written: bool = False
    growth: float = 0.0
    tier: Tier = "5m"
    kept: Kept | None = None
    enough: float = math.inf
    ever_kept: bool = False
    known: Known = field(default_factory=Known)
    looked: float = -math.inf
    advance: float = 0.0
    lapsed: bool = False

    def comes_close(self, now: float) -> bool:
        """Take in a use if it comes too soon after the last one to tell gaps apart."""
        if not 0 <= now - self.last < CLOSE:
            return False
        self.gap = now - (self.latest if self.close else self.last)
        self.latest = now
        self.close += 1
        return True
