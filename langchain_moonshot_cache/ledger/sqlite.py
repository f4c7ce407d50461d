"""A ledger in the registry's SQLite file; the tables stand in the registry's schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.economics import COUNTERS, Head, Sums
from langchain_moonshot_cache.ledger.written import read_life, written_life

if TYPE_CHECKING:
    import sqlite3

    from langchain_moonshot_cache.economics import CacheLife
    from langchain_moonshot_cache.ledger.store import Batch, Change
    from langchain_moonshot_cache.registry.database import Database

__all__ = ["SqliteStore"]

_COLUMNS = (*Head._fields, *COUNTERS)
_NAMES = ", ".join(_COLUMNS)
_MARKS = ", ".join("?" * len(_COLUMNS))
_SUMS = ", ".join(f"{name} = {name} + excluded.{name}" for name in COUNTERS)

_ADD = (
    f"INSERT INTO ledger_calls ({_NAMES}) VALUES ({_MARKS}) "  # noqa: S608 - our names
    f"ON CONFLICT DO UPDATE SET {_SUMS}"
)
_CALLS = f"SELECT {_NAMES} FROM ledger_calls WHERE day BETWEEN ? AND ?"  # noqa: S608 - the same
_LIFE = "SELECT life FROM ledger_caches WHERE account = ? AND cache_id = ?"
_KEEP = """
    INSERT INTO ledger_caches (account, cache_id, last_day, life) VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET last_day = excluded.last_day, life = excluded.life
"""
_LIVES = "SELECT life FROM ledger_caches"
_FORGET = (
    "DELETE FROM ledger_calls WHERE day < ?",
    "DELETE FROM ledger_caches WHERE last_day < ?",
)


class SqliteStore:
    """Adds up in the file of a SQLite registry, for all processes that use it.

    A call is one statement on the connection that the registry writes with. In WAL
    mode nothing that was written is lost when the process is killed.

    Args:
        database: The registry's file.
    """

    nonblocking = False

    def __init__(self, database: Database) -> None:
        self._database = database
        self.address = f"sqlite:{database.path}"

    def add(self, batch: Batch) -> None:
        """Add sums, and change the life of a cache with them."""
        with self._database.writing() as file:
            for head, sums in batch.calls:
                file.execute(_ADD, (*head, *sums.values()))
            if batch.change is not None:
                _change(file, batch.change)

    def calls(self, *, since: str, until: str) -> list[tuple[Head, Sums]]:
        """Return the sums of the days from ``since`` to ``until``, both included."""
        with self._database.reading() as file:
            rows = file.execute(_CALLS, (since, until)).fetchall()
        return [_row(row) for row in rows]

    def lives(self) -> list[CacheLife]:
        """Return the lives of all caches."""
        with self._database.reading() as file:
            rows = file.execute(_LIVES).fetchall()
        return [read_life(text) for (text,) in rows]

    def forget(self, *, before: str) -> None:
        """Drop the sums of days before a day, and caches that ended before it."""
        with self._database.writing() as file:
            for statement in _FORGET:
                file.execute(statement, (before,))

    def close(self) -> None:
        """Let go of nothing: the file is the registry's."""


def _change(file: sqlite3.Connection, change: Change) -> None:
    name = (change.account, change.cache_id)
    row = file.execute(_LIFE, name).fetchone()
    known = None if row is None else read_life(row[0])
    life = change.apply(known)
    if life is not None and life != known:
        file.execute(_KEEP, (*name, life.last_day(), written_life(life)))


def _row(row: tuple[Any, ...]) -> tuple[Head, Sums]:
    heads = len(Head._fields)
    return Head(*row[:heads]), Sums(*row[heads:])
