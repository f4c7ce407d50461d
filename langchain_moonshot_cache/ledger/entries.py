"""What a ledger is told about one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_moonshot_cache.economics import Bill, CacheLife, Usage

__all__ = ["CallEntry", "Renewal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """That a call moved the end of the cache it used.

    Attributes:
        account: Digest of the account.
        cache_id: The cache.
        since: When it did, in unix seconds of the server's clock.
        until: The new end, by the same clock.
        inferred: Whether the end was not reported.
        told: Whether it is known that the renewal took effect. One that came with a
            refused call, or whose answer was lost, may have.
    """

    account: str
    cache_id: str
    since: int
    until: int
    inferred: bool = False
    told: bool = True

    @property
    def plain(self) -> tuple[int, int] | None:
        """When it took effect and the new end, where the server told both."""
        reported = self.told and not self.inferred
        return (self.since, self.until) if reported else None

    def apply(self, life: CacheLife) -> CacheLife:
        """Work it into what is known of the cache."""
        if not self.told:
            return life.attempted(at=self.since, until=self.until)
        return life.moved(since=self.since, until=self.until, inferred=self.inferred)


@dataclass(slots=True, kw_only=True)
class CallEntry:
    """One call. Not frozen, for that would triple the time that making one takes.

    Attributes:
        model: The model that was called.
        outcome: What caching came to, see the answer's metadata; ``unanswered`` if
            the answer did not arrive, so that it may have been charged or not.
        usage: The tokens that the provider reported.
        bill: What the call cost; None where it is not known.
        currency: The account's currency, also where the cost is not known.
        mechanism: ``named``, ``prefix`` or ``off``.
        prefix: Digest of the prefix; empty where there was none.
        tag: The user's tag; None for that of the innermost ``track``.
        inferred: Whether something in the bill was inferred and not reported.
        resent: Whether it was sent again because a reference was refused.
        renewal: Whether it moved the end of a cache.
    """

    model: str
    outcome: str
    usage: Usage
    bill: Bill | None
    currency: str
    mechanism: str = ""
    prefix: str = ""
    tag: str | None = None
    inferred: bool = False
    resent: bool = False
    renewal: Renewal | None = None
