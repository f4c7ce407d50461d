"""How far keeping caches may depart from the break-even rule: what it gained on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from langchain_moonshot_cache.economics.habits import Kept

if TYPE_CHECKING:
    from langchain_moonshot_cache.economics.habits import Habit
    from langchain_moonshot_cache.economics.rental import Rental

__all__ = ["Slack"]


@dataclass(slots=True)
class Slack:
    """What keeping and letting go cost less than twice their least, all uses known.

    Learned times depart from the break-even rule out of it. Each prefix begins with a
    slack of one started minute, without which nothing could be tried.

    Attributes:
        amount: Money, in float, as it weighs and does not bill.
    """

    amount: float = 0.0

    def left(self, habit: Habit, rental: Rental, *, margin: float) -> float:
        """Return what may be spent on keeping the cache of a prefix.

        Args:
            habit: The prefix.
            rental: What its cache costs and saves.
            margin: Seconds before its end from which a cache is used no more.
        """
        held = habit.kept.reserve if habit.kept else 0.0
        first = 0.0 if habit.ever_kept else _first(rental, margin)
        return max(self.amount + held + first, 0.0)

    def keep(
        self, habit: Habit, rental: Rental, *, seconds: float, margin: float
    ) -> None:
        """Set aside what keeping a cache may cost more than the break-even rule.

        Args:
            habit: The prefix, as of its last use.
            rental: What its cache costs and saves.
            seconds: How long after that use it ends.
            margin: As for :meth:`left`.
        """
        if not habit.ever_kept:
            habit.ever_kept = True
            self.amount += _first(rental, margin)
        if habit.kept is not None:
            self.amount += habit.kept.reserve
        self.hold(habit, Kept(rental, seconds, max(seconds - margin, 0.0)))

    def hold(self, habit: Habit, kept: Kept) -> None:
        """Set aside what a cache may cost that is being kept."""
        habit.kept, habit.enough = kept, math.inf
        self.amount -= kept.reserve

    def settle(self, habit: Habit, *, gap: float) -> None:
        """Compare what a gap cost with the least that it could have cost."""
        kept = habit.kept
        if kept is None:
            return
        least = habit.known.after(gap, kept.rental)
        self.amount += kept.reserve + 2 * least - kept.cost(gap) - habit.advance
        habit.kept, habit.advance = None, 0.0

    def advance(self, habit: Habit, *, silence: float) -> None:
        """Settle a gap that may have no end by the least that it can come to.

        Args:
            habit: The prefix.
            silence: Seconds that the gap has lasted, at least.
        """
        kept = habit.kept
        if kept is None:
            return
        least = min(kept.rental.rent * silence, kept.rental.stake)
        habit.advance = kept.reserve + 2 * least - kept.cost(math.inf)
        self.amount += habit.advance


def _first(rental: Rental, margin: float) -> float:
    """Return what a prefix begins with: a started minute, and what is never used."""
    return rental.minute + 2 * margin * rental.rent
