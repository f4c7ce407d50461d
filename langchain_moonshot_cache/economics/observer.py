"""Notes when prefixes are used, and what is to be expected of them by that."""

from __future__ import annotations

import math
from collections import OrderedDict
from threading import Lock

from langchain_moonshot_cache.economics.gaps import UNKNOWN, Gaps
from langchain_moonshot_cache.economics.habits import Habit
from langchain_moonshot_cache.economics.slack import Slack
from langchain_moonshot_cache.economics.tiers import TIERS

__all__ = ["Observer"]

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


class Observer:
    """Knows the habits of an account's prefixes. Safe between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._habits: OrderedDict[str, Habit] = OrderedDict()
        self._lively: OrderedDict[str, Habit] = OrderedDict()
        self._account = Gaps()
        self._slack = Slack()

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

    # With the lock held -------------------------------------------------------

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

    def _note_gap(self, habit: Habit, *, now: float, times: int = 1) -> None:
        gap = max(now - habit.last, 0.0)
        habit.last, habit.gap = now, gap
        habit.gaps = habit.gaps.seen(gap, memory=_OWN_MEMORY, times=times)
        habit.news = habit.news.seen(gap, memory=_OWN_MEMORY, times=times)
        self._slack.settle(habit, gap=gap)
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
        if kept is not None and gap < kept.usable:
            self._slack.hold(habit, kept.after(gap))

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
            self._slack.advance(habit, silence=_LAPSE)

    def _make_room(self) -> None:
        while len(self._habits) > _MOST_PREFIXES:
            key, habit = self._habits.popitem(last=False)
            if self._lively.pop(key, None):
                self._count_close(habit)
                self._slack.advance(habit, silence=_LAPSE)
