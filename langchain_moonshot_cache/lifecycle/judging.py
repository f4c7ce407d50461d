"""What a registry's entry allows, at a given time. Plain functions of their input."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, auto
from typing import TYPE_CHECKING

from langchain_moonshot_cache.errors import (
    APIStatusError,
    ConnectionFailedError,
    MoonshotCacheError,
    ResponseFormatError,
    ServerError,
)
from langchain_moonshot_cache.lifecycle.entry import Entry, State
from langchain_moonshot_cache.lifecycle.terms import Bypassed, Pending, Ready

if TYPE_CHECKING:
    from langchain_moonshot_cache.lifecycle.effects import Seen
    from langchain_moonshot_cache.lifecycle.terms import Terms

__all__ = [
    "Verdict",
    "as_seen",
    "describe",
    "doubted",
    "failed",
    "judge",
    "left_alone",
    "outcome_unknown",
    "put_off",
    "refused_repeatedly",
    "standing",
    "usable",
]

_REFUSED = "ReferenceRefused"
_TOO_OFTEN = 2
"""Refusals after which a cache that claims to be ready is not believed. The first one
may have met it while it was being renewed."""


class Verdict(Enum):
    """What to do about an entry."""

    USE = auto()
    AWAIT = auto()
    LEAVE = auto()
    MAKE = auto()


def usable(entry: Entry, *, now: float, margin: float) -> bool:
    """Tell whether a cache can be referenced at ``now`` (unix seconds)."""
    return entry.state is State.READY and entry.expires_at - margin > now


def judge(entry: Entry | None, *, now: float, terms: Terms) -> Verdict:
    """Decide what an entry asks for."""
    if entry is None or entry.state is State.ABSENT:
        return Verdict.MAKE
    if usable(entry, now=now, margin=terms.margin):
        return Verdict.USE
    # A retry time further off than any back-off comes from a clock that jumped.
    if now < entry.retry_at <= now + terms.longest_backoff:
        return Verdict.LEAVE
    if entry.state is State.PENDING and entry.expires_at - terms.margin > now:
        return Verdict.AWAIT
    return Verdict.MAKE


def standing(
    entry: Entry | None, terms: Terms, *, now: float
) -> Ready | Bypassed | Pending | None:
    """Answer from the entry alone; None if a cache has to be made."""
    if entry is None:
        return None
    match judge(entry, now=now, terms=terms):
        case Verdict.USE:
            return Ready(entry)
        case Verdict.LEAVE:
            return left_alone(entry, now=now)
        case Verdict.AWAIT:
            return Pending(entry)
        case Verdict.MAKE:
            return None


def left_alone(entry: Entry, *, now: float) -> Bypassed:
    """Say why a cache is not tried for now."""
    wait = max(entry.retry_at - now, 0.0)
    return Bypassed(
        f"creating the cache failed ({entry.note}); next attempt in {wait:.0f} s"
    )


def as_seen(entry: Entry, seen: Seen, *, now: float, ttl: int) -> Entry:
    """Bring an entry up to what the server says of the cache.

    Failures are forgotten when the cache is ready and not before: a create that is
    accepted and then fails, again and again, is to be tried ever more rarely.
    """
    is_ready = seen.status == "ready"
    return replace(
        entry,
        state=State.READY if is_ready else State.PENDING,
        cache_id=seen.cache_id,
        tokens=entry.tokens if seen.tokens is None else seen.tokens,
        ttl=ttl,
        expires_at=now + ttl if seen.expires_at is None else seen.expires_at,
        retry_at=0.0,
        failures=0 if is_ready else entry.failures,
        note="",
    )


def failed(
    entry: Entry, error: MoonshotCacheError, *, now: float, terms: Terms
) -> Entry:
    """Note that creating a cache failed.

    Where the outcome is unknown the entry stays an intent: the next one to try looks
    for the cache before it creates another.
    """
    return replace(
        put_off(entry, error, now=now, terms=terms),
        state=State.CREATING if outcome_unknown(error) else State.FAILED,
        cache_id=None,
    )


def put_off(
    entry: Entry, error: MoonshotCacheError, *, now: float, terms: Terms
) -> Entry:
    """Note that a step before the create failed.

    What the entry says of the cache, or of an intent, holds as before: it is all that
    leads to a cache which may be alive.
    """
    failures = entry.failures + 1
    pause = terms.backoff_after(failures)
    if error.retry_after is not None:
        pause = min(max(0.0, error.retry_after), terms.longest_backoff)
    return replace(entry, retry_at=now + pause, failures=failures, note=describe(error))


def doubted(entry: Entry, *, times: int) -> Entry:
    """Note that references to the cache were refused, so many times in a row."""
    return replace(entry, expires_at=0.0, failures=times, note=_REFUSED)


def refused_repeatedly(entry: Entry) -> bool:
    """Tell whether the server refused the cache too often to be believed about it."""
    return entry.note == _REFUSED and entry.failures >= _TOO_OFTEN


def outcome_unknown(error: MoonshotCacheError) -> bool:
    """Tell whether a request may have taken effect although it failed."""
    return isinstance(error, ConnectionFailedError | ResponseFormatError | ServerError)


def describe(error: MoonshotCacheError) -> str:
    """Name an error without its message, which may quote a prompt."""
    name = type(error).__name__
    if isinstance(error, APIStatusError) and error.status_code is not None:
        return f"{name} ({error.status_code})"
    return name
