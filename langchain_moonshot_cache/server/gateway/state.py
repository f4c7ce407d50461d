"""What a gateway remembers: the contract of its stores.

A store is shared by every gateway that serves the same engine, and outlives all of
them. It promises:

- what was added is there once the call has returned, also when the process is killed
  in the next moment;
- a change touches a cache only while it is there, and as a whole or not at all;
- content is kept apart from what is asked for often, and is read only when asked for;
- a claim is had by one owner at a time, and ends by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_moonshot_cache.server.paging import Page

__all__ = [
    "COUNTERS",
    "RETENTION",
    "Content",
    "Counts",
    "Record",
    "State",
    "Status",
    "Tag",
]

Status = Literal["pending", "ready", "error", "inactive"]
Counts = dict[str, int]

RETENTION: Final = 86_400
"""Seconds that an expired cache can still be brought back by ``reset_ttl``, and that a
deleted one still works as a cursor. After that a store forgets it."""

COUNTERS: Final = (
    "calls",
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "calls_without_usage",
    "calls_without_cached_tokens",
    "prefixes_run",
    "prefix_tokens_run",
    "prefixes_run_without_usage",
)
"""What a statement counts: calls, and the runs of prefixes that made them cheap. Those
of which the engine did not report something are counted apart, so that a sum never
passes off the unknown as zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is known about a cache, apart from its content.

    Attributes:
        id: The id.
        account: Whose it is.
        model: The model or family that it was made for.
        name: As sent, or empty.
        description: As sent, or empty.
        metadata: As sent, or None.
        created_at: Unix seconds.
        expired_at: Unix seconds.
        built: Whether the engine has run it: not yet, with success, or in vain.
        failure: Why building it failed.
        tokens: Tokens of the prefix as the engine counted them; None until it did, or
            if it does not say.
        estimate: The gateway's own estimate of the same, for the account's limit.
        length: How many messages it holds.
        seq: Its place in the order of creation; given by the store.
    """

    id: str
    account: str
    model: str
    name: str
    description: str
    metadata: dict[str, str] | None
    created_at: int
    expired_at: int
    built: Literal["pending", "ready", "error"]
    failure: str | None
    tokens: int | None
    estimate: int
    length: int
    seq: int = 0

    def status(self, now: float) -> Status:
        """Return where the cache's life stands at a time, in unix seconds."""
        if self.built == "error":
            return "error"
        return "inactive" if now >= self.expired_at else self.built


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a cache, as the JSON texts of two arrays."""

    messages: bytes
    tools: bytes | None

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        return len(self.messages) + len(self.tools or b"")


@dataclass(frozen=True, slots=True)
class Tag:
    """A name that an account gave to one of its caches."""

    tag: str
    cache_id: str
    created_at: int


class State(Protocol):
    """A store. Everything is asked for in one event loop, several things at a time.

    Attributes:
        errors: What any of its methods raises while the store cannot be used.
    """

    errors: tuple[type[Exception], ...]

    async def open(self) -> bytes:
        """Make the store usable; return the salt of account names, as it always was.

        Raises:
            StoreError: If it cannot be used.
        """

    async def close(self) -> None:
        """Give up connections; what was written stays."""

    async def check(self) -> None:
        """Return if the store answers."""

    async def add(self, record: Record, content: Content) -> None:
        """Take in a cache with an id that is new."""

    async def find(self, cache_id: str, *, account: str) -> Record | None:
        """Return a cache of an account, unless it was deleted."""

    async def content(self, cache_id: str) -> Content | None:
        """Return a cache's content."""

    async def change(
        self, cache_id: str, *, account: str, values: Mapping[str, Any]
    ) -> Record | None:
        """Set fields of a record; return it as it then is, None if it is not there."""

    async def remove(self, cache_id: str, *, account: str, now: int) -> bool:
        """Delete a cache and its content; return whether it was there."""

    async def page(self, page: Page, *, account: str) -> list[Record]:
        """Return one page of an account's caches.

        Raises:
            KeyError: When a cursor is unknown.
        """

    async def living_tokens(self, account: str, *, now: float) -> int:
        """Return the estimated tokens of an account's pending and ready caches."""

    async def census(self, now: float) -> Counts:
        """Return how many caches there are, by status."""

    async def claim(self, cache_id: str, *, owner: str, seconds: float) -> bool:
        """Take, or keep, the building of a cache for some seconds.

        Returns:
            Whether the owner has it now.
        """

    async def release(self, cache_id: str, *, owner: str) -> None:
        """Give a claim back; somebody else's stays."""

    async def bind(self, tag: Tag, *, account: str) -> None:
        """Let a tag point at a cache, wherever it pointed before."""

    async def tag(self, tag: str, *, account: str) -> Tag | None:
        """Return a tag."""

    async def unbind(self, tag: str, *, account: str) -> None:
        """Delete a tag, whether it exists or not."""

    async def tags(self, page: Page, *, account: str) -> list[Tag]:
        """Return one page of an account's tags, by creation.

        Raises:
            KeyError: When a cursor is unknown.
        """

    async def count(self, account: str, *, day: str, model: str, add: Counts) -> None:
        """Add to what an account used of a model on a day."""

    async def statement(self, account: str) -> list[tuple[str, str, Counts]]:
        """Return what an account used, as day, model and `COUNTERS`."""
