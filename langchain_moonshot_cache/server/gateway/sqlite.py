"""The state of one gateway, in a SQLite file.

One thread writes, and reads contents and lists, so that a slow disk holds up no stream.
What every call asks for, one record of some hundred bytes by its index, is read where
it is asked for: to hand it to a thread and back takes ten times as long. Several
gateways of one host may share the file; those of several hosts share a Redis.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, TypeVar

from langchain_moonshot_cache.server.gateway.state import (
    COUNTERS,
    RETENTION,
    Content,
    Counts,
    Record,
    Tag,
)
from langchain_moonshot_cache.server.store import SALT_BYTES, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from langchain_moonshot_cache.server.paging import Page

__all__ = ["SqliteState"]

T = TypeVar("T")

# Marks a file as ours, so that no other program's database is ever written to.
APPLICATION_ID: Final = 0x6D736367
VERSION: Final = 1
BUSY: Final = 10.0
"""Seconds that a write waits for another gateway's, which takes milliseconds."""

_SCHEMA = f"""
CREATE TABLE salt (value BLOB NOT NULL);
CREATE TABLE caches (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    account TEXT NOT NULL,
    model TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    metadata TEXT,
    created_at INTEGER NOT NULL,
    expired_at INTEGER NOT NULL,
    built TEXT NOT NULL,
    failure TEXT,
    tokens INTEGER,
    estimate INTEGER NOT NULL,
    length INTEGER NOT NULL,
    deleted_at INTEGER
);
CREATE INDEX caches_of_account ON caches (account, seq);
CREATE INDEX caches_by_expiry ON caches (expired_at);
CREATE TABLE contents (
    cache_id TEXT PRIMARY KEY REFERENCES caches (id) ON DELETE CASCADE,
    messages BLOB NOT NULL,
    tools BLOB
);
CREATE TABLE claims (cache_id TEXT PRIMARY KEY, owner TEXT NOT NULL, until REAL);
CREATE TABLE tags (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    tag TEXT NOT NULL,
    cache_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (account, tag)
);
CREATE TABLE usage (
    account TEXT NOT NULL,
    day TEXT NOT NULL,
    model TEXT NOT NULL,
    {", ".join(f"{name} INTEGER NOT NULL DEFAULT 0" for name in COUNTERS)},
    PRIMARY KEY (account, day, model)
) WITHOUT ROWID;
"""

_FIELDS: Final = (
    *("id", "account", "model", "name", "description", "metadata", "created_at"),
    *("expired_at", "built", "failure", "tokens", "estimate", "length"),
)

_FORGET: Final = """
DELETE FROM contents
WHERE cache_id IN (SELECT id FROM caches WHERE id = ? AND account = ?)
"""
_DELETE: Final = """
UPDATE caches SET deleted_at = ? WHERE id = ? AND account = ? AND deleted_at IS NULL
"""
_CLAIM: Final = """
INSERT INTO claims VALUES (?, ?, ?)
ON CONFLICT (cache_id) DO UPDATE SET owner = excluded.owner, until = excluded.until
WHERE claims.owner = excluded.owner OR claims.until < ?
"""
_BIND: Final = """
INSERT INTO tags (account, tag, cache_id, created_at) VALUES (?, ?, ?, ?)
ON CONFLICT (account, tag)
DO UPDATE SET cache_id = excluded.cache_id, created_at = excluded.created_at
"""


