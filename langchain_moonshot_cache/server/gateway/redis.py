"""The state of several gateways, in one Redis.

Each cache is two hashes, its record and its content, which Redis itself forgets at the
end of their retention; sorted sets keep the order of creation and the expiries. What
depends on what is there is decided in scripts, which Redis runs one at a time.
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any, Final

import redis.asyncio
from redis.exceptions import RedisError

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
    from collections.abc import Mapping, Sequence

    from langchain_moonshot_cache.server.paging import Page

__all__ = ["RedisState"]

PREFIX: Final = "moonshot-gateway:"
PATIENCE: Final = 5.0
"""Seconds for an answer of Redis, which takes less than a thousandth of that."""
NUMBERS: Final = frozenset(
    {"created_at", "expired_at", "estimate", "length", "seq", "tokens"}
)
BUILT: Final = ("pending", "ready", "error")

# A change moves a cache between the sets by which caches are counted. Only while it is
# there, or a build that ends late would bring back what was deleted.
_CHANGE: Final = """
local account, estimate, built = unpack(
    redis.call('HMGET', KEYS[1], 'account', 'estimate', 'built'))
if account ~= ARGV[1] or redis.call('HEXISTS', KEYS[1], 'deleted_at') == 1 then
    return 0
end
for i = 5, #ARGV, 2 do
    if ARGV[i + 1] == '' then
        redis.call('HDEL', KEYS[1], ARGV[i])
    else
        redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    end
end
local now = redis.call('HMGET', KEYS[1], 'built', 'expired_at')
local member = ARGV[2] .. ':' .. estimate
redis.call('ZREM', ARGV[3] .. 'built:' .. built, ARGV[2])
redis.call('ZADD', ARGV[3] .. 'built:' .. now[1], now[2], ARGV[2])
if now[1] == 'error' then
    redis.call('ZREM', KEYS[3], member)
else
    redis.call('ZADD', KEYS[3], now[2], member)
end
redis.call('EXPIREAT', KEYS[1], now[2] + ARGV[4])
redis.call('EXPIREAT', KEYS[2], now[2] + ARGV[4])
return 1
"""
_REMOVE: Final = """
local account, estimate, built = unpack(
    redis.call('HMGET', KEYS[1], 'account', 'estimate', 'built'))
if account ~= ARGV[1] or redis.call('HEXISTS', KEYS[1], 'deleted_at') == 1 then
    return 0
end
redis.call('HSET', KEYS[1], 'deleted_at', ARGV[4])
redis.call('DEL', KEYS[2])
redis.call('ZREM', KEYS[3], ARGV[2] .. ':' .. estimate)
redis.call('ZREM', ARGV[3] .. 'built:' .. built, ARGV[2])
return 1
"""
_CLAIM: Final = """
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_RELEASE: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""


