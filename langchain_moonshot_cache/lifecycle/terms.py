"""The terms under which a cache is made and waited for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from langchain_moonshot_cache.errors import ConfigurationError

if TYPE_CHECKING:
    from langchain_moonshot_cache.lifecycle.entry import Entry

__all__ = ["Bypassed", "Pending", "Ready", "Terms"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a caller grants the cache.

    Attributes:
        ttl: Lifetime to ask for, in seconds.
        wait: Seconds that the call may wait for a cache that is still pending.
        lease: Seconds that a claim lasts. Longer than a create with its retries may
            take, or another worker would take the creator for dead.
        hold: Seconds for which using a cache says that it is used. A client that was
            silent for longer does not keep others from deleting it.
        margin: Seconds before its end from which a cache is not used any more: the
            request has to arrive, and clocks differ.
        first_pause: Seconds before the first poll of a pending cache.
        longest_pause: Seconds that polls and looks at the registry are at most apart.
        backoff: Seconds until a creation that failed is tried again; doubled with
            each failure in a row.
        longest_backoff: Seconds that this grows to.

    Raises:
        ConfigurationError: A time is negative, or one that flows wait by is 0.
    """

    ttl: int = 3600
    wait: float = 1.0
    lease: float = 120.0
    hold: float = 300.0
    margin: float = 10.0
    first_pause: float = 0.02
    longest_pause: float = 1.0
    backoff: float = 15.0
    longest_backoff: float = 900.0

    def __post_init__(self) -> None:
        if min(self.wait, self.margin, self.backoff, self.longest_backoff) < 0:
            raise ConfigurationError("no time of Terms can be negative")
        if min(self.ttl, self.lease, self.first_pause, self.longest_pause) <= 0:
            # Without a pause a flow would go in circles without ever waiting.
            raise ConfigurationError("ttl, lease and pauses of Terms must exceed 0")

    def backoff_after(self, failures: int) -> float:
        """Return how long to leave a cache alone after so many failures in a row."""
        doublings = min(max(failures - 1, 0), 16)
        return min(self.backoff * 2.0**doublings, self.longest_backoff)


@dataclass(frozen=True, slots=True)
class Ready:
    """The cache can be referenced.

    Attributes:
        entry: What is known about it.
        how: ``found``, or what it took: ``created``, ``adopted``, ``revived``.
    """

    entry: Entry
    how: str = "found"


@dataclass(frozen=True, slots=True)
class Bypassed:
    """The call goes without a cache.

    Attributes:
        reason: Why, in words that may be shown and logged.
        pending: Whether a cache is on its way, so that a later call will have one.
        created: Whether it was this flow that had it created.
    """

    reason: str
    pending: bool = False
    created: bool = False


@dataclass(frozen=True, slots=True)
class Pending:
    """The cache is on its way; a flow goes on from here and never returns it.

    Attributes:
        entry: What is known about it.
        how: As in :class:`Ready`.
    """

    entry: Entry
    how: str = "found"
