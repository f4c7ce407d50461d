"""How long a prefix is left alone between two uses, as a sketch that can be added."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

__all__ = ["EDGES", "LONGEST", "UNKNOWN", "Gaps"]

EDGES = (15, 30, 60, 90, 120, 180, 240, 300, 420, 600, 900, 1200, 1800, 2700, 3600)
"""Upper ends of the buckets in seconds, included in them. Each is about 1.4 times the
one before, as a lifetime that is 1.4 times too long costs less than not knowing would;
five minutes and an hour are among them, which are the lifetimes that providers offer.
What lies beyond the last one outlives every cache, so it has one bucket for itself."""

LONGEST = float(EDGES[-1])

_BUCKETS = len(EDGES) + 1
_STEPS = 4
_FULL = 255
"""A count is kept as a byte, in quarters: up to 63.75."""


@dataclass(frozen=True, slots=True)
class Gaps:
    """Counts of the gaps between uses, by length; old ones fade.

    Attributes:
        counts: Observations in each bucket of :data:`EDGES`, and beyond the last.
    """

    counts: tuple[float, ...] = (0.0,) * _BUCKETS

    @property
    def total(self) -> float:
        """How many observations count."""
        return sum(self.counts)

    def seen(self, seconds: float, *, memory: int, times: int = 1) -> Self:
        """Add one gap, or several of the same bucket.

        Args:
            seconds: Its length; a clock that was set back counts as no gap.
            memory: Observations that count: beyond them, new ones make all of them
                fade by their share.
            times: How many gaps it stands for.
        """
        counts = list(self.counts)
        counts[bisect_left(EDGES, seconds)] += times
        return self._faded(counts, memory=memory)

    def without_end(self) -> Self:
        """Take back a gap beyond the last bucket: it turned out to have an end."""
        return type(self)((*self.counts[:-1], max(self.counts[-1] - 1.0, 0.0)))

    def merged(self, other: Gaps, *, memory: int) -> Self:
        """Add what somebody else observed of the same prefix."""
        pairs = zip(self.counts, other.counts, strict=True)
        return self._faded([mine + theirs for mine, theirs in pairs], memory=memory)

    def blended(self, prior: Gaps, *, weight: float) -> Self:
        """Add what is to be expected, as so many observations.

        Args:
            prior: The expectation; its own total does not matter.
            weight: How many observations of one's own it is worth.
        """
        total = prior.total
        if not total:
            return self
        share = weight / total
        pairs = zip(self.counts, prior.counts, strict=True)
        return type(self)(tuple([mine + share * theirs for mine, theirs in pairs]))

    def text(self) -> str:
        """Write the counts as hexadecimal digits, two for each bucket."""
        return bytes(min(round(n * _STEPS), _FULL) for n in self.counts).hex()

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read what :meth:`text` wrote; anything else counts as nothing observed."""
        try:
            counts = bytes.fromhex(text)
        except ValueError:
            return cls()
        if len(counts) != _BUCKETS:
            return cls()
        return cls(tuple(count / _STEPS for count in counts))

    def _faded(self, counts: list[float], *, memory: int) -> Self:
        total = sum(counts)
        if total > memory:
            share = memory / total
            counts = [count * share for count in counts]
        return type(self)(tuple(counts))


UNKNOWN = Gaps((4.0, 4.0, 4.0, 2.0, 1.0, *(0.1,) * 10, 1.0))
"""What is expected before anything was observed: the questions of a user at work, less
than a minute apart, and one use in seventeen that was the last. It moves no money by
itself: what nobody asked for has to be earned first."""
