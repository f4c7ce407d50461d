"""The situations in which a client can find a prefix."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lifecycle_faults import Fault, FaultyWorld, ProcessDied, run
from lifecycle_world import KEY, PREFIX, World

from langchain_moonshot_cache.errors import ServerError
from langchain_moonshot_cache.lifecycle import (
    Entry,
    State,
    Terms,
    drive,
    ensure,
    refused,
    release,
    renewed,
    sweep,
)
from langchain_moonshot_cache.lifecycle import effects as fx

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SCENARIOS", "TERMS", "Scenario", "current", "ensuring"]

TERMS = Terms(ttl=3600, wait=5.0, lease=120.0, first_pause=1.0, longest_pause=2.0)
OWNER = "client/1"
FOUNDER = "founder/1"


@dataclass(frozen=True)
class Scenario:
    """A situation, and the flow that is run in it.

    Attributes:
        prepare: Brings a new world into the situation and returns the flow.
        honest: Whether what the registry says of a ready cache is true there.
        leased: Whether somebody else holds the claim meanwhile.
        kept: Whether the cache has to be there at the end.
    """

    name: str
    prepare: Callable[[World], fx.Flow[Any]]
    honest: bool = True
    leased: bool = False
    kept: bool = False

    @property
    def releases(self) -> bool:
        return self.name.startswith(("let_go_of", "swept"))

    @property
    def ensures(self) -> bool:
        return not self.releases and not self.name.startswith("a_")


def ensuring(terms: Terms = TERMS, *, owner: str = OWNER) -> fx.Flow[Any]:
    return ensure(PREFIX, terms, owner=owner)


def current(world: World) -> Entry:
    """Return what the registry says of the prefix."""
    return world.registry.lookup(KEY) or Entry(key=KEY)


def found(world: World, terms: Terms = TERMS, *, owner: str = FOUNDER) -> Entry:
    """Let somebody make the cache, as far as ``terms`` let them wait for it."""
    drive(ensuring(terms, owner=owner), world)
    return current(world)


def _fault_at(world: World, kind: type, fault: Fault) -> None:
    """Let a founder run into a fault at its first effect of a kind."""
    clean = World(ready_after=world.server.ready_after)
    trace = run(ensuring(owner=FOUNDER), FaultyWorld(clean)).trace
    step = next(n for n, effect in enumerate(trace) if isinstance(effect, kind))
    run(ensuring(owner=FOUNDER), FaultyWorld(world, {step: fault}))


def nothing_known(world: World) -> fx.Flow[Any]:  # noqa: ARG001 - a new world will do
    return ensuring()


def ready(world: World) -> fx.Flow[Any]:
    found(world)
    return ensuring()


def pending(world: World) -> fx.Flow[Any]:
    found(world, replace(TERMS, wait=0.0))
    return ensuring()


def pending_for_long(world: World) -> fx.Flow[Any]:
    world.server.ready_after = 60.0
    return pending(world)


def pending_then_failing(world: World) -> fx.Flow[Any]:
    world.server.failing = 1
    return pending(world)


def pending_then_deleted(world: World) -> fx.Flow[Any]:
    world.server.ready_after = 3.0
    flow = pending(world)
    world.time.at(0.1, lambda: world.server.forget("cache-0"))
    return flow


def pending_then_expired(world: World) -> fx.Flow[Any]:
    flow = pending(world)
    world.server.caches["cache-0"].expires_at = world.time.wall
    return flow


def in_its_last_seconds(world: World) -> fx.Flow[Any]:
    found(world)
    world.time.elapsed = TERMS.ttl - TERMS.margin / 2
    return ensuring()


def expired(world: World) -> fx.Flow[Any]:
    found(world)
    world.time.pass_by(TERMS.ttl + 1)
    return ensuring()


def expired_by_our_clock_only(world: World) -> fx.Flow[Any]:
    found(world)
    world.skew = TERMS.ttl
    return ensuring()


def expired_on_the_server_only(world: World) -> fx.Flow[Any]:
    found(world)
    world.server.caches["cache-0"].expires_at = world.time.wall
    return ensuring()


def expired_and_forgotten(world: World) -> fx.Flow[Any]:
    flow = expired(world)
    world.server.forget("cache-0")
    return flow


def expired_and_not_renewable(world: World) -> fx.Flow[Any]:
    world.server.revives = False
    return expired(world)


def failed_a_moment_ago(world: World) -> fx.Flow[Any]:
    fault = Fault("503", lambda: ServerError("503", status_code=503))
    _fault_at(world, fx.Create, fault)
    return ensuring()


def failed_long_ago(world: World) -> fx.Flow[Any]:
    flow = failed_a_moment_ago(world)
    world.time.pass_by(TERMS.longest_backoff)
    return flow


def creator_died_after_the_create(world: World) -> fx.Flow[Any]:
    _fault_at(world, fx.Create, Fault("died", ProcessDied, after=True))
    world.time.pass_by(TERMS.lease)
    return ensuring()


def creator_died_before_the_create(world: World) -> fx.Flow[Any]:
    _fault_at(world, fx.Create, Fault("died", ProcessDied))
    world.time.pass_by(TERMS.lease)
    return ensuring()


def creator_died_a_moment_ago(world: World) -> fx.Flow[Any]:
    _fault_at(world, fx.Create, Fault("died", ProcessDied, after=True))
    return ensuring()


def somebody_is_creating(world: World) -> fx.Flow[Any]:
    claim = world.registry.claim(KEY, owner=FOUNDER, lease=TERMS.lease)
    intent = replace(claim.entry, state=State.CREATING)
    world.registry.record(intent)

    def finish() -> None:
        seen = world.perform(fx.Create(PREFIX, TERMS.ttl, FOUNDER, 0.0))
        world.registry.record(
            replace(
                intent,
                state=State.PENDING,
                cache_id=seen.cache_id,
                ttl=TERMS.ttl,
                expires_at=seen.expires_at or 0.0,
            )
        )
        world.registry.release(KEY, owner=FOUNDER)

    world.time.at(1.5, finish)
    return ensuring()


def a_reference_was_refused(world: World) -> fx.Flow[Any]:
    entry = found(world)
    world.server.forget(entry.cache_id)
    return refused(entry)


def a_reference_was_refused_though_alive(world: World) -> fx.Flow[Any]:
    return refused(found(world))


def a_call_renewed(world: World) -> fx.Flow[Any]:
    entry = found(world)
    world.time.pass_by(60.0)
    cache = world.server.caches["cache-0"]
    cache.expires_at = world.time.wall + TERMS.ttl
    return renewed(entry, expires_at=cache.expires_at)


def a_call_renewed_what_is_gone_by_now(world: World) -> fx.Flow[Any]:
    entry = found(world)
    world.server.forget(entry.cache_id)
    world.registry.clear(KEY, cache_id=entry.cache_id or "")
    return renewed(entry, expires_at=world.time.wall + TERMS.ttl)


def _releasing(world: World) -> fx.Flow[Any]:
    cache_id = current(world).cache_id or ""
    return release(
        KEY, cache_id=cache_id, holder="founder", owner="founder/2", terms=TERMS
    )


def let_go_of_by_the_only_user(world: World) -> fx.Flow[Any]:
    found(world)
    return _releasing(world)


def let_go_of_by_one_of_two(world: World) -> fx.Flow[Any]:
    found(world)
    found(world, owner="other/1")
    return _releasing(world)


def let_go_of_when_gone_already(world: World) -> fx.Flow[Any]:
    found(world)
    world.server.forget("cache-0")
    return _releasing(world)


def let_go_of_while_claimed(world: World) -> fx.Flow[Any]:
    found(world)
    world.registry.claim(KEY, owner="other/1", lease=TERMS.lease)
    return _releasing(world)


def sweeping() -> fx.Flow[Any]:
    return sweep(delete=True, owner="sweeper/1", terms=TERMS)


def swept_while_in_use(world: World) -> fx.Flow[Any]:
    found(world)
    return sweeping()


def swept_while_pending(world: World) -> fx.Flow[Any]:
    world.server.ready_after = 60.0
    pending(world)
    return sweeping()


def swept_while_being_recorded(world: World) -> fx.Flow[Any]:
    creator_died_a_moment_ago(world)
    return sweeping()


def swept_when_nobody_uses_it(world: World) -> fx.Flow[Any]:
    found(world)
    world.time.pass_by(TERMS.hold)
    return sweeping()


def swept_after_its_creator_died(world: World) -> fx.Flow[Any]:
    creator_died_after_the_create(world)
    return sweeping()


_DISHONEST = (
    expired_on_the_server_only,
    a_reference_was_refused,
)
_LEASED = (
    creator_died_a_moment_ago,
    somebody_is_creating,
    let_go_of_while_claimed,
    swept_while_being_recorded,
)
_KEPT = (
    let_go_of_by_one_of_two,
    swept_while_in_use,
    swept_while_pending,
    swept_while_being_recorded,
)
_ALL = (
    nothing_known,
    ready,
    pending,
    pending_for_long,
    pending_then_failing,
    pending_then_deleted,
    pending_then_expired,
    in_its_last_seconds,
    expired,
    expired_by_our_clock_only,
    expired_on_the_server_only,
    expired_and_forgotten,
    expired_and_not_renewable,
    failed_a_moment_ago,
    failed_long_ago,
    creator_died_after_the_create,
    creator_died_before_the_create,
    creator_died_a_moment_ago,
    somebody_is_creating,
    a_reference_was_refused,
    a_reference_was_refused_though_alive,
    a_call_renewed,
    a_call_renewed_what_is_gone_by_now,
    let_go_of_by_the_only_user,
    let_go_of_by_one_of_two,
    let_go_of_when_gone_already,
    let_go_of_while_claimed,
    swept_while_in_use,
    swept_while_pending,
    swept_while_being_recorded,
    swept_when_nobody_uses_it,
    swept_after_its_creator_died,
)
SCENARIOS = tuple(
    Scenario(
        name=prepare.__name__,
        prepare=prepare,
        honest=prepare not in _DISHONEST,
        leased=prepare in _LEASED,
        kept=prepare in _KEPT,
    )
    for prepare in _ALL
)
