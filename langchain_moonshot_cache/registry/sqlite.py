"""A registry for the processes of one host, in one SQLite file."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from langchain_moonshot_cache.errors import ConfigurationError
from langchain_moonshot_cache.lifecycle import Claim
from langchain_moonshot_cache.registry import statements
from langchain_moonshot_cache.registry.admission import (
    admit_entry,
    admit_names,
    admit_seconds,
    readable,
)
from langchain_moonshot_cache.registry.database import Database

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    from langchain_moonshot_cache.lifecycle import Entry

__all__ = ["SqliteRegistry"]

_DAY = 86_400.0
_RETENTION_DAYS = 7
"""Days that an entry is kept after its cache ended: an expired cache may be brought
back for less than a new one costs, for as long as the server remembers it."""

_PRUNE_EVERY = 60.0
"""Seconds between looks for what is over; it is ignored anyway, this is about space."""

_JUMP = 60.0
"""Seconds that the clock may step back. What was written further in the future than
that comes from a clock that was set back since, and would last for days."""

_LONGEST_WAIT = 3600.0
"""Seconds; whoever wants to wait longer for a write has another problem."""


class SqliteRegistry:
    """Keeps everything in one file, for any number of threads and processes.

    The file is opened at first use, and opened again after a fork or when it was
    deleted. It is in WAL mode: a crash of a process loses nothing that was written.

    Args:
        path: The file, on a local disk: SQLite's locks do not work over networks.
        clock: Unix seconds that leases, holds and marks are measured with.
        synchronous: ``"NORMAL"`` may lose the last writes when the power fails (what
            remains is whole, and a lost entry costs one more cache at most);
            ``"FULL"`` waits for the disk with every write and loses none.
        busy_timeout: Seconds to wait for another writer. Writing takes less than a
            millisecond, so whoever waits this long waits for something that hangs,
            while a chat call waits for us.

    Raises:
        ConfigurationError: ``path`` names no file, ``synchronous`` is unknown, or
            ``busy_timeout`` out of range.
    """

    nonblocking = False

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        clock: Callable[[], float] = time.time,
        synchronous: Literal["NORMAL", "FULL"] = "NORMAL",
        busy_timeout: float = 2.0,
    ) -> None:
        if synchronous not in {"NORMAL", "FULL"}:
            raise ConfigurationError("synchronous must be 'NORMAL' or 'FULL'")
        if not 0 < busy_timeout <= _LONGEST_WAIT:
            raise ConfigurationError(
                f"busy_timeout must be above 0 and at most {_LONGEST_WAIT:.0f} seconds"
            )
        self._clock = clock
        self._pruned_at = clock()
        self._database = Database(
            _located(path), synchronous=synchronous, busy_timeout=busy_timeout
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    @property
    def path(self) -> Path:
        """The file."""
        return self._database.path

    @property
    def database(self) -> Database:
        """The connections to the file, for a ledger that is kept in it too."""
        return self._database

    def lookup(self, key: str) -> Entry | None:
        """Return what is known about a prefix."""
        admit_names(key)
        with self._database.reading() as file:
            row = file.execute(statements.LOOKUP, (key,)).fetchone()
        return None if row is None else _entry(row)

    def claim(self, key: str, *, owner: str, lease: float) -> Claim:
        """Try to become the one who may change the entry, for ``lease`` seconds."""
        admit_names(key, owner)
        admit_seconds(lease)
        with self._database.writing() as file:
            now = self._clock()  # once it is our turn: waiting is no part of the lease
            self._prune(file, now=now)
            row = file.execute(statements.LOOKUP, (key,)).fetchone()
            won = _holder_of_lease(file, key, now=now) in {None, owner}
            if won:
                values = {
                    "key": key,
                    "fence": _next_fence(0 if row is None else row[2], now=now),
                    "owner": owner,
                    "now": now,
                    "until": now + lease,
                    "keep_days": _keep_days(now + lease),
                }
                file.execute(statements.CLAIM, values)
                row = file.execute(statements.LOOKUP, (key,)).fetchone()
        return Claim(won=won, entry=_entry(row))

    def _prune(self, file: sqlite3.Connection, *, now: float) -> None:
        if abs(now - self._pruned_at) >= _PRUNE_EVERY:
            self._pruned_at = now
            for statement in statements.PRUNE:
                file.execute(statement, {"now": now})

    def record(self, entry: Entry) -> bool:
        """Write an entry whole; False if its fence is no longer the latest."""
        admit_entry(entry)
        values = (
            entry.key,
            entry.state.value,
            entry.fence,
            entry.cache_id,
            entry.tokens,
            entry.ttl,
            entry.expires_at,
            entry.retry_at,
            entry.failures,
            entry.note,
            entry.gaps,
            entry.used_at,
            _keep_days(max(self._clock(), entry.expires_at)),
        )
        with self._database.writing() as file:
            return file.execute(statements.RECORD, values).rowcount == 1

    def release(self, key: str, *, owner: str) -> None:
        """Give up a lease before it ends."""
        admit_names(key, owner)
        with self._database.writing() as file:
            file.execute(statements.RELEASE, (key, owner))

    def clear(self, key: str, *, cache_id: str) -> bool:
        """Forget a cache; False if the entry is about another one by now."""
        admit_names(key, cache_id)
        with self._database.writing() as file:
            cleared = file.execute(statements.CLEAR, (key, cache_id)).rowcount == 1
            if cleared:
                file.execute(statements.CLEAR_HOLDS, (key,))
        return cleared

    def hold(self, key: str, *, holder: str, seconds: float) -> None:
        """Say that ``holder`` uses the cache, for so many seconds from now."""
        admit_names(key, holder)
        admit_seconds(seconds)
        with self._database.writing() as file:
            now = self._clock()
            file.execute(statements.HOLD, (key, holder, now, now + seconds))

    def drop(self, key: str, *, holder: str) -> int:
        """End a hold; return how many others remain."""
        admit_names(key, holder)
        values = {"key": key, "holder": holder, "now": self._clock(), "jump": _JUMP}
        with self._database.writing() as file:
            file.execute(statements.DROP, values)
            (rest,) = file.execute(statements.COUNT_HOLDS, (key,)).fetchone()
        return int(rest)

    def owner(self, key: str) -> str | None:
        """Return who holds the lease, or None if nobody does."""
        admit_names(key)
        with self._database.reading() as file:
            return _holder_of_lease(file, key, now=self._clock())

    def entries(self) -> Iterator[Entry]:
        """Go through all entries, by their keys; the file stays free meanwhile."""
        last = ""
        while True:
            with self._database.reading() as file:
                rows = file.execute(statements.PAGE_AFTER, (last,)).fetchall()
            yield from map(_entry, rows)
            if not rows:
                return
            last = rows[-1][0]

    def mark(self, name: str, *, value: str, seconds: float) -> None:
        """Keep a short fact, such as an open circuit breaker, for a while."""
        admit_names(name, value)
        admit_seconds(seconds)
        with self._database.writing() as file:
            now = self._clock()
            file.execute(statements.MARK, (name, value, now, now + seconds))

    def marked(self, name: str) -> str | None:
        """Return a fact that is still within its time."""
        admit_names(name)
        values = {"name": name, "now": self._clock(), "jump": _JUMP}
        with self._database.reading() as file:
            row = file.execute(statements.MARKED, values).fetchone()
        return None if row is None else str(row[0])

    def unmark(self, name: str) -> None:
        """Forget a fact."""
        admit_names(name)
        with self._database.writing() as file:
            file.execute(statements.UNMARK, (name,))

    def close(self) -> None:
        """Close this process's connections; the registry can be used no more."""
        self._database.close()


