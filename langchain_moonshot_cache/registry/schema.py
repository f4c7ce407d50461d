"""The tables of a SQLite registry, and how an older file comes to have them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from langchain_moonshot_cache.errors import RegistryError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["APPLICATION_ID", "MIGRATIONS", "inspect", "migrate"]

APPLICATION_ID = 0x4C4D4352
"""``LMCR`` in the file's header, by which a registry knows its own files."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # One B-tree ordered by fingerprint: a lookup is one descent, and there is no
        # second tree from row numbers to rows, which nobody asks for.
        """
        CREATE TABLE entries (
            key         TEXT PRIMARY KEY NOT NULL,
            state       TEXT NOT NULL DEFAULT 'absent',
            fence       INTEGER NOT NULL DEFAULT 0,
            cache_id    TEXT,
            tokens      INTEGER,
            ttl         INTEGER,
            expires_at  REAL NOT NULL DEFAULT 0,
            retry_at    REAL NOT NULL DEFAULT 0,
            failures    INTEGER NOT NULL DEFAULT 0,
            note        TEXT NOT NULL DEFAULT '',
            lease_owner TEXT,
            lease_since REAL NOT NULL DEFAULT 0,
            lease_until REAL NOT NULL DEFAULT 0,
            keep_days   INTEGER NOT NULL
        ) WITHOUT ROWID
        """,
        "CREATE INDEX entries_by_end ON entries (keep_days)",
        """
        CREATE TABLE holds (
            key    TEXT NOT NULL,
            holder TEXT NOT NULL,
            since  REAL NOT NULL,
            until  REAL NOT NULL,
            PRIMARY KEY (key, holder)
        ) WITHOUT ROWID
        """,
        "CREATE INDEX holds_by_end ON holds (until)",
        """
        CREATE TABLE marks (
            name  TEXT PRIMARY KEY NOT NULL,
            value TEXT NOT NULL,
            since REAL NOT NULL,
            until REAL NOT NULL
        ) WITHOUT ROWID
        """,
    ),
    (
        # The ledger. Amounts are whole numbers of 1e-12 of the currency, and a sum that
        # no longer fits is refused: SQLite would go on in floating point.
        """
        CREATE TABLE ledger_calls (
            day           TEXT NOT NULL,
            model         TEXT NOT NULL,
            prefix        TEXT NOT NULL,
            tag           TEXT NOT NULL,
            mechanism     TEXT NOT NULL,
            outcome       TEXT NOT NULL,
            currency      TEXT NOT NULL,
            calls         INTEGER NOT NULL,
            prompt        INTEGER NOT NULL CHECK (typeof(prompt) = 'integer'),
            cached        INTEGER NOT NULL CHECK (typeof(cached) = 'integer'),
            written       INTEGER NOT NULL CHECK (typeof(written) = 'integer'),
            output        INTEGER NOT NULL CHECK (typeof(output) = 'integer'),
            cost          INTEGER NOT NULL CHECK (typeof(cost) = 'integer'),
            uncached      INTEGER NOT NULL CHECK (typeof(uncached) = 'integer'),
            usage_unknown INTEGER NOT NULL,
            cost_unknown  INTEGER NOT NULL,
            inferred      INTEGER NOT NULL,
            contradictory INTEGER NOT NULL,
            resent        INTEGER NOT NULL,
            PRIMARY KEY (day, model, prefix, tag, mechanism, outcome, currency)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE ledger_caches (
            account  TEXT NOT NULL,
            cache_id TEXT NOT NULL,
            last_day TEXT NOT NULL,
            life     TEXT NOT NULL,
            PRIMARY KEY (account, cache_id)
        ) WITHOUT ROWID
        """,
    ),
    (
        # The end of a cache's last span, which every hit may move, beside the rest.
        "ALTER TABLE ledger_caches ADD COLUMN ends_at INTEGER",
        "ALTER TABLE ledger_caches ADD COLUMN set_at INTEGER",
        "ALTER TABLE ledger_caches ADD COLUMN plain INTEGER NOT NULL DEFAULT 0",
    ),
    (
        # Up to which byte each of the files beside this one is in the sums.
        """
        CREATE TABLE ledger_journals (
            name   TEXT PRIMARY KEY NOT NULL,
            folded INTEGER NOT NULL
        ) WITHOUT ROWID
        """,
    ),
    (
        # What was observed of the pauses between the uses of a prefix.
        "ALTER TABLE entries ADD COLUMN gaps TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE entries ADD COLUMN used_at REAL NOT NULL DEFAULT 0",
    ),
)
"""What leads from each version of the schema to the next one. Append; never edit."""


def inspect(path: Path) -> None:
    """Look at a file without changing it, and refuse it unless it is ours.

    ``immutable`` keeps SQLite from recovering, locking or writing anything, so a file
    that is refused keeps its bytes. (Reading the header with ``open`` would not do:
    closing any descriptor of a file drops all locks that the process has on it.) Our
    mark is in the file itself from its first commit on, never only in the log beside.

    Raises:
        RegistryError: It is another program's database, or a newer version's.
        sqlite3.Error: It is no database.
    """
    uri = f"{path.as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        if _number(connection, "page_count"):
            _check(connection, path)


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring a file to this version's schema, whoever else is about to do the same.

    Raises:
        RegistryError: A newer version was there first.
        sqlite3.Error: The file could not be changed; it is as it was.
    """
    if _number(connection, "user_version") != len(MIGRATIONS):
        connection.execute("BEGIN IMMEDIATE")
        try:
            _apply(connection, path)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    _check(connection, path)


def _apply(connection: sqlite3.Connection, path: Path) -> None:
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables:
        _check(connection, path)
    for statements in MIGRATIONS[_number(connection, "user_version") :]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _check(connection: sqlite3.Connection, path: Path) -> None:
    if _number(connection, "application_id") != APPLICATION_ID:
        raise RegistryError(
            f"{path} is another program's database and was left as it is: name another "
            "file in registry='sqlite:///...' or in MOONSHOT_CACHE_REGISTRY"
        )
    if (version := _number(connection, "user_version")) > len(MIGRATIONS):
        raise RegistryError(
            f"{path} was written by a newer version of this package (schema {version}, "
            f"this one knows {len(MIGRATIONS)}) and was left as it is: upgrade, or "
            "name another file in MOONSHOT_CACHE_REGISTRY"
        )


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])
