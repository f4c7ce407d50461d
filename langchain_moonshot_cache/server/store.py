"""The server's memory: one SQLite database, in a file or in RAM.

Only the event loop's thread uses it, and every statement is short, so that one
connection without locks is enough.
"""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Store", "StoreError"]

# Marks a file as ours, so that no other program's database is ever written to.
APPLICATION_ID = 0x6D736363
VERSION = 1
SALT_BYTES = 32

_SCHEMA = """
CREATE TABLE salt (value BLOB NOT NULL);
CREATE TABLE caches (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    account TEXT NOT NULL,
    model TEXT NOT NULL,
    messages TEXT NOT NULL,
    tools TEXT,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    metadata TEXT,
    tokens INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    ready_at REAL NOT NULL,
    expired_at INTEGER NOT NULL,
    failure TEXT,
    deleted_at INTEGER
);
CREATE INDEX caches_of_account ON caches (account, seq);
CREATE TABLE spans (
    cache_id TEXT NOT NULL,
    begin_at INTEGER NOT NULL,
    end_at INTEGER NOT NULL
);
CREATE INDEX spans_of_cache ON spans (cache_id);
CREATE TABLE tags (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    tag TEXT NOT NULL,
    cache_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (account, tag)
);
CREATE TABLE charges (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    kind TEXT NOT NULL,
    line TEXT NOT NULL
);
CREATE INDEX charges_of_account ON charges (account, seq);
"""


class StoreError(Exception):
    """The file is no database of this server; it was left as it was."""


class Store:
    """Rows in, rows out; what they mean is decided by its users."""

    def __init__(self, path: str) -> None:
        """Open or create the database.

        Args:
            path: A file, or ``":memory:"``.

        Raises:
            StoreError: If the file cannot be opened, or belongs to another program or
                a newer version.
        """
        try:
            self._db = sqlite3.connect(
                path, check_same_thread=False, isolation_level=None
            )
            with ExitStack() as unless_prepared:
                unless_prepared.callback(self._db.close)
                self._db.row_factory = sqlite3.Row
                self._prepare(path)
                unless_prepared.pop_all()
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{path} cannot be used as a database: {error}") from error

    def _prepare(self, path: str) -> None:
        found = self._pragma("application_id"), self._pragma("user_version")
        used = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if used and found != (APPLICATION_ID, VERSION):
            raise StoreError(f"{path} is not a database of this server version.")
        # WAL survives a killed process; losing the last moment to a power cut is
        # acceptable for a stand-in.
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        if not used:
            head = f"PRAGMA application_id = {APPLICATION_ID}; BEGIN IMMEDIATE;"
            tail = f"PRAGMA user_version = {VERSION}; COMMIT;"
            self._db.executescript(head + _SCHEMA + tail)
            salt = secrets.token_bytes(SALT_BYTES)
            self._db.execute("INSERT INTO salt VALUES (?)", (salt,))
        self.salt: bytes = self._db.execute("SELECT value FROM salt").fetchone()[0]

    def _pragma(self, name: str) -> int:
        return int(self._db.execute(f"PRAGMA {name}").fetchone()[0])

    def close(self) -> None:
        """Close the database; what was written is on disk."""
        self._db.close()

    def rows(self, sql: str, *values: Any) -> Iterator[sqlite3.Row]:
        """Return the rows of a query."""
        return self._db.execute(sql, values)

    def row(self, sql: str, *values: Any) -> sqlite3.Row | None:
        """Return the first row of a query, or None."""
        found: sqlite3.Row | None = self._db.execute(sql, values).fetchone()
        return found

    def change(self, *statements: tuple[str, Sequence[Any]]) -> int:
        """Carry out statements in one transaction.

        Returns:
            How many rows the last statement touched.
        """
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            for sql, values in statements:
                cursor = self._db.execute(sql, values)
            return cursor.rowcount
