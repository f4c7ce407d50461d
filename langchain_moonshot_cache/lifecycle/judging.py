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

if TYPE_CHECKING:
    from langchain_moonshot_cache.lifecycle.effects import Seen
    from langchain_moonshot_cache.lifecycle.terms import Terms

__all__ = [
    "Verdict",
    "as_seen",
    "describe",
    "failed",
    "judge",
    "outcome_unknown",
    "usable",
]


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


def as_seen(entry: Entry, seen: Seen, *, now: float, ttl: int) -> Entry:
    """Bring an entry up to what the server says of the cache."""
    state = State.READY if seen.status == "ready" else State.PENDING
    expires_at = now + ttl if seen.expires_at is None else seen.expires_at
    return replace(
        entry,
        state=state,
        cache_id=seen.cache_id,
        tokens=entry.tokens if seen.tokens is None else seen.tokens,
        ttl=ttl,
        expires_at=expires_at,
        retry_at=0.0,
        failures=0,
        note="",
    )


def failed(
    entry: Entry, error: MoonshotCacheError, *, now: float, terms: Terms
) -> Entry:
    """Note a failed creation, so that it is not tried again with every call.

    Where the outcome is unknown the entry stays an intent: the next one to try looks
    for the cache before it creates another.
    """
    failures = entry.failures + 1
    pause = terms.backoff_after(failures)
    if error.retry_after is not None:
        pause = min(max(error.retry_after, 0.0), terms.longest_backoff)
    return replace(
        entry,
        state=State.CREATING if outcome_unknown(error) else State.FAILED,
        cache_id=None,
        retry_at=now + pause,
        failures=failures,
        note=describe(error),
    )


def outcome_unknown(error: MoonshotCacheError) -> bool:
    """Tell whether a request may have taken effect although it failed."""
    return isinstance(error, ConnectionFailedError | ResponseFormatError | ServerError)


def describe(error: MoonshotCacheError) -> str:
    """Name an error without its message, which may quote a prompt."""
    name = type(error).__name__
    if isinstance(error, APIStatusError) and error.status_code is not None:
        return f"{name} ({error.status_code})"
    return name
