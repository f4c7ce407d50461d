"""Where a ledger keeps its sums: the contract, and a store in memory.

A store adds up whole numbers and keeps the lives of caches; it knows neither prices nor
days. What it is given are words that :func:`word` made, counts and times: no text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, Protocol

from langchain_moonshot_cache.economics import Head, Sums

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_moonshot_cache.economics import CacheLife

__all__ = ["Batch", "Change", "MemoryStore", "Moves", "Store", "moved_to", "word"]

_LONGEST = 160
"""As long as a registry's names may be, of which digests and ids are the longest."""

_FOREIGN = re.compile(r"[^A-Za-z0-9_.:/@+=-]|^(?=sk-)")


@lru_cache
def word(text: str) -> str:
    """Make a word of a model's name or the like that every store takes.

    Whatever is not an ASCII letter, a digit or one of ``_.:/@+=-`` becomes ``_``, and
    something that begins like an API key no longer does.
    """
    return _FOREIGN.sub("_", text)[:_LONGEST]


class Change(NamedTuple):
    """What happens to the life of one cache.

    Attributes:
        account: Digest of the account.
        cache_id: The cache.
        apply: Returns the new life; None leaves things as they are. It is given None
            where nothing is known of the cache, and may be called more than once.
        moved: A time and the end that the server set then, if the change is no more
            than that. Stores may use it where it is quicker.
    """

    account: str
    cache_id: str
    apply: Callable[[CacheLife | None], CacheLife | None]
    moved: tuple[int, int] | None = None


class Batch(NamedTuple):
    """What is written at once.

    Attributes:
        calls: Sums to add.
        change: What happens to a cache with them.
        name: Tells this batch from all others, where the store needs that.
    """

    calls: tuple[tuple[Head, Sums], ...] = ()
    change: Change | None = None
    name: str = ""


def moved_to(account: str, cache_id: str, *, since: int, until: int) -> Change:
    """Make the change that at ``since`` the server set a cache's end to ``until``."""
    return Change(
        account,
        cache_id,
        lambda life: life and life.moved(since=since, until=until),
        (since, until),
    )


class Store(Protocol):
    """Adds up, and gives back.

    Methods raise :class:`~langchain_moonshot_cache.errors.RegistryError` and nothing
    else, and may be called from any thread. A batch is added whole or not at all, and
    once: where an error leaves open whether it was, it can be added again.

    Attributes:
        address: Where it is, without secrets; equal for stores of the same sums.
        nonblocking: Whether methods return at once.
    """

    address: str
    nonblocking: bool

    def name(self) -> str:
        """Name a batch; empty where an error says that it was not added."""

    def quick(self, batch: Batch) -> bool:
        """Tell whether adding it takes microseconds, also on an event loop."""

    @property
    def due(self) -> bool:
        """Whether it is time to settle."""

    def add(self, batch: Batch) -> None:
        """Add sums, and change the life of a cache with them."""

    def settle(self) -> None:
        """Bring in order what was added in haste."""

    def calls(self, *, since: str, until: str) -> list[tuple[Head, Sums]]:
        """Return the sums of the days from ``since`` to ``until``, both included."""

    def lives(self) -> list[CacheLife]:
        """Return the lives of all caches."""

    def forget(self, *, before: str) -> None:
        """Drop the sums of days before a day, and caches that ended before it."""

    def close(self) -> None:
        """Let go of what the store opened itself."""


class Moves:
    """How the ends of caches moved, until that is worked into their lives.

    Every hit may move an end, so what is not needed is left out: of two moves within
    the life that the one before them gave, the later says all, unless it came only
    after an end that the other had brought nearer.
    """

    def __init__(self) -> None:
        self._moves: dict[tuple[str, str], list[tuple[int, int]]] = {}

    def add(self, name: tuple[str, str], moved: tuple[int, int]) -> None:
        """Add a time at which the server set the end of a cache, and that end."""
        moves = self._moves.setdefault(name, [])
        if len(moves) > 1:
            (_, end), (last, nearer) = moves[-2:]
            if last <= moved[0] < min(end, nearer):
                moves.pop()
        moves.append(moved)

    def names(self) -> list[tuple[str, str]]:
        """Return the caches whose ends moved."""
        return list(self._moves)

    def take(self, name: tuple[str, str]) -> list[tuple[int, int]]:
        """Take out the moves of a cache, in their order."""
        return self._moves.pop(name, [])


class MemoryStore:
    """Keeps sums in dictionaries; gone with the process."""

    nonblocking = True

    def __init__(self) -> None:
        self.address = f"memory:{id(self):x}"
        self._lock = Lock()
        self._calls: dict[Head, Sums] = {}
        self._lives: dict[tuple[str, str], CacheLife] = {}
        self._moves = Moves()

    def name(self) -> str:
        """Name a batch; empty where an error says that it was not added."""
        return ""

    def quick(self, _batch: Batch) -> bool:
        """Tell that adding takes microseconds."""
        return True

    @property
    def due(self) -> bool:
        """Tell that there is nothing to settle."""
        return False

    def settle(self) -> None:
        """Do nothing: all is in order."""

    def add(self, batch: Batch) -> None:
        """Add sums, and change the life of a cache with them."""
        with self._lock:
            for head, sums in batch.calls:
                self._calls[head] = self._calls.get(head, Sums()).plus(sums)
            if (change := batch.change) is None:
                return
            key = (change.account, change.cache_id)
            if change.moved is not None:
                self._moves.add(key, change.moved)
                return
            self._settle(key)
            life = change.apply(self._lives.get(key))
            if life is not None:
                self._lives[key] = life

    def _settle(self, key: tuple[str, str]) -> None:
        """Work the moves of a cache into what is known of it."""
        moves, life = self._moves.take(key), self._lives.get(key)
        for since, until in moves if life is not None else ():
            life = life and life.moved(since=since, until=until)
        if life is not None:
            self._lives[key] = life

    def calls(self, *, since: str, until: str) -> list[tuple[Head, Sums]]:
        """Return the sums of the days from ``since`` to ``until``, both included."""
        with self._lock:
            return [
                (head, sums)
                for head, sums in self._calls.items()
                if since <= head.day <= until
            ]

    def lives(self) -> list[CacheLife]:
        """Return the lives of all caches."""
        with self._lock:
            for key in self._moves.names():
                self._settle(key)
            return list(self._lives.values())

    def forget(self, *, before: str) -> None:
        """Drop the sums of days before a day, and caches that ended before it."""
        with self._lock:
            for key in self._moves.names():
                self._settle(key)
            self._calls = {h: s for h, s in self._calls.items() if h.day >= before}
            self._lives = {
                key: life
                for key, life in self._lives.items()
                if life.last_day() >= before
            }

    def close(self) -> None:
        """Let go of nothing: there is no file and no connection."""
