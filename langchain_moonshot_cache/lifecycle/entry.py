"""What clients that share caches know about the cache of a prefix."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Claim", "Entry", "State"]


class State(StrEnum):
    """What is known about the cache of a prefix."""

    ABSENT = "absent"
    """There is none."""
    CREATING = "creating"
    """Somebody wrote down the intent to create one; it may exist already."""
    PENDING = "pending"
    """It was created and the server is still working on it."""
    READY = "ready"
    """It can be referenced until ``expires_at``."""
    FAILED = "failed"
    """Creating it failed; worth another try at ``retry_at``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a registry knows about one prefix.

    Attributes:
        key: Fingerprint of the prefix, keyed per account.
        state: See :class:`State`.
        fence: Number of the latest won claim; writes that name an older one are stale.
        cache_id: Id of the cache on the server, if there is one.
        tokens: Tokens that the server says the cache holds.
        ttl: Lifetime in seconds that was asked for.
        expires_at: When the cache ends, in unix seconds of the server's clock.
        retry_at: When creation may be tried again, in unix seconds of the server's
            clock; 0 when nothing failed.
        failures: Failed attempts in a row.
        note: Why the state is what it is, for people: a class name, never a prompt.
        gaps: What was observed of the pauses between uses, as hexadecimal digits; it
            outlives the cache.
        used_at: When a use was last told, in unix seconds of the server's clock.
    """

    key: str
    state: State = State.ABSENT
    fence: int = 0
    cache_id: str | None = None
    tokens: int | None = None
    ttl: int | None = None
    expires_at: float = 0.0
    retry_at: float = 0.0
    failures: int = 0
    note: str = ""
    gaps: str = ""
    used_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Claim:
    """The answer to a claim: whether it was won, and the entry as it now is."""

    won: bool
    entry: Entry
