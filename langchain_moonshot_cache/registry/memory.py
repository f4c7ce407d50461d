"""A registry for the threads and tasks of one process."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

from langchain_moonshot_cache.lifecycle import Claim, Entry, State
from langchain_moonshot_cache.registry.admission import (
    admit_entry,
    admit_names,
    admit_seconds,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["MemoryRegistry"]


class MemoryRegistry:
    """Keeps everything in dictionaries; gone with the process.

    Args:
        clock: Seconds that leases, holds and marks are measured with.
    """

    nonblocking = True

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._entries: dict[str, Entry] = {}
        self._leases: dict[str, tuple[str, float]] = {}
        self._holds: defaultdict[str, dict[str, float]] = defaultdict(dict)
        self._marks: dict[str, tuple[str, float]] = {}

    def lookup(self, key: str) -> Entry | None:
        """Return what is known about a prefix."""
        admit_names(key)
        return self._entries.get(key)

    def claim(self, key: str, *, owner: str, lease: float) -> Claim:
        """Try to become the one who may change the entry, for ``lease`` seconds."""
        admit_names(key, owner)
        admit_seconds(lease)
        with self._lock:
            entry = self._entries.get(key) or Entry(key=key)
            if self._holder_of_lease(key) not in {None, owner}:
                return Claim(won=False, entry=entry)
            entry = replace(entry, fence=entry.fence + 1)
            self._entries[key] = entry
            self._leases[key] = (owner, self._clock() + lease)
            return Claim(won=True, entry=entry)

    def _holder_of_lease(self, key: str) -> str | None:
        owner, until = self._leases.get(key, (None, 0.0))
        return owner if self._clock() < until else None

    def record(self, entry: Entry) -> bool:
        """Write an entry whole; False if its fence is no longer the latest."""
        admit_entry(entry)
        with self._lock:
            known = self._entries.get(entry.key)
            if known is not None and known.fence != entry.fence:
                return False
            self._entries[entry.key] = entry
            return True

    def release(self, key: str, *, owner: str) -> None:
        """Give up a lease before it ends."""
        admit_names(key, owner)
        with self._lock:
            if self._holder_of_lease(key) == owner:
                del self._leases[key]

    def clear(self, key: str, *, cache_id: str) -> bool:
        """Forget a cache; False if the entry is about another one by now."""
        admit_names(key, cache_id)
        with self._lock:
            known = self._entries.get(key)
            if known is None or known.cache_id != cache_id:
                return False
            self._entries[key] = Entry(
                key=key,
                state=State.ABSENT,
                fence=known.fence,
                gaps=known.gaps,
                used_at=known.used_at,
            )
            self._holds.pop(key, None)
            return True

    def hold(self, key: str, *, holder: str, seconds: float) -> None:
        """Say that ``holder`` uses the cache, for so many seconds from now."""
        admit_names(key, holder)
        admit_seconds(seconds)
        with self._lock:
            self._holds[key][holder] = self._clock() + seconds

    def drop(self, key: str, *, holder: str) -> int:
        """End a hold; return how many others remain."""
        admit_names(key, holder)
        with self._lock:
            now = self._clock()
            holds = self._holds.pop(key, {})
            holds.pop(holder, None)
            rest = {name: until for name, until in holds.items() if now < until}
            if rest:
                self._holds[key] = rest
            return len(rest)

    def owner(self, key: str) -> str | None:
        """Return who holds the lease, or None if nobody does."""
        admit_names(key)
        with self._lock:
            return self._holder_of_lease(key)

    def entries(self) -> Iterator[Entry]:
        """Go through all entries, in no particular order."""
        with self._lock:
            known = list(self._entries.values())
        return iter(known)

    def mark(self, name: str, *, value: str, seconds: float) -> None:
        """Keep a short fact, such as an open circuit breaker, for a while."""
        admit_names(name, value)
        admit_seconds(seconds)
        with self._lock:
            self._marks[name] = (value, self._clock() + seconds)

    def marked(self, name: str) -> str | None:
        """Return a fact that is still within its time."""
        admit_names(name)
        with self._lock:
            value, until = self._marks.get(name, (None, 0.0))
            return value if self._clock() < until else None

    def unmark(self, name: str) -> None:
        """Forget a fact."""
        admit_names(name)
        with self._lock:
            self._marks.pop(name, None)

    def close(self) -> None:
        """Let go of nothing: there is no file and no connection."""
