"""A ledger in the registry's SQLite file; the tables stand in the registry's schema."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.economics import COUNTERS, Head, Sums
from langchain_moonshot_cache.ledger.journal import Journal, fold, sweep
from langchain_moonshot_cache.ledger.rows import day_of
from langchain_moonshot_cache.ledger.store import Moves, moved_to
from langchain_moonshot_cache.ledger.written import read_life, written_life

if TYPE_CHECKING:
    import sqlite3

    from langchain_moonshot_cache.economics import CacheLife
    from langchain_moonshot_cache.ledger.store import Batch, Change
    from langchain_moonshot_cache.registry.database import Database

__all__ = ["SqliteStore"]

logger = logging.getLogger("langchain_moonshot_cache")

_COLUMNS = (*Head._fields, *COUNTERS)
_HEADS = len(Head._fields)
_FIGURES = len(_COLUMNS)
_NAMES = ", ".join(_COLUMNS)
_MARKS = ", ".join("?" * len(_COLUMNS))
_SUMS = ", ".join(f"{name} = {name} + excluded.{name}" for name in COUNTERS)

_LINE = "|".join(["%s"] * len(_COLUMNS))

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
"""What most hits do to the life of their cache. The end of the last span stands beside
the rest of the life, so that this is one statement; ``plain`` are lives that it is
right for: neither deleted nor with a renewal in doubt."""
_LIVES = "SELECT life, ends_at, set_at FROM ledger_caches"
_FORGET = (
    "DELETE FROM ledger_calls WHERE day < ?",
    "DELETE FROM ledger_caches WHERE last_day < ?",
)


class SqliteStore:
    """Adds up in the file of a SQLite registry, for all processes that use it.

    Calls are appended to this process's journal and folded later, at the latest by
    whoever reads the ledger. Killing a process loses nothing that was written.

    Args:
        database: The registry's file.
    """

    nonblocking = False

    def __init__(self, database: Database) -> None:
        self._database = database
        self._journal = Journal(database.path)
        self.address = f"sqlite:{database.path}"

    def name(self) -> str:
        """Name nothing: what is not acknowledged was not written."""
        return ""

    def quick(self, batch: Batch) -> bool:
        """Tell whether adding is a matter of microseconds."""
        return self._journal.ready and _is_plain(batch)

    @property
    def due(self) -> bool:
        """Whether it is time to settle."""
        return self._journal.due

    def add(self, batch: Batch) -> None:
        """Add sums, and change the life of a cache with them."""
        if _is_plain(batch):
            if not self._journal.opened:
                # So that a file that is none of ours gets no journals beside it.
                self.settle()
            if self._journal.append(_line(batch)):
                return
        with self._database.writing() as file:
            self._fold(file)
            for head, sums in batch.calls:
                file.execute(_ADD, head + sums)
            if batch.change is not None:
                _change(file, batch.change)

    def settle(self) -> None:
        """Fold all journals, and delete those that nobody writes to any more."""
        try:
            with self._database.writing() as file:
                self._fold(file)
            with self._database.writing() as file:
                sweep(file, self._database.path)
        finally:
            self._journal.folded()

    def _fold(self, file: sqlite3.Connection) -> None:
        folding = _Folding()
        fold(file, self._database.path, read=folding.read)
        folding.write(file)

    def calls(self, *, since: str, until: str) -> list[tuple[Head, Sums]]:
        """Return the sums of the days from ``since`` to ``until``, both included."""
        self.settle()
        with self._database.reading() as file:
            rows = file.execute(_CALLS, (since, until)).fetchall()
        return [_row(row) for row in rows]

    def lives(self) -> list[CacheLife]:
        """Return the lives of all caches."""
        self.settle()
        with self._database.reading() as file:
            rows = file.execute(_LIVES).fetchall()
        return [_life(row) for row in rows]

    def forget(self, *, before: str) -> None:
        """Drop the sums of days before a day, and caches that ended before it."""
        self.settle()
        with self._database.writing() as file:
            for statement in _FORGET:
                file.execute(statement, (before,))

    def close(self) -> None:
        """Give up this process's journal; the database is the registry's."""
        self._journal.close()


class _Folding:
    """What the lines of journals come to."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, ...], Sums] = {}
        self._moves = Moves()

    def read(self, line: bytes) -> None:
        """Add a line; one that is none is skipped, and logged."""
        try:
            parts = line.decode().split("|")
            head = tuple(parts[:_HEADS])
            sums = Sums._make(map(int, parts[_HEADS:_FIGURES]))
            if moved := parts[_FIGURES:]:
                account, cache_id, since, until = moved
                self._moves.add((account, cache_id), (int(since), int(until)))
            known = self._sums.get(head)
            self._sums[head] = known.plus(sums) if known else sums
        except (TypeError, ValueError):
            logger.warning("a line of a ledger's journal is unreadable and was skipped")

    def write(self, file: sqlite3.Connection) -> None:
        """Write the sums and the moves."""
        file.executemany(_ADD, [head + sums for head, sums in self._sums.items()])
        for account, cache_id in self._moves.names():
            for since, until in self._moves.take((account, cache_id)):
                _change(file, moved_to(account, cache_id, since=since, until=until))


def _is_plain(batch: Batch) -> bool:
    """Tell whether a batch is one call that at most moved the end of its cache."""
    change = batch.change
    return len(batch.calls) == 1 and (change is None or change.moved is not None)


def _line(batch: Batch) -> bytes:
    """Write a batch as one line; no word of it has a ``|``.

    Put together by hand: one is made with every call.
    """
    head, sums = batch.calls[0]
    line = _LINE % (head + sums)
    if (change := batch.change) is not None and change.moved is not None:
        since, until = change.moved
        line += f"|{change.account}|{change.cache_id}|{since}|{until}"
    return line.encode() + b"\n"


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
    return Head(*row[:_HEADS]), Sums(*row[_HEADS:])
