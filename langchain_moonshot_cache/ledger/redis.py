"""A ledger in the registry's Redis, for any number of hosts.

Redis runs a script as a whole, so a batch is counted whole or not at all. A reply may
be lost after that, so each batch leaves its name for a while and is not counted again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable
from uuid import uuid4

from langchain_moonshot_cache.economics import COUNTERS, Head, Sums
from langchain_moonshot_cache.errors import RegistryError
from langchain_moonshot_cache.ledger.written import read_life, written_life

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from langchain_moonshot_cache.economics import CacheLife
    from langchain_moonshot_cache.ledger.store import Batch, Change

__all__ = ["RedisStore", "RunsScripts"]

_ATTEMPTS = 10
"""Times that a change to a cache is worked out anew because somebody else was faster.
Two clients that meet at one cache need two."""

_DAYS = "days"
_CACHES = "caches"

_ADD = """
if not redis.call('SET', KEYS[1], '1', 'NX', 'EX', 600) then return 0 end
for index = 1, #ARGV, 4 do
    redis.call('SADD', KEYS[2], ARGV[index])
    redis.call('HINCRBY', KEYS[tonumber(ARGV[index + 1])], ARGV[index + 2],
        ARGV[index + 3])
end
return 1
"""
"""KEYS: the batch's name, the days, then the sums of each day. ARGV: for each figure
its day, the number of its key, its field, and what to add. Clients try again after half
a minute, so ten minutes are enough to be recognised."""

_KEEP = """
local known = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if known ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
"""
"""KEYS: caches. ARGV: the cache, its life as it was read, and as it is to be."""

_MEMBERS = "return redis.call('SMEMBERS', KEYS[1])"
_ALL = "return redis.call('HGETALL', KEYS[1])"
_ONE = "return redis.call('HGET', KEYS[1], ARGV[1]) or ''"
_FORGET_DAY = """
redis.call('SREM', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2])
"""
_FORGET_CACHE = "redis.call('HDEL', KEYS[1], ARGV[1])"


@runtime_checkable
class RunsScripts(Protocol):
    """What this store needs of a registry in Redis."""

    @property
    def address(self) -> str:
        """Where it is, without secrets."""

    @property
    def prefix(self) -> str:
        """What every key begins with."""

    def run(self, script: str, *, keys: Sequence[str], args: Sequence[str]) -> Any:
        """Run a script in Lua."""


class RedisStore:
    """Adds up in the Redis of a registry.

    Args:
        registry: The registry.
    """

    nonblocking = False

    def __init__(self, registry: RunsScripts) -> None:
        self._registry = registry
        self.address = f"{registry.address} {registry.prefix}"

    def name(self) -> str:
        """Name a batch, so that it is recognised when it comes again."""
        return uuid4().hex

    def quick(self, _batch: Batch) -> bool:
        """Tell that adding waits for the network."""
        return False

    @property
    def due(self) -> bool:
        """Tell that there is nothing to settle."""
        return False

    def settle(self) -> None:
        """Do nothing: all is in order."""

    def add(self, batch: Batch) -> None:
        """Add sums, and change the life of a cache with them."""
        if batch.calls:
            days = sorted({head.day for head, _ in batch.calls})
            args = [
                text
                for head, sums in batch.calls
                for text in _figures(head, sums, key=3 + days.index(head.day))
            ]
            keys = [f"batch:{batch.name}", _DAYS, *map(_key, days)]
            self._registry.run(_ADD, keys=keys, args=args)
        if batch.change is not None:
            self._change(batch.change)

    def calls(self, *, since: str, until: str) -> list[tuple[Head, Sums]]:
        """Return the sums of the days from ``since`` to ``until``, both included."""
        days = [day for day in self._days() if since <= day <= until]
        found: list[tuple[Head, Sums]] = []
        for day in days:
            found += _read(day, self._registry.run(_ALL, keys=[_key(day)], args=[]))
        return found

    def lives(self) -> list[CacheLife]:
        """Return the lives of all caches."""
        reply = self._registry.run(_ALL, keys=[_CACHES], args=[])
        return [read_life(text) for text in reply[1::2]]

    def forget(self, *, before: str) -> None:
        """Drop the sums of days before a day, and caches that ended before it."""
        for day in self._days():
            if day < before:
                keys = [_DAYS, _key(day)]
                self._registry.run(_FORGET_DAY, keys=keys, args=[day])
        for life in self.lives():
            if life.last_day() < before:
                name = _name(life.account, life.cache_id)
                self._registry.run(_FORGET_CACHE, keys=[_CACHES], args=[name])

    def close(self) -> None:
        """Let go of nothing: the connections are the registry's."""

    def _days(self) -> list[str]:
        return sorted(self._registry.run(_MEMBERS, keys=[_DAYS], args=[]))

    def _change(self, change: Change) -> None:
        name = _name(change.account, change.cache_id)
        for _ in range(_ATTEMPTS):
            known = self._registry.run(_ONE, keys=[_CACHES], args=[name])
            before = read_life(known) if known else None
            life = change.apply(before)
            if life is None or life == before:
                return
            args = [name, known, written_life(life)]
            if self._registry.run(_KEEP, keys=[_CACHES], args=args):
                return
        raise RegistryError(
            "others kept changing a cache in the ledger: see what is written so often"
        )


def _key(day: str) -> str:
    return f"calls:{day}"


def _name(account: str, cache_id: str) -> str:
    return f"{account}/{cache_id}"


def _figures(head: Head, sums: Sums, *, key: int) -> Iterable[str]:
    """Give the script's arguments for what is not zero; words have no ``|`` in them."""
    field = "|".join(head[1:])
    for name, value in zip(COUNTERS, sums, strict=True):
        if value:
            yield from (head.day, str(key), f"{field}|{name}", str(value))


def _read(day: str, reply: list[str]) -> list[tuple[Head, Sums]]:
    found: dict[Head, dict[str, int]] = {}
    for field, value in zip(reply[::2], reply[1::2], strict=True):
        *words, name = field.split("|")
        if len(words) != len(Head._fields) - 1 or name not in COUNTERS:
            raise RegistryError(
                "the ledger holds a figure that this version cannot read: upgrade, or "
                "let all who share the registry use the same version"
            )
        found.setdefault(Head(day, *words), {})[name] = int(value)
    return [(head, Sums(**figures)) for head, figures in found.items()]