class SqliteState:
    """State in a file; see the contract in ``state``.

    Args:
        path: The file; the empty text is a temporary one.
    """

    errors: tuple[type[Exception], ...] = (sqlite3.Error,)

    def __init__(self, path: str) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gateway-sqlite")
        self._db: sqlite3.Connection
        self._reader: sqlite3.Connection
        self._directory: TemporaryDirectory[str] | None = None

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _write(self, *statements: tuple[str, tuple[Any, ...]]) -> int:
        """Carry out statements in one transaction; return what the last one touched."""

        def write() -> int:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                for sql, values in statements:
                    cursor = self._db.execute(sql, values)
                return cursor.rowcount

        return await self._run(write)

    async def _rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        return await self._run(lambda: self._db.execute(sql, values).fetchall())

    async def _row(self, sql: str, *values: Any) -> sqlite3.Row | None:
        found = await self._rows(sql, *values)
        return found[0] if found else None

    # --- The store itself -----------------------------------------------------------
    async def open(self) -> bytes:
        """Open or create the file; return its salt."""
        return await self._run(self._open)

    def _open(self) -> bytes:
        path = self._path
        if not path:
            self._directory = TemporaryDirectory(prefix="moonshot-gateway-")
            path = f"{self._directory.name}/state.sqlite"
        with ExitStack() as undo:
            try:
                self._db = undo.enter_context(closing(_connect(path)))
                salt = self._prepare()
                self._reader = undo.enter_context(closing(_connect(path)))
                self._reader.execute("PRAGMA query_only = ON")
            except sqlite3.DatabaseError as error:
                message = f"{self._path} cannot be used as a database: {error}"
                raise StoreError(message) from error
            undo.pop_all()
        return salt

    def _prepare(self) -> bytes:
        self._check_ours()
        # WAL survives a killed process. A power cut may lose the last moment: caches
        # that nobody has used yet, which their clients make again.
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.execute("BEGIN IMMEDIATE")
        if self._pragma("user_version") == 0:
            for statement in filter(str.strip, _SCHEMA.split(";")):
                self._db.execute(statement)
            salt = secrets.token_bytes(SALT_BYTES)
            self._db.execute("INSERT INTO salt VALUES (?)", (salt,))
            self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self._db.execute(f"PRAGMA user_version = {VERSION}")
        self._db.execute("COMMIT")
        found: bytes = self._db.execute("SELECT value FROM salt").fetchone()[0]
        return found

    def _check_ours(self) -> None:
        found = self._pragma("application_id"), self._pragma("user_version")
        used = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if used and found != (APPLICATION_ID, VERSION):
            raise StoreError(f"{self._path} is not a database of this gateway version.")

    def _pragma(self, name: str) -> int:
        return int(self._db.execute(f"PRAGMA {name}").fetchone()[0])

    async def close(self) -> None:
        """Close the file; what was written is in it."""
        await self._run(self._close)
        self._thread.shutdown(wait=False)  # it has nothing left to do

    def _close(self) -> None:
        self._reader.close()
        self._db.close()
        if self._directory is not None:
            self._directory.cleanup()

    async def check(self) -> None:
        """Return if the file can be read."""
        await self._row("SELECT 1 FROM salt")

    # --- Caches ---------------------------------------------------------------------
    async def add(self, record: Record, content: Content) -> None:
        """Take in a cache, and forget those whose time is long over."""
        over = record.created_at - RETENTION
        values = tuple(_stored(name, getattr(record, name)) for name in _FIELDS)
        marks = ", ".join("?" * len(_FIELDS))
        await self._write(
            ("DELETE FROM caches WHERE expired_at < ? OR deleted_at < ?", (over, over)),
            (f"INSERT INTO caches ({', '.join(_FIELDS)}) VALUES ({marks})", values),  # noqa: S608 - names from here
            (
                "INSERT INTO contents VALUES (?, ?, ?)",
                (record.id, content.messages, content.tools),
            ),
        )

    async def find(self, cache_id: str, *, account: str) -> Record | None:
        """Return a cache of an account, unless it was deleted."""
        sql = "SELECT * FROM caches WHERE id = ? AND account = ? AND deleted_at IS NULL"
        row = self._reader.execute(sql, (cache_id, account)).fetchone()
        return None if row is None else _record(row)

    async def content(self, cache_id: str) -> Content | None:
        """Return a cache's content."""
        row = await self._row("SELECT * FROM contents WHERE cache_id = ?", cache_id)
        return None if row is None else Content(row["messages"], row["tools"])

    async def change(
        self, cache_id: str, *, account: str, values: Mapping[str, Any]
    ) -> Record | None:
        """Set fields of a record; return it as it then is."""
        changes = ", ".join(f"{name} = ?" for name in values)
        stored = [_stored(name, value) for name, value in values.items()]
        sql = f"UPDATE caches SET {changes} WHERE id = ? AND account = ?"  # noqa: S608 - names of fields
        where = (*stored, cache_id, account)
        await self._write((f"{sql} AND deleted_at IS NULL", where))
        return await self.find(cache_id, account=account)

    async def remove(self, cache_id: str, *, account: str, now: int) -> bool:
        """Delete a cache and its content."""
        touched = await self._write(
            (_FORGET, (cache_id, account)), (_DELETE, (now, cache_id, account))
        )
        return touched > 0

    async def page(self, page: Page, *, account: str) -> list[Record]:
        """Return one page of an account's caches."""
        sql = "SELECT * FROM caches WHERE account = ? AND deleted_at IS NULL"
        values: list[Any] = [account]
        for key, value in (page.metadata or {}).items():
            sql += (
                " AND EXISTS (SELECT 1 FROM json_each(metadata) AS pair "
                "WHERE pair.key = ? AND pair.value = ?)"
            )
            values += [key, value]
        find = "SELECT seq FROM caches WHERE id = ? AND account = ?"
        return [
            _record(row) for row in await self._paged(sql, values, page, find, account)
        ]

    async def _paged(
        self, sql: str, values: list[Any], page: Page, find: str, account: str
    ) -> list[sqlite3.Row]:
        end, bounds = page.sql(
            after=await self._position(find, page.after, account),
            before=await self._position(find, page.before, account),
        )
        return page.in_order(await self._rows(f"{sql} {end}", *values, *bounds))

    async def _position(
        self, find: str, cursor: str | None, account: str
    ) -> int | None:
        if cursor is None:
            return None
        row = await self._row(find, cursor, account)
        if row is None:
            raise KeyError(cursor)
        return int(row["seq"])

    async def living_tokens(self, account: str, *, now: float) -> int:
        """Return the estimated tokens of an account's pending and ready caches."""
        rows = await self._rows(
            "SELECT coalesce(sum(estimate), 0) AS used FROM caches WHERE account = ? "
            "AND deleted_at IS NULL AND expired_at > ? AND built != 'error'",
            *(account, now),
        )
        return int(rows[0]["used"])

    async def census(self, now: float) -> Counts:
        """Return how many caches there are, by status."""
        rows = await self._rows(
            "SELECT CASE WHEN built != 'error' AND expired_at <= ? THEN 'inactive' "
            "ELSE built END AS status, count(*) AS n FROM caches "
            "WHERE deleted_at IS NULL GROUP BY 1",
            now,
        )
        return {row["status"]: row["n"] for row in rows}

    async def claim(self, cache_id: str, *, owner: str, seconds: float) -> bool:
        """Take, or keep, the building of a cache."""
        now = time.time()
        taken = await self._write((_CLAIM, (cache_id, owner, now + seconds, now)))
        return taken > 0

    async def release(self, cache_id: str, *, owner: str) -> None:
        """Give a claim back."""
        sql = "DELETE FROM claims WHERE cache_id = ? AND owner = ?"
        await self._write((sql, (cache_id, owner)))

    # --- Tags -----------------------------------------------------------------------
    async def bind(self, tag: Tag, *, account: str) -> None:
        """Let a tag point at a cache."""
        await self._write((_BIND, (account, tag.tag, tag.cache_id, tag.created_at)))

    async def tag(self, tag: str, *, account: str) -> Tag | None:
        """Return a tag."""
        sql = "SELECT * FROM tags WHERE account = ? AND tag = ?"
        row = await self._row(sql, account, tag)
        return None if row is None else _tag(row)

    async def unbind(self, tag: str, *, account: str) -> None:
        """Delete a tag."""
        sql = "DELETE FROM tags WHERE account = ? AND tag = ?"
        await self._write((sql, (account, tag)))

    async def tags(self, page: Page, *, account: str) -> list[Tag]:
        """Return one page of an account's tags."""
        sql = "SELECT * FROM tags WHERE account = ?"
        find = "SELECT seq FROM tags WHERE tag = ? AND account = ?"
        rows = await self._paged(sql, [account], page, find, account)
        return [_tag(row) for row in rows]

    # --- Use ------------------------------------------------------------------------
    async def count(self, account: str, *, day: str, model: str, add: Counts) -> None:
        """Add to what an account used of a model on a day."""
        names = list(add)
        sums = ", ".join(f"{name} = {name} + excluded.{name}" for name in names)
        marks = ", ".join("?" * (len(names) + 3))
        sql = (
            f"INSERT INTO usage (account, day, model, {', '.join(names)}) "  # noqa: S608 - names of counters
            f"VALUES ({marks}) ON CONFLICT (account, day, model) DO UPDATE SET {sums}"
        )
        await self._write((sql, (account, day, model, *add.values())))

    async def statement(self, account: str) -> list[tuple[str, str, Counts]]:
        """Return what an account used, as day, model and counters."""
        sql = "SELECT * FROM usage WHERE account = ? ORDER BY day, model"
        rows = await self._rows(sql, account)
        return [
            (row["day"], row["model"], {name: row[name] for name in COUNTERS})
            for row in rows
        ]


def _connect(path: str) -> sqlite3.Connection:
    # Each is used by one thread at a time; the one that reads is made in another.
    connection = sqlite3.connect(
        path, timeout=BUSY, isolation_level=None, check_same_thread=False
    )
    connection.row_factory = sqlite3.Row
    return connection


def _stored(name: str, value: Any) -> Any:
    if name == "metadata" and value is not None:
        return json.dumps(value, ensure_ascii=False)
    return value


def _record(row: sqlite3.Row) -> Record:
    fields = {name: row[name] for name in _FIELDS}
    fields["metadata"] = json.loads(row["metadata"] or "null")
    return Record(**fields, seq=row["seq"])


def _tag(row: sqlite3.Row) -> Tag:
    return Tag(row["tag"], row["cache_id"], row["created_at"])
