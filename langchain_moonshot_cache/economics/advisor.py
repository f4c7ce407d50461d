"""Puts before the policy what it decides by: habits of use, and what was earned."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from langchain_moonshot_cache.economics.observer import Observer
from langchain_moonshot_cache.economics.policy import Decision, Outlook, Wish
from langchain_moonshot_cache.economics.tiers import TIERS

if TYPE_CHECKING:
    from langchain_moonshot_cache.economics.habits import Habit
    from langchain_moonshot_cache.economics.policy import CachePolicy
    from langchain_moonshot_cache.economics.rental import Rental
    from langchain_moonshot_cache.economics.tiers import Tier, TierPrice

__all__ = ["Advisor"]

_GROWTH_SHARE = 0.25
"""Weight of the newest growth of a conversation in its average."""


class Advisor(Observer):
    """Asks a policy with what is known. One for each account; safe between threads.

    It keeps two accounts, in float, as they weigh and do not bill. The *purse* is what
    caching has saved so far, net of all that was spent on it; what the user did not ask
    for is paid out of it, so that this never takes it below zero. The other is the
    slack, see :class:`~langchain_moonshot_cache.economics.slack.Slack`.

    Both are this process's own: each client spends what it earned itself, and so the
    promises hold for all of them together.

    Args:
        policy: What decides.
    """

    def __init__(self, policy: CachePolicy) -> None:
        super().__init__()
        self._policy = policy
        self._purse = 0.0
        self._at_once = True

    @property
    def at_once(self) -> bool:
        """Whether caches are ready for the call that has them created.

        So it is taken to be until one was not.
        """
        return self._at_once

    @property
    def purse(self) -> float:
        """What caching has saved so far, net, in the account's currency."""
        return self._purse

    def create(
        self,
        key: str,
        *,
        tokens: int,
        rental: Rental | None,
        instead: Rental | None = None,
        margin: float = 0.0,
        wish: Wish = Wish.NONE,
        ttl: int | None = None,
        policy: CachePolicy | None = None,
        trial: bool = False,
    ) -> Decision:
        """Decide whether to create a cache, and charge what it costs if so.

        Args:
            key: The prefix, noted as used before.
            tokens: Its size.
            rental: What its cache costs and saves; None where that is not known.
            instead: The cache of a shorter prefix that the call could use as well.
            margin: Seconds before its end from which a cache is used no more.
            wish: How much the user asked for it.
            ttl: Lifetime in seconds that the user asked for.
            policy: What decides in place of the account's.
            trial: Whether only to say what would be decided.
        """
        with self._lock:
            habit = self._habit(key, trial=trial)
            self._count_close(habit)
            outlook = self._outlook(
                habit,
                rental,
                wish=wish,
                margin=margin,
                instead=instead,
            )
            decision = (policy or self._policy).create(
                tokens=tokens, outlook=outlook, ttl=ttl
            )
            if decision.yes and decision.seconds and rental and not trial:
                cost = rental.create + rental.rent * decision.seconds
                self._purse -= cost
                self._slack.keep(habit, rental, seconds=decision.seconds, margin=margin)
                return replace(decision, charged=cost)
            return decision

    def created(self, *, in_time: bool) -> None:
        """Note that a cache was created.

        Args:
            in_time: Whether the call that had it created could use it.
        """
        self._at_once = in_time

    def spared(self, decision: Decision) -> None:
        """Take back what a decision charged: the cache was there, or there is none."""
        with self._lock:
            self._purse += decision.charged

    def stays(self, key: str, *, remaining: float) -> bool:
        """Tell at next to no cost that :meth:`keep` would leave a cache as it is.

        So it does where the use came close to the last one, and the cache still has
        what was enough then; elsewhere more has to be known.

        Args:
            key: The prefix, noted as used before.
            remaining: Seconds that its cache still has.
        """
        habit = self._habits.get(key)
        return habit is not None and habit.close > 0 and remaining >= habit.enough

    def keep(
        self,
        key: str,
        *,
        remaining: float,
        rental: Rental | None,
        margin: float = 0.0,
        wish: Wish = Wish.NONE,
        ttl: int | None = None,
        policy: CachePolicy | None = None,
        trial: bool = False,
    ) -> Decision:
        """Decide whether a use prolongs the cache, and charge what that costs.

        Args:
            key: The prefix, noted as used before.
            remaining: Seconds that the cache still has.
            rental: What it costs and saves; None where that is not known.
            margin: Seconds before its end from which it is used no more.
            wish: How much the user asked for it.
            ttl: Lifetime in seconds that the user asked for.
            policy: What decides in place of the account's.
            trial: Whether only to say what would be decided.
        """
        if not trial and self.stays(key, remaining=remaining):
            return Decision.unchanged(remaining)
        with self._lock:
            habit = self._habit(key, trial=trial)
            self._count_close(habit)
            outlook = self._outlook(habit, rental, wish=wish, margin=margin)
            decision = (policy or self._policy).renew(
                remaining=remaining, ttl=ttl, outlook=outlook
            )
            seconds = remaining
            if trial:
                return decision
            if rental and decision.yes and decision.seconds:
                self._purse -= rental.rent * max(decision.seconds - remaining, 0.0)
                seconds = decision.seconds
            if rental:
                self._slack.keep(habit, rental, seconds=seconds, margin=margin)
                habit.enough = decision.enough
            return decision

    def earned(
        self,
        key: str,
        amount: float,
        *,
        decision: Decision | None = None,
        written: int | None = None,
        tier: Tier | None = None,
    ) -> None:
        """Note what a call saved, as the provider reported it; less than 0 is a loss.

        Args:
            key: The prefix that it used.
            amount: What it would have cost without a cache, less what it cost.
            decision: The decision about its lifetime, if one was made.
            written: Tokens that it had written, if that was reported.
            tier: The lifetime that they were written for, if that was.
        """
        with self._lock:
            self._purse += amount + (decision.charged if decision else 0.0)
            habit = self._habits.get(key)
            if habit is None:
                return
            habit.tier = tier or habit.tier
            if written is not None and decision is None:
                habit.growth += _GROWTH_SHARE * (written - habit.growth)

    def tier(
        self,
        key: str,
        *,
        tokens: int,
        price: TierPrice,
        policy: CachePolicy | None = None,
        trial: bool = False,
    ) -> tuple[Tier, Decision | None]:
        """Choose the lifetime to ask the provider for.

        It was fixed when the prompt was first written, so while that lives there is
        nothing to decide.

        Args:
            key: The prompt's lasting beginning, noted as used before.
            tokens: Its length.
            price: What the model's tokens cost.
            policy: What decides in place of the account's.
            trial: Whether only to say what would be decided.

        Returns:
            The lifetime, and the decision if one was made.
        """
        with self._lock:
            habit = self._habit(key, trial=trial)
            if habit.written and habit.gap <= TIERS[habit.tier]:
                return habit.tier, None
            self._count_close(habit)
            decision = (policy or self._policy).hour(
                tokens=tokens,
                price=price,
                gaps=self._expected(habit),
                purse=self._purse,
                growth=habit.growth,
            )
            tier: Tier = "1h" if decision.yes else "5m"
            if trial:
                return tier, decision
            habit.written, habit.tier = True, tier
            if decision.yes:
                decision = replace(decision, charged=price.surcharge(tokens))
                self._purse -= decision.charged
            return tier, decision

    # --------------------------------------------------------------------------

    def _outlook(
        self,
        habit: Habit,
        rental: Rental | None,
        *,
        wish: Wish,
        margin: float,
        instead: Rental | None = None,
    ) -> Outlook | None:
        if rental is None:
            return None
        return Outlook(
            rental=rental,
            gaps=self._expected(habit),
            purse=self._purse,
            slack=self._slack.left(habit, rental, margin=margin),
            wish=wish,
            margin=margin,
            instead=instead,
        )
