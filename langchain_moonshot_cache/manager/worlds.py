"""The real world behind the flows: a client, a registry, the clocks.

The two worlds differ in how they wait and in nothing else. What both do at once
(clocks, chance, registries) stands in one table; what goes over the network is
written for each.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from langchain_moonshot_cache.errors import NotFoundError
from langchain_moonshot_cache.ledger import beside
from langchain_moonshot_cache.lifecycle import finish
from langchain_moonshot_cache.lifecycle.effects import (
    Clear,
    Clock,
    Create,
    Delete,
    Drop,
    Effect,
    Find,
    Hold,
    Instant,
    Lease,
    Lookup,
    Mark,
    Marked,
    Poll,
    Random,
    Record,
    Release,
    Renew,
    Seen,
    Sleep,
    Stray,
    Survey,
    Unmark,
)
from langchain_moonshot_cache.manager.metadata import (
    FINGERPRINT,
    as_seen,
    newest_living,
    stamp,
    strays,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_moonshot_cache.lifecycle import Entry
    from langchain_moonshot_cache.manager.books import Books
    from langchain_moonshot_cache.protocol import (
        AsyncMoonshotCachingClient,
        MoonshotCachingClient,
    )
    from langchain_moonshot_cache.registry import Registry

__all__ = ["AsyncRealWorld", "RealWorld", "Surroundings"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What both worlds share.

    Attributes:
        registry: What is known about caches.
        endpoint: Name under which facts about the endpoint are marked.
        books: Told what each request to the caching API did to a cache and its cost.
        adding: Adds to an entry what this client observed, whenever one is written.
        made: Told the key and id of each cache as soon as it is created or adopted,
            so that it can be released even if the flow is cancelled right after.
        timeout: Seconds for each attempt of a request to the caching API.
        retries: Attempts after the first one.
        wall: Unix seconds by this host's clock.
        elapsed: Seconds by a clock that never jumps.
    """

    registry: Registry
    endpoint: str
    books: Books
    adding: Callable[[Entry], Entry]
    made: Callable[[str, str], None]
    timeout: float
    retries: int
    wall: Callable[[], float] = time.time
    elapsed: Callable[[], float] = time.monotonic

    @property
    def tries(self) -> dict[str, Any]:
        """Keywords for each method of a client."""
        return {"timeout": self.timeout, "max_retries": self.retries}

    def adopted(self, key: str, seen: Seen | None) -> Seen | None:
        """Take over a cache that was found: whoever made it does not know of it."""
        if seen is not None:
            self.made(key, seen.cache_id)
        return seen

    def now(self, offset: float | None) -> Instant:
        """Read both clocks, the wall clock corrected to the server's."""
        return Instant(wall=self.wall() + (offset or 0.0), elapsed=self.elapsed())

    def ask_registry(  # noqa: PLR0911 - a table, one line an effect
        self, effect: Effect[Any]
    ) -> Callable[[], Any] | None:
        """Return the registry call that an effect stands for, if it is one."""
        registry = self.registry
        match effect:
            case Lookup(key):
                return lambda: registry.lookup(key)
            case Lease(key, owner, seconds):
                return lambda: registry.claim(key, owner=owner, lease=seconds)
            case Record(entry):
                told = self.adding(entry)
                return lambda: registry.record(told)
            case Release(key, owner):
                return lambda: registry.release(key, owner=owner)
            case Clear(key, cache_id):
                return lambda: registry.clear(key, cache_id=cache_id)
            case Hold(key, holder, seconds):
                return lambda: registry.hold(key, holder=holder, seconds=seconds)
            case Drop(key, holder):
                return lambda: registry.drop(key, holder=holder)
            case Mark() | Marked() | Unmark():
                return self._ask_marks(effect)
        return None

    def _ask_marks(self, effect: Mark | Marked | Unmark) -> Callable[[], Any]:
        """Marks are facts about one endpoint and one account."""
        registry, name = self.registry, f"{self.endpoint}/{effect.name}"
        match effect:
            case Mark(_, value, seconds):
                return lambda: registry.mark(name, value=value, seconds=seconds)
            case Marked():
                return lambda: registry.marked(name)
            case Unmark():
                return lambda: registry.unmark(name)


