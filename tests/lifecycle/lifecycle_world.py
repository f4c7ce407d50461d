"""A world in which flows can be run to the step: one server, one registry, one time.

Nothing here waits, draws chance or reads a clock of its own, so a run is a function of
its inputs and every surprise can be repeated.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_moonshot_cache.errors import InvalidRequestError, NotFoundError
from langchain_moonshot_cache.lifecycle import Claim
from langchain_moonshot_cache.lifecycle import effects as fx
from langchain_moonshot_cache.prefix import Prefix, PrefixContent
from langchain_moonshot_cache.registry.memory import MemoryRegistry

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["KEY", "PREFIX", "Cache", "ModelServer", "Time", "World", "prefix_named"]

T = TypeVar("T")

EPOCH = 1_800_000_000.0
KEY = "5e" * 20


def prefix_named(key: str) -> Prefix:
    """Make a prefix with a given fingerprint."""
    content = PrefixContent([{"role": "system", "content": "Be brief."}])
    return Prefix(key=key, model="moonshot-v1", tokens=3, content=lambda: content)


PREFIX = prefix_named(KEY)


@dataclass
class Time:
    """The true time, which the server and the registry go by."""

    elapsed: float = 0.0
    agenda: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    @property
    def wall(self) -> float:
        return EPOCH + self.elapsed

    def at(self, elapsed: float, action: Callable[[], None]) -> None:
        """Let something happen once the time has come."""
        self.agenda.append((elapsed, action))

    def pass_by(self, seconds: float) -> None:
        """Let time pass, and what was planned for it happen."""
        until = self.elapsed + seconds
        for moment, action in sorted(self.agenda, key=lambda planned: planned[0]):
            if moment <= until:
                self.agenda.remove((moment, action))
                self.elapsed = max(self.elapsed, moment)
                action()
        self.elapsed = until


@dataclass
class Cache:
    """A cache as the server keeps it."""

    cache_id: str
    key: str
    owner: str
    ready_at: float
    expires_at: float
    lease_until: float
    fails: bool = False
    deleted: bool = False


class ModelServer:
    """The caching endpoint: what it holds and what was asked of it."""

    def __init__(self, time: Time, *, ready_after: float) -> None:
        self.time = time
        self.ready_after = ready_after
        self.revives = True
        self.failing = 0
        self.caches: dict[str, Cache] = {}

    def status(self, cache: Cache) -> str:
        now = self.time.wall
        if cache.deleted:
            return "deleted"
        if cache.fails and now >= cache.ready_at:
            return "error"
        if now >= cache.expires_at:
            return "inactive"
        return "ready" if now >= cache.ready_at else "pending"

    def living(self, key: str) -> list[Cache]:
        """Return the caches of a prefix that cost money now, oldest first."""
        return [
            cache
            for cache in self.caches.values()
            if cache.key == key and self.status(cache) in {"pending", "ready"}
        ]

    def serves(self, cache_id: str | None) -> bool:
        """Tell whether a chat call that names this cache would be answered with it."""
        cache = self.caches.get(cache_id or "")
        return cache is not None and self.status(cache) == "ready"

    def forget(self, cache_id: str | None) -> None:
        """Lose a cache behind everybody's back."""
        if cache_id in self.caches:
            self.caches[cache_id].deleted = True

    def create(self, effect: fx.Create) -> fx.Seen:
        key = effect.prefix.key
        cache = Cache(
            cache_id=f"cache-{len(self.caches)}",
            key=key,
            owner=effect.owner,
            ready_at=self.time.wall + self.ready_after,
            expires_at=self.time.wall + effect.ttl,
            lease_until=effect.lease_until,
            fails=self.failing > 0,
        )
        self.failing = max(self.failing - 1, 0)
        self.caches[cache.cache_id] = cache
        return self._seen(cache)

    def find(self, effect: fx.Find) -> fx.Seen | None:
        living = self.living(effect.key)
        return self._seen(living[-1]) if living else None

    def poll(self, effect: fx.Poll) -> fx.Seen:
        return self._seen(self._known(effect.cache_id))

    def renew(self, effect: fx.Renew) -> fx.Seen:
        cache = self._known(effect.cache_id)
        if not self.revives:
            raise InvalidRequestError("no renewals here", status_code=400)
        cache.ready_at = self.time.wall + self.ready_after
        cache.expires_at = self.time.wall + effect.ttl
        return self._seen(cache)

    def delete(self, effect: fx.Delete) -> bool:
        cache = self.caches.get(effect.cache_id)
        existed = cache is not None and not cache.deleted
        self.forget(effect.cache_id)
        return existed

    def survey(self, _: fx.Survey) -> list[fx.Stray]:
        return [
            fx.Stray(cache.key, self._seen(cache), None, cache.lease_until)
            for cache in self.caches.values()
            if self.status(cache) in {"pending", "ready"}
        ]

    def _known(self, cache_id: str) -> Cache:
        cache = self.caches.get(cache_id)
        if cache is None or cache.deleted:
            raise NotFoundError("no such cache", status_code=404, cache_id=cache_id)
        return cache

    def _seen(self, cache: Cache) -> fx.Seen:
        status = self.status(cache)
        return fx.Seen(
            cache.cache_id,
            status,
            tokens=72,
            expires_at=cache.expires_at,
            error="server_error" if status == "error" else None,
        )


