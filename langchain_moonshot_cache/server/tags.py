"""Tags: names that an account gives to its caches."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .marks import implements
from .refusals import bad_request, not_found
from .rules import ACCOUNTS, LISTING, TAG_DANGLES, TAG_DELETE, TAG_MOVES, TAGS
from .schemas import TAG

if TYPE_CHECKING:
    import sqlite3

    from .cache_object import Cache
    from .caches import Caches
    from .clock import Clock
    from .paging import Page
    from .store import Store

__all__ = ["Tags", "check_tag"]

Json = dict[str, Any]

_WELL_FORMED = re.compile(TAG.replace("$", r"\Z"))


class Tags:
    """The tags of all accounts, in the store."""

    def __init__(self, *, store: Store, clock: Clock, caches: Caches) -> None:
        self._store = store
        self._clock = clock
        self._caches = caches

    @implements(TAGS, TAG_MOVES)
    def bind(self, tag: str, *, cache_id: str, account: str) -> Json:
        """Let a tag point at a cache, wherever it pointed before.

        Raises:
            RefusedError: 404, when this account has no such cache.
        """
        self._caches.get(cache_id, account=account)
        sql = (
            "INSERT INTO tags (account, tag, cache_id, created_at) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (account, tag) DO UPDATE SET cache_id = excluded.cache_id, "
            "created_at = excluded.created_at"
        )
        self._store.change((sql, (account, tag, cache_id, self._clock.seconds())))
        return self.get(tag, account=account)

    @implements(ACCOUNTS)
    def get(self, tag: str, *, account: str) -> Json:
        """Return a tag.

        Raises:
            RefusedError: 400 for a malformed tag, 404 for an unknown one.
        """
        return _wire(self._row(tag, account=account))

    def _row(self, tag: str, *, account: str) -> sqlite3.Row:
        check_tag(tag)
        sql = "SELECT * FROM tags WHERE account = ? AND tag = ?"
        row = self._store.row(sql, account, tag)
        if row is None:
            raise not_found(f"There is no tag {tag!r}.")
        return row

    @implements(TAGS, TAG_DANGLES)
    def content(self, tag: str, *, account: str) -> Cache:
        """Return the cache that a tag points at.

        Raises:
            RefusedError: 404, when the tag or its cache does not exist.
        """
        row = self._row(tag, account=account)
        return self._caches.get(row["cache_id"], account=account)

    @implements(LISTING)
    def page(self, page: Page, *, account: str) -> list[Json]:
        """Return one page of an account's tags.

        Raises:
            RefusedError: 404, when a cursor is no tag of this account.
        """
        end, bounds = page.sql(
            after=self._position(page.after, account=account),
            before=self._position(page.before, account=account),
        )
        sql = f"SELECT * FROM tags WHERE account = ? {end}"  # noqa: S608 - words of ours
        rows = self._store.rows(sql, account, *bounds)
        return page.in_order([_wire(row) for row in rows])

    def _position(self, cursor: str | None, *, account: str) -> int | None:
        if cursor is None:
            return None
        return int(self._row(cursor, account=account)["seq"])

    @implements(TAG_DELETE)
    def delete(self, tag: str, *, account: str) -> Json:
        """Delete a tag, whether it exists or not."""
        check_tag(tag)
        sql = "DELETE FROM tags WHERE account = ? AND tag = ?"
        self._store.change((sql, (account, tag)))
        return {"deleted": True, "object": "cache_object.tag.deleted", "tag": tag}


def check_tag(tag: str) -> None:
    """Refuse a malformed tag.

    Raises:
        RefusedError: 400.
    """
    if not _WELL_FORMED.match(tag):
        raise bad_request(
            "A tag is a letter and up to 127 letters, '_', '-' or '.' after it."
        )


def _wire(row: sqlite3.Row) -> Json:
    return {
        "cache_id": row["cache_id"],
        "created_at": row["created_at"],
        "object": "cache_object.tag",
        "owned_by": row["account"],
        "tag": row["tag"],
    }
