"""Puts before the policy what it decides by: habits of use, and what was earned."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

from langchain_moonshot_cache.economics.gaps import UNKNOWN, Gaps
from langchain_moonshot_cache.economics.habits import Habit, Kept
from langchain_moonshot_cache.economics.policy import Decision, Outlook, Wish
from langchain_moonshot_cache.economics.tiers import TIERS

if TYPE_CHECKING:
    from langchain_moonshot_cache.economics.policy import CachePolicy
    from langchain_moonshot_cache.economics.rental import Rental
    from langchain_moonshot_cache.economics.tiers import Tier, TierPrice

__all__ = ["Advisor"]

_OWN_MEMORY = 32
"""Gaps of one prefix that count: a day's work fades within the next morning's."""
_ACCOUNT_MEMORY = 512
"""The same over all prefixes of the account."""
_PRIOR_WEIGHT = 4.0
"""Gaps that what is expected of any account counts for beside those observed in this
one: enough for a single odd one not to decide."""
_ACCOUNT_WEIGHT = 8.0
"""Gaps that those of the account count for beside a prefix's own: most conversations
end before they have shown more of themselves."""
_MOST_PREFIXES = 4096
"""Prefixes that are remembered, the latest used: about 3 MB."""
_LOOK_EVERY = 60.0
"""Seconds between two looks at what others know of a prefix that has no cache here."""
_LAPSE = float(TIERS["5m"])
"""Seconds of silence after which a prefix counts as used for the last time, until it is
used again. Who waited longer would know of the pauses that ended before those that did
not, and take all prefixes for lasting ones."""
_GROWTH_SHARE = 0.25
"""Weight of the newest growth of a conversation in its average."""


class Advisor:
    """Asks a policy with what is known. One for each account; safe between threads.

    It keeps two accounts, in float, as they weigh and do not bill. The *purse* is what
    caching has saved so far, net of all that was spent on it; what the user did not ask
    for is paid out of it, so that this never takes it below zero. The *slack* is what
    keeping and letting go cost less than twice what they would have cost with all uses
    known beforehand; learned times depart from the break-even rule out of it. Each
    prefix begins with a slack of one started minute, without which nothing could be
    tried.

    Both are this process's own: each client spends what it earned itself, and so the
    promises hold for all of them together.

    Args:
        policy: What decides.
    """

    def __init__(self, policy: CachePolicy) -> None:
        self._policy = policy
        self._lock = Lock()
        self._habits: OrderedDict[str, Habit] = OrderedDict()
        self._lively: OrderedDict[str, Habit] = OrderedDict()
        self._account = Gaps()
        self._purse = 0.0
        self._slack = 0.0
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

    def used(self, key: str, *, now: float, like: str | None = None) -> None:
        """Note that a prefix is being used.

        Args:
            key: The prefix.
            now: Unix seconds.
            like: A shorter prefix of the same conversation: what was seen of it is
                expected of this one until it has been seen itself.
        """
        with self._lock:
            habit = self._habits.get(key)
            if habit is not None and habit.comes_close(now):
                return
            self._note_lapses(now)
            if habit is None:
                model = self._habits.get(like) if like else None
                gaps = model.gaps if model else Gaps()
                habit = self._habits[key] = Habit(last=now, gaps=gaps)
                self._make_room()
            else:
                self._count_close(habit)
                self._note_gap(habit, now=now)
                self._habits.move_to_end(key)
            self._lively[key] = habit
            self._lively.move_to_end(key)

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
                self._keep(habit, rental, seconds=decision.seconds, margin=margin)
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
                self._keep(habit, rental, seconds=seconds, margin=margin)
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

    # What others observed -----------------------------------------------------

    def look_is_due(self, key: str, *, now: float) -> bool:
        """Tell whether to ask what others know of a prefix; asking counts as looking.

        Args:
            key: The prefix, noted as used before.
            now: Seconds, by any clock.
        """
        with self._lock:
            habit = self._habit(key, trial=False)
            due = abs(now - habit.looked) >= _LOOK_EVERY
            if due:
                habit.looked = now
            return due

    def learn(self, key: str, *, gaps: Gaps, last: float) -> None:
        """Add what other clients observed of a prefix.

        Args:
            key: The prefix.
            gaps: What they observed.
            last: When they used it last, in unix seconds.
        """
        with self._lock:
            habit = self._habits.get(key)
            if habit is None:
                return
            self._count_close(habit)
            if not habit.gaps.total and 0 < last < habit.last:
                # This client's first use ends a pause that others began.
                gap = habit.last - last
                habit.news = habit.news.seen(gap, memory=_OWN_MEMORY)
                self._account = self._account.seen(gap, memory=_ACCOUNT_MEMORY)
            habit.gaps = gaps.merged(habit.news, memory=_OWN_MEMORY)

    def tell(self, key: str, *, gaps: Gaps) -> tuple[Gaps, float] | None:
        """Add what this client observed to what others know, and take it as told.

        Args:
            key: The prefix.
            gaps: What they know.

        Returns:
            The sum, and when this client used the prefix last; None without news.
        """
        with self._lock:
            habit = self._habits.get(key)
            if habit is None:
                return None
            self._count_close(habit)
            if not habit.news.total:
                return None
            told = gaps.merged(habit.news, memory=_OWN_MEMORY)
            habit.news = Gaps()
            return told, habit.last

    # --------------------------------------------------------------------------

    def _habit(self, key: str, *, trial: bool) -> Habit:
        habit = self._habits.get(key)
        if habit is None:
            # A use is noted just before, but others may have taken its room since.
            habit = Habit(last=0.0)
            if not trial:
                self._habits[key] = habit
        return habit

    def _expected(self, habit: Habit) -> Gaps:
        account = self._account.blended(UNKNOWN, weight=_PRIOR_WEIGHT)
        return habit.gaps.blended(account, weight=_ACCOUNT_WEIGHT)

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
        held = habit.kept.reserve if habit.kept else 0.0
        first = 0.0 if habit.ever_kept else _first_slack(rental, margin)
        return Outlook(
            rental=rental,
            gaps=self._expected(habit),
            purse=self._purse,
            slack=max(self._slack + held + first, 0.0),
            wish=wish,
            margin=margin,
            instead=instead,
        )

    def _keep(
        self, habit: Habit, rental: Rental, *, seconds: float, margin: float
    ) -> None:
        """Set aside what keeping may cost more than the break-even rule."""
        if not habit.ever_kept:
            habit.ever_kept = True
            self._slack += _first_slack(rental, margin)
        if habit.kept is not None:
            self._slack += habit.kept.reserve
        self._hold(habit, Kept(rental, seconds, max(seconds - margin, 0.0)))

    def _hold(self, habit: Habit, kept: Kept) -> None:
        habit.kept, habit.enough = kept, math.inf
        self._slack -= kept.reserve

    def _settle(self, habit: Habit, *, gap: float) -> None:
        """Compare what a gap cost with the least that it could have cost."""
        kept = habit.kept
        if kept is None:
            return
        least = habit.known.after(gap, kept.rental)
        self._slack += kept.reserve + 2 * least - kept.cost(gap) - habit.advance
        habit.kept, habit.advance = None, 0.0

    def _advance(self, habit: Habit) -> None:
        """Settle a gap that may have no end by the least that it can come to."""
        kept = habit.kept
        if kept is None:
            return
        least = min(kept.rental.rent * _LAPSE, kept.rental.stake)
        habit.advance = kept.reserve + 2 * least - kept.cost(math.inf)
        self._slack += habit.advance

    def _note_gap(self, habit: Habit, *, now: float, times: int = 1) -> None:
        gap = max(now - habit.last, 0.0)
        habit.last, habit.gap = now, gap
        habit.gaps = habit.gaps.seen(gap, memory=_OWN_MEMORY, times=times)
        habit.news = habit.news.seen(gap, memory=_OWN_MEMORY, times=times)
        self._settle(habit, gap=gap)
        if habit.lapsed:
            habit.lapsed = False
            self._account = self._account.without_end()
        self._account = self._account.seen(gap, memory=_ACCOUNT_MEMORY, times=times)

    def _count_close(self, habit: Habit) -> None:
        """Count the uses that came too close to one another to decide anything by.

        Together they count as one gap where money is concerned: keeping costs the same
        by the second, and with all uses known it can only have cost less.
        """
        if not habit.close:
            return
        times, habit.close = habit.close, 0
        kept, gap = habit.kept, habit.latest - habit.last
        self._note_gap(habit, now=habit.latest, times=times)
        if kept is not None:
            self._hold(habit, kept.after(gap))

    def _note_lapses(self, now: float) -> None:
        """Count those that fell silent as used for the last time."""
        while self._lively:
            key, habit = next(iter(self._lively.items()))
            self._count_close(habit)
            if now - habit.last <= _LAPSE:
                return
            del self._lively[key]
            habit.lapsed = True
            self._account = self._account.seen(math.inf, memory=_ACCOUNT_MEMORY)
            self._advance(habit)

    def _make_room(self) -> None:
        while len(self._habits) > _MOST_PREFIXES:
            key, habit = self._habits.popitem(last=False)
            if self._lively.pop(key, None):
                self._count_close(habit)
                self._advance(habit)


def _first_slack(rental: Rental, margin: float) -> float:
    """Return what a prefix begins with: a started minute, and what is never used."""
    return rental.minute + 2 * margin * rental.rent