def _located(path: str | os.PathLike[str]) -> Path:
    """Make a path absolute, so that a later change of directory changes nothing."""
    name = os.fspath(path)
    if not name or name == ":memory:":
        raise ConfigurationError(
            "a SQLite registry needs a file; for one that is gone with the process use "
            "'memory://'"
        )
    try:
        possible = b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        possible = False
    if not possible:
        raise ConfigurationError("the path of a SQLite registry is not one a file has")
    # Path.expanduser() raises where no home is known. That has to wait until first use.
    home = os.path.expanduser(name)  # noqa: PTH111
    try:
        return Path(home) if home.startswith("~") else Path(home).absolute()
    except OSError:
        raise ConfigurationError(
            "the path of a SQLite registry is relative to a directory that is gone: "
            "name an absolute one"
        ) from None


def _entry(row: tuple[Any, ...]) -> Entry:
    return readable(dict(zip(statements.FIELDS, row, strict=True)))


def _holder_of_lease(file: sqlite3.Connection, key: str, *, now: float) -> str | None:
    row = file.execute(
        statements.LEASE, {"key": key, "now": now, "jump": _JUMP}
    ).fetchone()
    return None if row is None else row[0]


def _next_fence(last: int, *, now: float) -> int:
    """Number a claim: higher than the last one, and than those of a file before this.

    The time in microseconds as a floor keeps a paused owner from a deleted file, or of
    an entry pruned long ago, from passing for the latest one.
    """
    return max(last + 1, int(now * 1_000_000))


def _keep_days(end: float) -> int:
    """Say until when to keep an entry: in days, so that its index rarely changes."""
    return int(end / _DAY) + 1 + _RETENTION_DAYS
