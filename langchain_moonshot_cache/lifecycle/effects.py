"""What a flow may ask of the world.

A flow decides and never acts: it yields one of these and is sent the result, or the
error. Each effect names the type of its result, so ``x = yield from do(Lookup(key))``
has the right type for a checker.

Registry effects raise :class:`~langchain_moonshot_cache.errors.RegistryError`; those
of the caching API raise any other error of the tree.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar, cast

from langchain_moonshot_cache.lifecycle.entry import Claim, Entry

if TYPE_CHECKING:
    from langchain_moonshot_cache.prefix import Prefix

__all__ = [
    "Clear",
    "Clock",
    "Create",
    "Delete",
    "Drop",
    "Effect",
    "Find",
    "Flow",
    "Hold",
    "Instant",
    "Lease",
    "Lookup",
    "Mark",
    "Marked",
    "Poll",
    "Random",
    "Record",
    "Release",
    "Renew",
    "Seen",
    "Sleep",
    "Stray",
    "Survey",
    "Unmark",
    "do",
]

T = TypeVar("T")
R = TypeVar("R")


class Effect(Generic[T]):
    """Something that a driver carries out; ``T`` is the type of its result."""

    __slots__ = ()


Flow: TypeAlias = Generator[Effect[Any], Any, R]
"""A decision in progress; ``R`` is the type of its outcome."""


def do(effect: Effect[T]) -> Generator[Effect[Any], Any, T]:
    """Have an effect carried out and receive its result, with its type."""
    return cast("T", (yield effect))


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment, by two clocks.

    Attributes:
        wall: Unix seconds as the server counts them: this host's clock, corrected by
            what the server's ``Date`` headers said.
        elapsed: Seconds of a clock that never jumps, for waiting.
    """

    wall: float
    elapsed: float


@dataclass(frozen=True, slots=True)
class Seen:
    """A cache as the server described it.

    Attributes:
        cache_id: Its id.
        status: ``pending``, ``ready``, ``error`` or ``inactive``.
        tokens: Tokens that it holds, if the server said so.
        expires_at: When it ends, in unix seconds of the server's clock; None if the
            server did not say.
        error: The server's name for what went wrong, with status ``error``.
        model: The model family it was made for, if the server said so.
        created_at: When it was created, in unix seconds of the server's clock; None if
            the server did not say.
    """

    cache_id: str
    status: str
    tokens: int | None = None
    expires_at: float | None = None
    error: str | None = None
    model: str | None = None
    created_at: float | None = None


@dataclass(frozen=True, slots=True)
class Stray:
    """A living cache that carries our metadata, whoever made it.

    Attributes:
        key: Fingerprint in its metadata.
        seen: The cache as the server described it.
        created_at: When it was created, in unix seconds of the server's clock; None if
            the server did not say.
        lease_until: Until when its maker claimed it, by the same clock.
    """

    key: str
    seen: Seen
    created_at: float | None
    lease_until: float


@dataclass(frozen=True, slots=True)
class Clock(Effect[Instant]):
    """Read the clocks."""


@dataclass(frozen=True, slots=True)
class Sleep(Effect[None]):
    """Wait for ``seconds``."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Random(Effect[float]):
    """Draw a number from 0 to 1, to keep waiters from moving in step."""


@dataclass(frozen=True, slots=True)
class Lookup(Effect[Entry | None]):
    """Ask the registry what it knows about ``key``."""

    key: str


@dataclass(frozen=True, slots=True)
class Lease(Effect[Claim]):
    """Claim ``key`` for ``owner``, for ``seconds``."""

    key: str
    owner: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Record(Effect[bool]):
    """Write ``entry`` to the registry; False if a newer claim was won meanwhile."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Release(Effect[None]):
    """Give up the lease that ``owner`` may have on ``key``."""

    key: str
    owner: str


@dataclass(frozen=True, slots=True)
class Clear(Effect[bool]):
    """Forget ``cache_id`` under ``key``; False if another cache stands there."""

    key: str
    cache_id: str


@dataclass(frozen=True, slots=True)
class Hold(Effect[None]):
    """Say that ``holder`` uses the cache of ``key`` for ``seconds`` from now."""

    key: str
    holder: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Drop(Effect[int]):
    """End the hold of ``holder`` on ``key``; the number of other holds remains."""

    key: str
    holder: str


@dataclass(frozen=True, slots=True)
class Mark(Effect[None]):
    """Keep ``value`` under ``name`` in the registry for ``seconds``."""

    name: str
    value: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Marked(Effect[str | None]):
    """Read the value kept under ``name``."""

    name: str


@dataclass(frozen=True, slots=True)
class Unmark(Effect[None]):
    """Forget the value kept under ``name``."""

    name: str


@dataclass(frozen=True, slots=True)
class Create(Effect[Seen]):
    """Create a cache of ``prefix`` that carries the owner's name and lease."""

    prefix: Prefix
    ttl: int
    owner: str
    lease_until: float


@dataclass(frozen=True, slots=True)
class Find(Effect[Seen | None]):
    """Find the newest living cache that carries the fingerprint ``key``."""

    key: str


@dataclass(frozen=True, slots=True)
class Poll(Effect[Seen]):
    """Read a cache's state from the server."""

    cache_id: str


@dataclass(frozen=True, slots=True)
class Renew(Effect[Seen]):
    """Give a cache a new lifetime of ``ttl`` seconds; it becomes pending again."""

    cache_id: str
    ttl: int


@dataclass(frozen=True, slots=True)
class Delete(Effect[bool]):
    """Delete a cache on the server; False if it was gone already."""

    cache_id: str


@dataclass(frozen=True, slots=True)
class Survey(Effect[list[Stray]]):
    """List all living caches of the account that carry our metadata."""