class World:
    """Carries out effects at once, by the rules of the real thing."""

    def __init__(self, *, ready_after: float = 0.5, skew: float = 0.0) -> None:
        self.time = Time()
        self.skew = skew
        self.registry = MemoryRegistry(clock=lambda: self.time.elapsed)
        self.server = ModelServer(self.time, ready_after=ready_after)
        self.outlived: set[str] = set()
        self.doubles = 0
        self._claimed: dict[str, str] = {}
        self.chance = random.Random(1)  # noqa: S311 - repeatable on purpose
        registry, server = self.registry, self.server
        self._ways: dict[type, Callable[[Any], Any]] = {
            fx.Clock: lambda _: fx.Instant(
                self.time.wall + self.skew, self.time.elapsed
            ),
            fx.Sleep: lambda e: self.time.pass_by(e.seconds),
            fx.Random: lambda _: self.chance.random(),
            fx.Lookup: lambda e: registry.lookup(e.key),
            fx.Lease: self._lease,
            fx.Record: lambda e: registry.record(e.entry),
            fx.Release: self._release,
            fx.Clear: lambda e: registry.clear(e.key, cache_id=e.cache_id),
            fx.Hold: lambda e: registry.hold(e.key, holder=e.holder, seconds=e.seconds),
            fx.Drop: lambda e: registry.drop(e.key, holder=e.holder),
            fx.Mark: lambda e: registry.mark(e.name, value=e.value, seconds=e.seconds),
            fx.Marked: lambda e: registry.marked(e.name),
            fx.Unmark: lambda e: registry.unmark(e.name),
            fx.Create: self._create,
            fx.Find: server.find,
            fx.Poll: server.poll,
            fx.Renew: server.renew,
            fx.Delete: server.delete,
            fx.Survey: server.survey,
        }

    def _lease(self, effect: fx.Lease) -> Claim:
        """Claim, and note whose claim was taken over before it was given back."""
        claim = self.registry.claim(
            effect.key, owner=effect.owner, lease=effect.seconds
        )
        if claim.won:
            before = self._claimed.get(effect.key, effect.owner)
            if before != effect.owner:
                self.outlived.add(before)
            self._claimed[effect.key] = effect.owner
        return claim

    def _create(self, effect: fx.Create) -> fx.Seen:
        """Create, and count what was paid for twice though every lease was kept."""
        kept = [
            cache
            for cache in self.server.living(effect.prefix.key)
            if cache.owner not in self.outlived
        ]
        self.doubles += bool(kept) and effect.owner not in self.outlived
        return self.server.create(effect)

    def _release(self, effect: fx.Release) -> None:
        self.registry.release(effect.key, owner=effect.owner)
        if self._claimed.get(effect.key) == effect.owner:
            del self._claimed[effect.key]

    def perform(self, effect: fx.Effect[T]) -> T:
        """Carry out one effect."""
        result: T = self._ways[type(effect)](effect)
        return result
