"""What ``ensure`` would do about a prefix, found out by looking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from langchain_moonshot_cache.errors import RegistryError
from langchain_moonshot_cache.lifecycle import breaker
from langchain_moonshot_cache.lifecycle.effects import Clock, Flow, Lookup, do
from langchain_moonshot_cache.lifecycle.judging import describe, standing
from langchain_moonshot_cache.lifecycle.terms import Pending, Ready, Terms

if TYPE_CHECKING:
    from langchain_moonshot_cache.lifecycle.entry import Entry
    from langchain_moonshot_cache.prefix import Prefix

__all__ = ["Outlook", "Step", "foresee"]

Step = Literal["use", "wait", "create", "leave"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What would happen to the cache of a prefix.

    Attributes:
        step: Whether it would be used, waited for, created, or left alone.
        reason: Why, in words that may be shown and logged.
        entry: What is known about it, None if nothing is.
        now: The time by which that was judged, in unix seconds of the server's clock.
    """

    step: Step
    reason: str
    entry: Entry | None = None
    now: float = 0.0

    @property
    def expired_for(self) -> float | None:
        """Seconds since the cache ended; None if it has not, or there was none."""
        ends = self.entry.expires_at if self.entry and self.entry.cache_id else 0.0
        return self.now - ends if 0.0 < ends <= self.now else None


def foresee(prefix: Prefix, terms: Terms) -> Flow[Outlook]:
    """Find out what would become of a prefix, and change nothing.

    Only the registry is asked, by reading. A registry in trouble is an answer, too.
    """
    now = (yield from do(Clock())).wall
    try:
        entry = yield from do(Lookup(prefix.key))
        known = standing(entry, terms, now=now)
        if isinstance(known, Ready):
            return Outlook(step="use", reason="it has a cache", entry=entry, now=now)
        if isinstance(known, Pending):
            reason = "its cache is still being made"
            return Outlook(step="wait", reason=reason, entry=entry, now=now)
        blocked = yield from breaker.blocked(prefix.key)
    except RegistryError as error:
        reason = f"the registry is out of order: {describe(error)}"
        return Outlook(step="leave", reason=reason, now=now)
    if left := (known.reason if known else blocked):
        return Outlook(step="leave", reason=left, entry=entry, now=now)
    return Outlook(step="create", reason="it has no cache yet", entry=entry, now=now)
