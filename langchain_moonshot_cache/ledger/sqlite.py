"""A ledger in the registry's SQLite file; the tables stand in the registry's schema."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.economics import COUNTERS, Head, Sums
from langchain_moonshot_cache.ledger.rows import day_of
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
_LIFE = """
    SELECT life, ends_at, set_at FROM ledger_caches WHERE account = ? AND cache_id = ?
"""
_KEEP = """
    INSERT INTO ledger_caches
        (account, cache_id, last_day, life, ends_at, set_at, plain)
    VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET last_day = excluded.last_day, life = excluded.life,
        ends_at = excluded.ends_at, set_at = excluded.set_at, plain = excluded.plain
"""
_MOVE = """
    UPDATE ledger_caches
    SET ends_at = :until, set_at = :since, last_day = max(last_day, :day)
    WHERE account = :account AND cache_id = :cache_id
        AND plain AND set_at <= :since AND :since < ends_at
"""
"""What a hit does to the life of its cache. The end of the last span stands beside the
rest of the life, so that this is one statement; ``plain`` are lives that it is right
for: neither deleted nor with a renewal in doubt."""
_LIVES = "SELECT life, ends_at, set_at FROM ledger_caches"
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

    def name(self) -> str:
        """Name nothing: what SQLite does not acknowledge, it did not write."""
        return ""

    def add(self, batch: Batch) -> None:
        """Add sums, and change the life of a cache with them."""
        calls, change, _ = batch
        if change is None and len(calls) == 1:
            (head, sums) = calls[0]
            self._database.write(lambda file: file.execute(_ADD, head + sums))
            return

        def write(file: sqlite3.Connection) -> None:
            file.execute("BEGIN IMMEDIATE")
            for head, sums in calls:
                file.execute(_ADD, head + sums)
            if change is not None:
                _change(file, change)
            file.execute("COMMIT")

        self._database.write(write)

    def calls(self, *, since: str, until: str) -> list[tuple[Head, Sums]]:
        """Return the sums of the days from ``since`` to ``until``, both included."""
        with self._database.reading() as file:
            rows = file.execute(_CALLS, (since, until)).fetchall()
        return [_row(row) for row in rows]

    def lives(self) -> list[CacheLife]:
        """Return the lives of all caches."""
        with self._database.reading() as file:
            rows = file.execute(_LIVES).fetchall()
        return [_life(row) for row in rows]

    def forget(self, *, before: str) -> None:
        """Drop the sums of days before a day, and caches that ended before it."""
        with self._database.writing() as file:
            for statement in _FORGET:
                file.execute(statement, (before,))

    def close(self) -> None:
        """Let go of nothing: the file is the registry's."""


def _change(file: sqlite3.Connection, change: Change) -> None:
    name = (change.account, change.cache_id)
    if change.moved is not None and _moved(file, change, *change.moved):
        return
    row = file.execute(_LIFE, name).fetchone()
    known = None if row is None else _life(row)
    life = change.apply(known)
    if life is not None and life != known:
        last = life.spans[-1]
        plain = life.deleted_at is None and life.asked is None
        values = (life.last_day(), written_life(life), last.end, last.set_at, plain)
        file.execute(_KEEP, (*name, *values))


def _moved(file: sqlite3.Connection, change: Change, since: int, until: int) -> bool:
    values = {
        "account": change.account,
        "cache_id": change.cache_id,
        "since": since,
        "until": until,
        "day": day_of(until),
    }
    return file.execute(_MOVE, values).rowcount == 1


def _life(row: tuple[Any, ...]) -> CacheLife:
    text, ends_at, set_at = row
    life = read_life(text)
    if ends_at is None:
        return life
    *before, last = life.spans
    last = replace(last, end=ends_at, set_at=set_at)
    return replace(life, spans=(*before, last))


def _row(row: tuple[Any, ...]) -> tuple[Head, Sums]:
    heads = len(Head._fields)
    return Head(*row[:heads]), Sums(*row[heads:])
