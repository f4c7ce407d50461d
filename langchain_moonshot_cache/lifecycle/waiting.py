"""Waiting for a pending cache, by the clock and within the budget."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from langchain_moonshot_cache.errors import (
    CacheFailedError,
    NotFoundError,
    RegistryError,
)
from langchain_moonshot_cache.lifecycle.effects import (
    Clear,
    Clock,
    Flow,
    Instant,
    Poll,
    Record,
    Seen,
    Sleep,
    do,
)
from langchain_moonshot_cache.lifecycle.failing import note_failure
from langchain_moonshot_cache.lifecycle.judging import as_seen, failed
from langchain_moonshot_cache.lifecycle.terms import Bypassed, Pending, Ready, Terms

if TYPE_CHECKING:
    from langchain_moonshot_cache.lifecycle.entry import Entry

__all__ = ["await_ready"]

STILL_PENDING = Bypassed("the cache is still pending", pending=True)
EXPIRED = Bypassed("the cache expired while it was pending")
DELETED = Bypassed("the cache was deleted while it was pending")


def await_ready(
    pending: Pending, terms: Terms, *, until: float, pause: float
) -> Flow[Ready | Bypassed]:
    """Poll a pending cache until it is settled or the budget is spent.

    Args:
        pending: The cache.
        terms: For the pauses.
        until: End of the budget, by the clock that never jumps.
        pause: Seconds before the first look. 0 for a cache that was pending before
            this call: even a call without a budget finds out how things stand.
    """
    cache_id = pending.entry.cache_id or ""
    while True:
        if pause:
            now = yield from do(Clock())
            if now.elapsed + pause > until:
                return replace(STILL_PENDING, created=pending.how == "created")
            yield from do(Sleep(pause))
        try:
            seen = yield from do(Poll(cache_id))
        except NotFoundError:
            yield from do(Clear(pending.entry.key, cache_id))
            return DELETED
        if seen.status != "pending":
            return (yield from _settle(pending, seen, terms))
        pause = min(pause * 2, terms.longest_pause) or terms.first_pause


def _settle(pending: Pending, seen: Seen, terms: Terms) -> Flow[Ready | Bypassed]:
    """Write down what became of the cache."""
    entry = pending.entry
    if seen.status == "error":
        error = CacheFailedError(seen.error or "", error_type=seen.error)
        return (yield from note_failure(failed, entry, error, terms))
    now: Instant = yield from do(Clock())
    if seen.status == "inactive":
        # By the server's word, whatever our clock says of the end that was planned.
        yield from _keep(replace(entry, expires_at=min(entry.expires_at, now.wall)))
        return EXPIRED
    ready = as_seen(entry, seen, now=now.wall, ttl=entry.ttl or terms.ttl)
    yield from _keep(ready)
    return Ready(ready, pending.how)


def _keep(entry: Entry) -> Flow[None]:
    """Tell the others; what was seen stands whether or not that works."""
    try:
        yield from do(Record(entry))
    except RegistryError:
        return