class RedisState:
    """State in Redis; see the contract in ``state``.

    Args:
        url: Where Redis is, with its password, if it has one.
        prefix: What every key begins with.

    Raises:
        StoreError: If that is no URL of a Redis.
    """

    errors: tuple[type[Exception], ...] = (RedisError,)

    def __init__(self, url: str, *, prefix: str = PREFIX) -> None:
        # Its answers are typed as what they are under any setting of the client.
        self._redis: Any = _client(url)
        self._prefix = prefix

    def _key(self, *parts: str) -> str:
        return self._prefix + ":".join(parts)

    # --- The store itself -----------------------------------------------------------
    async def open(self) -> bytes:
        """Return the salt that all gateways share.

        Raises:
            StoreError: Redis cannot be used.
        """
        key = self._key("salt")
        try:
            await self._redis.set(key, secrets.token_bytes(SALT_BYTES), nx=True)
            salt = await self._redis.get(key)
        except RedisError as error:
            # The URL may hold a password, and so may the error's own text.
            kind = type(error).__name__
            raise StoreError(f"Redis cannot be used: {kind}.") from error
        return bytes(salt)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def check(self) -> None:
        """Return if Redis answers."""
        await self._redis.ping()

    # --- Caches ---------------------------------------------------------------------
    async def add(self, record: Record, content: Content) -> None:
        """Take in a cache."""
        seq = await self._redis.incr(self._key("seq"))
        key, content_key = (
            self._key("cache", record.id),
            self._key("content", record.id),
        )
        forget_at = record.expired_at + RETENTION
        values = {name: getattr(record, name) for name in Record.__slots__}
        over = record.created_at - RETENTION
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(key, mapping=_stored({**values, "seq": seq}))
            pipe.hset(content_key, mapping=_content_fields(content))
            pipe.expireat(key, forget_at)
            pipe.expireat(content_key, forget_at)
            pipe.zadd(self._key("caches", record.account), {record.id: seq})
            living = self._key("living", record.account)
            pipe.zremrangebyscore(living, "-inf", over)
            if record.built != "error":
                pipe.zadd(living, {f"{record.id}:{record.estimate}": record.expired_at})
            for built in BUILT:
                pipe.zremrangebyscore(self._key("built", built), "-inf", over)
            pipe.zadd(self._key("built", record.built), {record.id: record.expired_at})
            await pipe.execute()

    async def find(self, cache_id: str, *, account: str) -> Record | None:
        """Return a cache of an account, unless it was deleted."""
        found = await self._redis.hgetall(self._key("cache", cache_id))
        return _record(found, account=account)

    async def content(self, cache_id: str) -> Content | None:
        """Return a cache's content."""
        key = self._key("content", cache_id)
        messages, tools = await self._redis.hmget(key, ["messages", "tools"])
        return None if messages is None else Content(messages, tools)

    async def change(
        self, cache_id: str, *, account: str, values: Mapping[str, Any]
    ) -> Record | None:
        """Set fields of a record; return it as it then is."""
        pairs = [part for pair in _texts(values).items() for part in pair]
        await self._changed(_CHANGE, cache_id, account, str(RETENTION), *pairs)
        return await self.find(cache_id, account=account)

    async def remove(self, cache_id: str, *, account: str, now: int) -> bool:
        """Delete a cache and its content."""
        return await self._changed(_REMOVE, cache_id, account, str(now))

    async def _changed(
        self, script: str, cache_id: str, account: str, *further: str
    ) -> bool:
        keys = (
            self._key("cache", cache_id),
            self._key("content", cache_id),
            self._key("living", account),
        )
        arguments = account, cache_id, self._prefix, *further
        return bool(await self._redis.eval(script, len(keys), *keys, *arguments))

    async def page(self, page: Page, *, account: str) -> list[Record]:
        """Return one page of an account's caches.

        Caches whose retention is over are taken out of the order on the way.
        """
        order = self._key("caches", account)
        after, before = (
            await self._position(page.after, account),
            await self._position(page.before, account),
        )
        ids = await self._ids(order, page, after, before)
        found: list[Record] = []
        wanted = set((page.metadata or {}).items())
        for start in range(0, len(ids), page.limit):
            part = ids[start : start + page.limit]
            for cache_id, fields in zip(part, await self._records(part), strict=True):
                if not fields:
                    await self._redis.zrem(order, cache_id)
                record = _record(fields, account=account)
                if record and wanted <= set((record.metadata or {}).items()):
                    found.append(record)
            if len(found) >= page.limit:
                break
        return page.in_order(found[: page.limit])

    async def _ids(
        self, order: str, page: Page, after: int | None, before: int | None
    ) -> list[str]:
        """Return the ids in question, in the order in which the page is filled."""
        least, most = (before, after) if page.newest_first else (after, before)
        low = "-inf" if least is None else f"({least}"
        high = "+inf" if most is None else f"({most}"
        ids = await self._redis.zrangebyscore(order, low, high)
        return [cache_id.decode() for cache_id in (ids[::-1] if page.descends else ids)]

    async def _records(self, ids: Sequence[str]) -> list[dict[bytes, bytes]]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for cache_id in ids:
                pipe.hgetall(self._key("cache", cache_id))
            found: list[dict[bytes, bytes]] = await pipe.execute()
        return found

    async def _position(self, cursor: str | None, account: str) -> int | None:
        if cursor is None:
            return None
        score = await self._redis.zscore(self._key("caches", account), cursor)
        if score is None:
            raise KeyError(cursor)
        return int(score)

    async def living_tokens(self, account: str, *, now: float) -> int:
        """Return the estimated tokens of an account's pending and ready caches."""
        key = self._key("living", account)
        members = await self._redis.zrangebyscore(key, f"({now}", "+inf")
        return sum(int(member.rpartition(b":")[2]) for member in members)

    async def census(self, now: float) -> Counts:
        """Return how many caches there are, by status."""
        count = self._redis.zcount
        counts = {"inactive": 0}
        for built in ("pending", "ready"):
            key = self._key("built", built)
            counts[built] = await count(key, f"({now}", "+inf")
            counts["inactive"] += await count(key, "-inf", now)
        counts["error"] = await count(self._key("built", "error"), "-inf", "+inf")
        return counts

    async def claim(self, cache_id: str, *, owner: str, seconds: float) -> bool:
        """Take, or keep, the building of a cache."""
        key, milliseconds = self._key("claim", cache_id), str(int(seconds * 1000))
        return bool(await self._redis.eval(_CLAIM, 1, key, owner, milliseconds))

    async def release(self, cache_id: str, *, owner: str) -> None:
        """Give a claim back."""
        await self._redis.eval(_RELEASE, 1, self._key("claim", cache_id), owner)

    # --- Tags -----------------------------------------------------------------------
    async def bind(self, tag: Tag, *, account: str) -> None:
        """Let a tag point at a cache; a tag that moves keeps its place."""
        seq = await self._redis.incr(self._key("seq"))
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.zadd(self._key("tagged", account), {tag.tag: seq}, nx=True)
            value = json.dumps([tag.cache_id, tag.created_at])
            pipe.hset(self._key("tags", account), tag.tag, value)
            await pipe.execute()

    async def tag(self, tag: str, *, account: str) -> Tag | None:
        """Return a tag."""
        value = await self._redis.hget(self._key("tags", account), tag)
        return None if value is None else Tag(tag, *json.loads(value))

    async def unbind(self, tag: str, *, account: str) -> None:
        """Delete a tag."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.zrem(self._key("tagged", account), tag)
            pipe.hdel(self._key("tags", account), tag)
            await pipe.execute()

    async def tags(self, page: Page, *, account: str) -> list[Tag]:
        """Return one page of an account's tags.

        Raises:
            KeyError: A cursor is no tag of this account.
        """
        order = self._key("tagged", account)
        positions = []
        for cursor in (page.after, page.before):
            score = cursor and await self._redis.zscore(order, cursor)
            if cursor is not None and score is None:
                raise KeyError(cursor)
            positions.append(None if score is None else int(score))
        names = (await self._ids(order, page, *positions))[: page.limit]
        if not names:
            return []
        values = await self._redis.hmget(self._key("tags", account), names)
        found = [
            Tag(name, *json.loads(value))
            for name, value in zip(names, values, strict=True)
            if value is not None
        ]
        return page.in_order(found)

    # --- Use ------------------------------------------------------------------------
    async def count(self, account: str, *, day: str, model: str, add: Counts) -> None:
        """Add to what an account used of a model on a day."""
        async with self._redis.pipeline(transaction=True) as pipe:
            for name, value in add.items():
                if value:
                    field = json.dumps([day, model, name])
                    pipe.hincrby(self._key("usage", account), field, value)
            await pipe.execute()

    async def statement(self, account: str) -> list[tuple[str, str, Counts]]:
        """Return what an account used, as day, model and counters."""
        lines: dict[tuple[str, str], Counts] = {}
        found = await self._redis.hgetall(self._key("usage", account))
        for field, value in found.items():
            day, model, name = json.loads(field)
            line = lines.setdefault((day, model), dict.fromkeys(COUNTERS, 0))
            line[name] = int(value)
        return [(*key, lines[key]) for key in sorted(lines)]


def _client(url: str) -> redis.asyncio.Redis:
    try:
        return redis.asyncio.Redis.from_url(
            url,
            socket_timeout=PATIENCE,
            socket_connect_timeout=PATIENCE,
            driver_info=None,  # found out from files, which would block the event loop
        )
    except ValueError as error:
        raise StoreError("The URL of the Redis cannot be read.") from error


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Return fields as texts; the empty one stands for None, where that can be."""
    return {
        name: ""
        if value is None
        else json.dumps(value, ensure_ascii=False)
        if name == "metadata"
        else str(value)
        for name, value in values.items()
    }


def _stored(values: Mapping[str, Any]) -> dict[str | bytes, Any]:
    return {name: text for name, text in _texts(values).items() if text}


def _content_fields(content: Content) -> dict[str | bytes, Any]:
    fields: dict[str | bytes, Any] = {"messages": content.messages}
    return fields if content.tools is None else {**fields, "tools": content.tools}


def _record(found: Mapping[bytes, bytes], *, account: str) -> Record | None:
    fields = {name.decode(): value.decode() for name, value in found.items()}
    if fields.get("account") != account or "deleted_at" in fields:
        return None
    values: dict[str, Any] = {"metadata": None, "failure": None, "tokens": None}
    values |= {"name": "", "description": ""}
    for name, text in fields.items():
        if name in NUMBERS:
            values[name] = int(text)
        else:
            values[name] = json.loads(text) if name == "metadata" else text
    return Record(**values)