class RealWorld:
    """Carries out effects for threads."""

    def __init__(
        self, client: MoonshotCachingClient, surroundings: Surroundings
    ) -> None:
        self._client = client
        self._around = surroundings

    def perform(self, effect: Effect[T]) -> T:
        """Carry out one effect, or raise what went wrong."""
        return cast("T", self._perform(effect))

    def _perform(self, effect: Effect[Any]) -> Any:
        if call := self._around.ask_registry(effect):
            return call()
        match effect:
            case Clock():
                return self._around.now(self._client.server_time_offset)
            case Sleep(seconds):
                return time.sleep(seconds)
            case Random():
                return random.random()  # noqa: S311 - it spreads waiters
        try:
            outcome = self._ask_server(effect)
        except NotFoundError:
            self._book(effect, None)
            raise
        self._book(effect, outcome)
        return outcome

    def _book(self, effect: Effect[Any], outcome: Any) -> None:
        now = self._around.now(self._client.server_time_offset).wall
        if note := self._around.books.note(effect, outcome, now=now):
            note()

    def _ask_server(self, effect: Effect[Any]) -> Seen | bool | list[Stray] | None:
        client, tries = self._client, self._around.tries
        match effect:
            case Create(prefix):
                cache = client.create(**_asked(effect), **tries)
                self._around.made(prefix.key, cache.id)
                return as_seen(cache)
            case Find(key):
                found = client.list(metadata={FINGERPRINT: key}, **tries)
                return self._around.adopted(key, newest_living(found))
            case Poll(cache_id):
                return as_seen(client.get(cache_id, **tries))
            case Renew(cache_id, ttl):
                return as_seen(client.update(cache_id, ttl=ttl, **tries))
            case Delete(cache_id):
                return client.delete(cache_id, **tries)
            case Survey():
                # All pages before any deletion: a deleted cache is no cursor.
                return strays(list(client.list(**tries)))
        raise AssertionError(f"no world knows {type(effect).__name__}")


class AsyncRealWorld:
    """Carries out effects on an event loop."""

    def __init__(
        self, client: AsyncMoonshotCachingClient, surroundings: Surroundings
    ) -> None:
        self._client = client
        self._around = surroundings

    async def perform(self, effect: Effect[T]) -> T:
        """Carry out one effect, or raise what went wrong."""
        return cast("T", await self._perform(effect))

    async def _perform(self, effect: Effect[Any]) -> Any:
        if call := self._around.ask_registry(effect):
            if self._around.registry.nonblocking:
                return call()
            # A thread cannot be cancelled: what it writes is written in any case.
            return await finish(asyncio.to_thread(call))
        match effect:
            case Clock():
                return self._around.now(self._client.server_time_offset)
            case Sleep(seconds):
                return await asyncio.sleep(seconds)
            case Random():
                return random.random()  # noqa: S311 - it spreads waiters
        try:
            outcome = await self._ask_server(effect)
        except NotFoundError:
            await self._book(effect, None)
            raise
        await self._book(effect, outcome)
        return outcome

    async def _book(self, effect: Effect[Any], outcome: Any) -> None:
        now = self._around.now(self._client.server_time_offset).wall
        if note := self._around.books.note(effect, outcome, now=now):
            await beside(self._around.books.ledger, note)

    async def _ask_server(
        self, effect: Effect[Any]
    ) -> Seen | bool | list[Stray] | None:
        client, tries = self._client, self._around.tries
        match effect:
            case Create(prefix):
                cache = await client.create(**_asked(effect), **tries)
                self._around.made(prefix.key, cache.id)
                return as_seen(cache)
            case Find(key):
                found = client.list(metadata={FINGERPRINT: key}, **tries)
                living = newest_living([cache async for cache in found])
                return self._around.adopted(key, living)
            case Poll(cache_id):
                return as_seen(await client.get(cache_id, **tries))
            case Renew(cache_id, ttl):
                return as_seen(await client.update(cache_id, ttl=ttl, **tries))
            case Delete(cache_id):
                return await client.delete(cache_id, **tries)
            case Survey():
                return strays([cache async for cache in client.list(**tries)])
        raise AssertionError(f"no world knows {type(effect).__name__}")


def _asked(effect: Create) -> dict[str, Any]:
    """Return what a client is asked to create."""
    content = effect.prefix.content()
    return {
        "model": effect.prefix.model,
        "messages": content.messages,
        "tools": content.tools or None,
        "name": content.name,
        "metadata": stamp(effect),
        "ttl": effect.ttl,
    }
