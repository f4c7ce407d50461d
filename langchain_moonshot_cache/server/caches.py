"""The life of a cache: made, ready, expired, revived, deleted.

Nothing happens in the background. A row says when a cache becomes ready and when it
expires, and its status is read off the clock whenever somebody asks.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Any

from .cache_object import read_cache
from .life import end_of_life, new_cache_id
from .marks import implements
from .refusals import bad_request, not_found
from .rendering import count_prompt
from .rules import (
    ACCOUNT_LIVING,
    ACCOUNT_TOKENS,
    ACCOUNTS,
    ASYNC_CREATE,
    CACHE_TOKENS,
    CREATION_CHARGED,
    CURSOR,
    DELETE,
    LISTING,
    METADATA,
    RESET_TTL,
    RESET_TTL_REVIVES,
    STORAGE_SPAN,
    UPDATE,
    UPDATE_REVIVES,
)

if TYPE_CHECKING:
    from .billing import Billing
    from .cache_object import Cache, Status
    from .clock import Clock
    from .paging import Page
    from .settings import Settings
    from .store import Store

__all__ = ["Caches"]

Json = dict[str, Any]


class Caches:
    """The caches of all accounts, in the store."""

    def __init__(
        self, *, store: Store, clock: Clock, billing: Billing, seed: int | None
    ) -> None:
        self._store = store
        self._clock = clock
        self._billing = billing
        self._random = SystemRandom() if seed is None else Random(seed)  # noqa: S311 - a seeded run is wanted

    def _new_id(self) -> str:
        while True:
            found = new_cache_id(self._random)
            # A seeded server that is restarted on its data draws the same ids again.
            if not self._store.row("SELECT 1 FROM caches WHERE id = ?", found):
                return found

    @implements(ASYNC_CREATE, METADATA, CREATION_CHARGED)
    def create(
        self, body: Json, *, account: str, settings: Settings, failure: str | None
    ) -> Cache:
        """Accept a cache.

        Args:
            body: The request, checked already.
            account: Whose cache it is.
            settings: Limits and the time until ready.
            failure: Why building it will fail; None lets it succeed.

        Raises:
            RefusedError: 400, when a limit or the life is not kept.
        """
        now = self._clock.now()
        begin, end = math.floor(now), self._expiry(body, settings=settings)
        tokens = count_prompt(body["messages"], body.get("tools"))
        self._check_size(tokens, account=account, settings=settings)
        cache_id = self._new_id()
        columns: Json = {
            "id": cache_id,
            "account": account,
            "model": body["model"],
            "messages": _text(body["messages"]),
            "tools": None if body.get("tools") is None else _text(body["tools"]),
            "name": body.get("name") or "",
            "description": body.get("description") or "",
            "metadata": _metadata(body),
            "tokens": tokens,
            "created_at": begin,
            "ready_at": now + settings.ready_after,
            "expired_at": end,
            "failure": failure,
        }
        marks = ", ".join("?" * len(columns))
        insert = f"INSERT INTO caches ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - names from here
        charges = []
        if failure is None:
            charges = [
                _new_span(cache_id, begin=begin, end=end),
                self._billing.creation(
                    account, cache_id=cache_id, family=body["model"], tokens=tokens
                ),
            ]
        self._store.change((insert, list(columns.values())), *charges)
        return self.get(cache_id, account=account)

    def _expiry(self, body: Json, *, settings: Settings) -> int:
        return end_of_life(body, now=self._clock.seconds(), longest=settings.max_ttl)

    @implements(CACHE_TOKENS, ACCOUNT_TOKENS, ACCOUNT_LIVING)
    def _check_size(self, tokens: int, *, account: str, settings: Settings) -> None:
        if tokens > settings.cache_token_limit:
            raise bad_request(
                f"The cache would hold {tokens} tokens; one cache holds at most "
                f"{settings.cache_token_limit}."
            )
        now = self._clock.now()
        row = self._store.row(
            "SELECT coalesce(sum(tokens), 0) AS used FROM caches WHERE account = ? "
            "AND deleted_at IS NULL AND expired_at > ? "
            "AND (failure IS NULL OR ready_at > ?)",
            *(account, now, now),
        )
        used = row["used"] if row else 0
        if used + tokens > settings.account_token_limit:
            raise bad_request(
                f"The account's caches hold {used} tokens; {tokens} more would exceed "
                f"its limit of {settings.account_token_limit}. Delete some first."
            )

    @implements(ACCOUNTS)
    def get(self, cache_id: str, *, account: str) -> Cache:
        """Return one cache of an account.

        Raises:
            RefusedError: 404, when this account has no such cache.
        """
        row = self._store.row(
            "SELECT * FROM caches WHERE id = ? AND account = ? AND deleted_at IS NULL",
            *(cache_id, account),
        )
        if row is None:
            raise not_found(f"There is no cache {cache_id[:80]!r}.")
        return read_cache(row, now=self._clock.now())

    @implements(LISTING, CURSOR)
    def page(self, page: Page, *, account: str) -> list[Cache]:
        """Return one page of an account's caches.

        Raises:
            RefusedError: 404, when a cursor is no cache of this account.
        """
        sql = ["SELECT * FROM caches WHERE account = ? AND deleted_at IS NULL"]
        values: list[Any] = [account]
        for key, value in (page.metadata or {}).items():
            sql.append(
                "AND EXISTS (SELECT 1 FROM json_each(metadata) AS pair "
                "WHERE pair.key = ? AND pair.value = ?)"
            )
            values += [key, value]
        end, bounds = page.sql(
            after=self._position(page.after, account=account),
            before=self._position(page.before, account=account),
        )
        rows = self._store.rows(" ".join([*sql, end]), *values, *bounds)
        return page.in_order([read_cache(row, now=self._clock.now()) for row in rows])

    def _position(self, cursor: str | None, *, account: str) -> int | None:
        if cursor is None:
            return None
        sql = "SELECT seq FROM caches WHERE id = ? AND account = ?"
        row = self._store.row(sql, cursor, account)
        if row is None:
            raise not_found(f"There is no cache {cursor[:80]!r} to continue from.")
        return int(row["seq"])

    def everyone(self) -> list[Cache]:
        """Return the caches of all accounts, oldest first."""
        rows = self._store.rows(
            "SELECT * FROM caches WHERE deleted_at IS NULL ORDER BY seq"
        )
        return [read_cache(row, now=self._clock.now()) for row in rows]

    def creates(self) -> dict[str, int]:
        """Return how many caches each account ever made, deleted ones included."""
        rows = self._store.rows("SELECT account, count(*) n FROM caches GROUP BY 1")
        return {row["account"]: row["n"] for row in rows}

    @implements(UPDATE, UPDATE_REVIVES)
    def update(
        self, cache_id: str, body: Json, *, account: str, settings: Settings
    ) -> Cache:
        """Change metadata and life; the cache is pending again.

        Raises:
            RefusedError: 404 for an unknown cache, 400 for a life out of bounds.
        """
        cache = self.get(cache_id, account=account)
        if cache.status == "error":
            raise bad_request("A cache whose creation failed cannot be updated.")
        end = cache.expired_at
        if body.get("ttl") or body.get("expired_at") or cache.status == "inactive":
            end = self._expiry(body, settings=settings)
        metadata = cache.row["metadata"]
        if "metadata" in body:
            metadata = _metadata(body)
        self._store.change(
            ("UPDATE caches SET metadata = ? WHERE id = ?", (metadata, cache.id)),
            *self._live_until(cache, end=end, pending=True, settings=settings),
        )
        return self.get(cache_id, account=account)

    @implements(RESET_TTL, RESET_TTL_REVIVES)
    def renew(self, cache: Cache, *, seconds: int, settings: Settings) -> Cache:
        """Let a cache live some seconds from now; an inactive one becomes pending."""
        end = self._clock.seconds() + seconds
        revived = cache.status == "inactive"
        self._store.change(
            *self._live_until(cache, end=end, pending=revived, settings=settings)
        )
        status: Status = "pending" if revived else cache.status
        return replace(cache, expired_at=end, status=status)

    @implements(STORAGE_SPAN)
    def _live_until(
        self, cache: Cache, *, end: int, pending: bool, settings: Settings
    ) -> list[tuple[str, tuple[Any, ...]]]:
        now = self._clock.now()
        ready_at = now + settings.ready_after if pending else cache.row["ready_at"]
        moved: list[tuple[str, tuple[Any, ...]]] = [
            (
                "UPDATE caches SET expired_at = ?, ready_at = ? WHERE id = ?",
                (end, ready_at, cache.id),
            )
        ]
        if cache.status == "inactive":
            return [*moved, _new_span(cache.id, begin=math.floor(now), end=end)]
        return [*moved, _end_span(cache.id, end=end)]

    @implements(DELETE)
    def delete(self, cache_id: str, *, account: str) -> None:
        """Delete a cache; its storage stops counting now.

        Raises:
            RefusedError: 404 for an unknown cache.
        """
        cache = self.get(cache_id, account=account)
        now = self._clock.seconds()
        # The row stays as a cursor and for the bill, without its content.
        forget = (
            "UPDATE caches SET deleted_at = ?, messages = '[]', tools = NULL "
            "WHERE id = ?"
        )
        end = min(now, cache.expired_at)
        self._store.change((forget, (now, cache.id)), _end_span(cache.id, end=end))


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _metadata(body: Json) -> str | None:
    metadata = body.get("metadata")
    return None if metadata is None else _text(metadata)


def _new_span(cache_id: str, *, begin: int, end: int) -> tuple[str, tuple[Any, ...]]:
    return "INSERT INTO spans VALUES (?, ?, ?)", (cache_id, begin, end)


def _end_span(cache_id: str, *, end: int) -> tuple[str, tuple[Any, ...]]:
    """Move the end of a cache's latest span."""
    latest = "SELECT max(rowid) FROM spans WHERE cache_id = ?"
    sql = f"UPDATE spans SET end_at = ? WHERE rowid = ({latest})"  # noqa: S608 - no input in it
    return sql, (end, cache_id)
