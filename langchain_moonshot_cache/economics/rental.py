"""Keep a cache or let it go: the ski-rental problem, with what gaps were observed.

Keeping a cache costs rent by the minute, and having let it go costs a loss at the next
use. Whoever does not know when that comes keeps it until the rent has reached the loss,
and then pays at most twice what he would have paid knowing it (Karlin, Manasse, Rudolph
and Sleator, *Competitive snoopy caching*, 1988). What is learned from observed gaps may
depart from that rule by as much as was gained over it before, so that the bound holds
whatever is learned (see :class:`~langchain_moonshot_cache.economics.Advisor`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from langchain_moonshot_cache.economics.gaps import EDGES

if TYPE_CHECKING:
    from langchain_moonshot_cache.economics.gaps import Gaps
    from langchain_moonshot_cache.economics.prices import ChatPrice, NamedPrice

__all__ = ["Keep", "Rental", "best_keep"]

_MILLION = 1_000_000
_MINUTE = 60.0

_MIDDLES = tuple(
    (low + high) / 2 for low, high in zip((0, *EDGES[:-1]), EDGES, strict=True)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rental:
    """What a named cache of a given size costs and saves; money in one currency.

    Attributes:
        saving: What a call saves that uses it, its fee deducted.
        create: What creating it costs.
        rent: What a second of storage costs.
        at_once: Whether the call that has it created uses it as well; otherwise that
            call pays in full.
    """

    saving: float
    create: float
    rent: float
    at_once: bool = True

    @classmethod
    def of(
        cls, tokens: int, *, chat: ChatPrice, named: NamedPrice, at_once: bool = True
    ) -> Rental:
        """Put list prices and a size together.

        Args:
            tokens: What the cache holds.
            chat: Price of the model that uses it.
            named: Price of named caches.
            at_once: See the class.
        """
        millions = tokens / _MILLION
        return cls(
            saving=millions * float(chat.input) - float(named.call),
            create=millions * float(named.create),
            rent=millions * float(named.storage_minute) / _MINUTE,
            at_once=at_once,
        )

    @property
    def minute(self) -> float:
        """What a started minute of storage costs."""
        return self.rent * _MINUTE

    @property
    def saves_now(self) -> float:
        """What the call saves that has the cache created."""
        return self.saving if self.at_once else 0.0

    @property
    def loss(self) -> float:
        """What a use costs that finds the cache gone and has it created again."""
        return self.create if self.at_once else self.create + self.saving

    @property
    def stake(self) -> float:
        """The loss that is certain, whatever is done at the next use.

        Where it is cheaper to do without a cache than to create it, no more than that
        can be lost. Where the call that creates it pays in full, a first use that has
        no second one shall not cost twice what it had to.
        """
        if self.at_once:
            return min(self.create, self.saving)
        return max(self.saving - self.create, 0.0)


class Keep(NamedTuple):
    """How long to keep a cache after a use, and what that is worth.

    Attributes:
        seconds: How long.
        hits: Share of uses that will find it there.
        rent: Money that it costs on average until the next use.
    """

    seconds: float
    hits: float
    rent: float

    def value(self, rental: Rental) -> float:
        """Return what a cache saves on average from now until a use misses it."""
        misses = max(1.0 - self.hits, 1e-9)
        return (self.hits * rental.saving - self.rent) / misses


def best_keep(gaps: Gaps, rental: Rental) -> Keep:
    """Find the time of least cost among the edges of the observed gaps.

    Within a bucket gaps are taken for its middle, and are met only if the whole bucket
    is kept for.

    Args:
        gaps: At least one observation or expectation.
        rental: The prices.
    """
    total = beyond = gaps.total
    rent, loss = rental.rent, rental.loss
    start = met = paid = cost = 0.0
    lowest = best_met = best_paid = best = 0.0
    for edge, middle, count in zip(EDGES, _MIDDLES, gaps.counts, strict=False):
        beyond -= count
        met += count
        step = rent * ((middle - start) * count + (edge - start) * beyond)
        paid += step
        cost += step - loss * count
        if cost < lowest:
            lowest, best, best_met, best_paid = cost, edge, met, paid
        start = edge
    return Keep(best, best_met / total, best_paid / total)
