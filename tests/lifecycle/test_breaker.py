"""The circuit breaker for the caching endpoint, shared through the registry."""

from __future__ import annotations

from typing import Any

from lifecycle_faults import FaultyWorld, Run, run
from lifecycle_scenarios import TERMS, ensuring, found
from lifecycle_world import World, prefix_named

from langchain_moonshot_cache.errors import (
    EndpointRetiredError,
    InvalidRequestError,
    RegistryError,
    ServerError,
)
from langchain_moonshot_cache.lifecycle import (
    Bypassed,
    Ready,
    breaker,
    drive,
    ensure,
    refused,
)
from langchain_moonshot_cache.lifecycle import effects as fx


class OutageWorld(FaultyWorld):
    """Its caching endpoint fails as long as ``error`` is set."""

    error: Exception | None = None
    registry_down_for: tuple[type, ...] = ()

    def perform(self, effect: fx.Effect[Any]) -> Any:
        if isinstance(effect, self.registry_down_for):
            raise RegistryError("locked")
        if self.error is not None and isinstance(effect, fx.Create):
            self.trace.append(effect)
            raise self.error
        return super().perform(effect)


def ask(world: OutageWorld, number: int) -> Any:
    """Ask for the cache of one prefix of many."""
    prefix = prefix_named(f"{number:040x}")
    return drive(ensure(prefix, TERMS, owner=f"client/{number}"), world)


def creates(world: OutageWorld) -> int:
    return sum(isinstance(effect, fx.Create) for effect in world.trace)


def outage() -> OutageWorld:
    world = OutageWorld(World())
    world.error = ServerError("503", status_code=503)
    return world


def test_an_endpoint_that_fails_three_times_in_a_row_is_left_alone() -> None:
    world = outage()
    outcomes = [ask(world, number) for number in range(6)]
    assert creates(world) == breaker.THRESHOLD
    assert outcomes[-1] == Bypassed(
        "the caching endpoint failed repeatedly and is left alone for a while"
    )


def test_after_the_pause_one_try_decides() -> None:
    world = outage()
    for number in range(4):
        ask(world, number)
    world.world.time.pass_by(breaker.COOL_DOWN)
    ask(world, 5)
    ask(world, 6)
    assert creates(world) == breaker.THRESHOLD + 1


def test_a_success_closes_it() -> None:
    world = outage()
    for number in range(4):
        ask(world, number)
    world.world.time.pass_by(breaker.COOL_DOWN)
    world.error = None
    assert isinstance(ask(world, 5), Ready)
    world.error = ServerError("503", status_code=503)
    ask(world, 6)
    ask(world, 7)
    assert not drive(breaker.blocked("other"), world)


def test_failures_that_lie_far_apart_do_not_add_up() -> None:
    world = outage()
    for number in range(6):
        ask(world, number)
        world.world.time.pass_by(breaker.WINDOW)
    assert creates(world) == 6


def test_refusals_that_have_a_known_outcome_do_not_count() -> None:
    world = OutageWorld(World())
    world.error = InvalidRequestError("no", status_code=400)
    for number in range(6):
        ask(world, number)
    assert creates(world) == 6
    assert drive(breaker.blocked("any"), world) is None


def test_a_retired_endpoint_is_asked_once_a_day() -> None:
    world = OutageWorld(World())
    world.error = EndpointRetiredError("url.not_found", status_code=404)
    for number in range(5):
        ask(world, number)
    assert creates(world) == 1
    assert drive(breaker.blocked("any"), world) == (
        "the endpoint does not offer /v1/caching"
    )
    world.world.time.pass_by(breaker.RETIRED_FOR)
    ask(world, 6)
    assert creates(world) == 2


def test_a_cache_that_is_ready_is_used_while_the_breaker_is_open() -> None:
    world = outage()
    found(world.world)
    for number in range(4):
        ask(world, number)
    assert isinstance(drive(ensuring(), world), Ready)


def test_a_registry_that_fails_in_between_costs_no_success() -> None:
    world = OutageWorld(World())
    world.world.registry.mark(breaker.FAILURES, value="2", seconds=60)
    world.registry_down_for = (fx.Unmark,)
    assert isinstance(ask(world, 1), Ready)


def test_a_mark_that_is_no_number_counts_as_none() -> None:
    world = OutageWorld(World())
    world.world.registry.mark(breaker.FAILURES, value="many", seconds=60)
    drive(breaker.burdened(), world)
    assert world.world.registry.marked(breaker.FAILURES) == "1"


def _use_in_vain(world: World) -> Run:
    """Get a cache whose every use is refused, and say so."""
    result = run(ensuring(), FaultyWorld(world))
    if isinstance(result.outcome, Ready):
        drive(refused(result.outcome.entry), world)
    return result


def test_a_cache_that_is_ready_and_refused_twice_is_deleted_and_made_anew() -> None:
    world = World()
    for _ in range(3):
        _use_in_vain(world)
    assert [cache.deleted for cache in world.server.caches.values()] == [True, False]


def test_an_endpoint_that_refuses_every_use_is_not_paid_again_and_again() -> None:
    world = World()
    results = [_use_in_vain(world) for _ in range(50)]
    assert len(world.server.caches) == 2
    assert results[-1].outcome == Bypassed(
        "references to this cache were refused repeatedly"
    )


def test_the_pause_after_refused_references_ends_by_itself() -> None:
    world = World()
    for _ in range(5):
        _use_in_vain(world)
    world.time.pass_by(breaker.WINDOW)
    assert isinstance(run(ensuring(), FaultyWorld(world)).outcome, Ready)


def test_other_prefixes_are_not_blocked_by_one_that_is_refused() -> None:
    world = World()
    for _ in range(5):
        _use_in_vain(world)
    other = ensure(prefix_named("ab" * 20), TERMS, owner="client/9")
    assert isinstance(drive(other, world), Ready)
