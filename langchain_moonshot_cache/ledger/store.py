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

__all__ = ["Batch", "Change", "MemoryStore", "Store", "word"]

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

    def add(self, batch: Batch) -> None:
        """Add sums, and change the life of a cache with them."""

    def calls(self, *, since: str, until: str) -> list[tuple[Head, Sums]]:
        """Return the sums of the days from ``since`` to ``until``, both included."""

    def lives(self) -> list[CacheLife]:
        """Return the lives of all caches."""

    def forget(self, *, before: str) -> None:
        """Drop the sums of days before a day, and caches that ended before it."""

    def close(self) -> None:
        """Let go of what the store opened itself."""


class MemoryStore:
    """Keeps sums in dictionaries; gone with the process."""

    nonblocking = True

    def __init__(self) -> None:
        self.address = f"memory:{id(self):x}"
        self._lock = Lock()
        self._calls: dict[Head, Sums] = {}
        self._lives: dict[tuple[str, str], CacheLife] = {}

    def name(self) -> str:
        """Name a batch; empty where an error says that it was not added."""
        return ""

    def add(self, batch: Batch) -> None:
        """Add sums, and change the life of a cache with them."""
        with self._lock:
            for head, sums in batch.calls:
                self._calls[head] = self._calls.get(head, Sums()).plus(sums)
            if batch.change is not None:
                key = (batch.change.account, batch.change.cache_id)
                life = batch.change.apply(self._lives.get(key))
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
            return list(self._lives.values())

    def forget(self, *, before: str) -> None:
        """Drop the sums of days before a day, and caches that ended before it."""
        with self._lock:
            self._calls = {h: s for h, s in self._calls.items() if h.day >= before}
            self._lives = {
                key: life
                for key, life in self._lives.items()
                if life.last_day() >= before
            }

    def close(self) -> None:
        """Let go of nothing: there is no file and no connection."""
