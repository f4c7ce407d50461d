"""Named caches of one prefix: fixed lifetimes, the policy, and the optimum."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, Protocol

from langchain_moonshot_cache.economics import Wish

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_moonshot_cache.economics import Advisor, Rental

__all__ = ["MARGIN", "Advised", "Fixed", "best_kept", "kept", "stored"]

MARGIN = 10.0
"""Seconds before its end from which a client uses a named cache no more."""


class Keeper(Protocol):
    """Decides about the cache of one prefix; returns the lifetime to ask for."""

    def hit(self, at: float, *, remaining: float) -> float | None:
        """Use it; None leaves its end as it is."""

    def miss(self, at: float) -> float | None:
        """Have it created; None does without."""


class Fixed(NamedTuple):
    """Creates at once, and renews the same lifetime with every call."""

    ttl: float

    def hit(self, _at: float, *, remaining: float) -> float | None:  # noqa: ARG002
        """Renew it."""
        return self.ttl

    def miss(self, _at: float) -> float | None:
        """Create it."""
        return self.ttl


class Advised(NamedTuple):
    """Does what the policy advises."""

    advisor: Advisor
    key: str
    rental: Rental
    tokens: int
    wish: Wish = Wish.NONE
    margin: float = MARGIN

    def hit(self, at: float, *, remaining: float) -> float | None:
        """Ask whether to prolong it."""
        self.advisor.used(self.key, now=at)
        decision = self.advisor.keep(
            self.key,
            remaining=remaining,
            rental=self.rental,
            margin=self.margin,
            wish=self.wish,
        )
        self.advisor.earned(self.key, self.rental.saving)
        return decision.seconds if decision.yes else None

    def miss(self, at: float) -> float | None:
        """Ask whether to create it."""
        self.advisor.used(self.key, now=at)
        decision = self.advisor.create(
            self.key,
            tokens=self.tokens,
            rental=self.rental,
            margin=self.margin,
            wish=self.wish,
        )
        if not decision.yes:
            return None
        self.advisor.created(in_time=self.rental.at_once)
        self.advisor.earned(self.key, self.rental.saves_now)
        return decision.seconds


def stored(seconds: float) -> int:
    """Return the minutes that storage is charged for."""
    return max(math.ceil(seconds / 60 - 1e-9), 1)


def kept(
    times: Sequence[float],
    full: float,
    rental: Rental,
    keeper: Keeper,
    *,
    margin: float = MARGIN,
) -> float:
    """Return what uses of one prefix cost beyond fees that all of them pay.

    Args:
        times: When it is used.
        full: What its tokens cost without a cache.
        rental: What a cache costs and saves.
        keeper: What decides.
        margin: Seconds before its end from which a cache is used no more.
    """
    cost, born, end = full * len(times), 0.0, -math.inf
    for at in times:
        if end - margin > at:
            cost -= rental.saving
            seconds = keeper.hit(at, remaining=end - at)
            end = end if seconds is None else at + seconds
            continue
        if end > 0:
            cost += stored(end - born) * rental.minute
        seconds = keeper.miss(at)
        end = -math.inf
        if seconds is not None:
            born, end = at, at + seconds
            cost += rental.create - rental.saves_now
    return cost + (stored(end - born) * rental.minute if end > 0 else 0.0)


def best_kept(times: Sequence[float], full: float, rental: Rental) -> float:
    """Return the least that uses of one prefix can cost, knowing all of them."""
    least = [0.0] * (len(times) + 1)
    for first in reversed(range(len(times))):
        least[first] = full + least[first + 1]
        begun = full + rental.create - rental.saves_now
        for last in range(first, len(times)):
            minutes = stored(times[last] - times[first])
            uses = full - rental.saving
            cost = begun + minutes * rental.minute + (last - first) * uses
            least[first] = min(least[first], cost + least[last + 1])
    return least[0]
