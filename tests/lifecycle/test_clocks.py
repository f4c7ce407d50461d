"""Wall clocks that are wrong, that differ, and that jump."""

from __future__ import annotations

from typing import Any

import pytest
from lifecycle_faults import FaultyWorld, Run, run
from lifecycle_net import next_caller, unnamed
from lifecycle_scenarios import (
    SCENARIOS,
    TERMS,
    Scenario,
    current,
    ensuring,
    found,
)
from lifecycle_world import KEY, World

from langchain_moonshot_cache.lifecycle import Bypassed, Ready
from langchain_moonshot_cache.lifecycle import effects as fx

A_DAY = 86_400.0
JUMPS = (-A_DAY, -5.0, 5.0, A_DAY)


class JumpingWorld(FaultyWorld):
    """Its wall clock jumps once, before one step."""

    def __init__(self, world: World, *, step: int, by: float) -> None:
        super().__init__(world)
        self._step, self._by = step, by

    def perform(self, effect: fx.Effect[Any]) -> Any:
        if len(self.trace) == self._step:
            self.world.skew += self._by
        return super().perform(effect)


def asked(world: World) -> Run:
    return run(ensuring(), FaultyWorld(world))


def went_on(flow: fx.Flow[Any], effect: fx.Effect[Any], world: World) -> object:
    """Run a flow from the middle, where it has just asked for an effect."""
    try:
        while True:
            effect = flow.send(world.perform(effect))
    except StopIteration as stop:
        return stop.value


@pytest.mark.parametrize("by", JUMPS)
@pytest.mark.parametrize(
    "scenario", [s for s in SCENARIOS if s.ensures], ids=lambda s: s.name
)
def test_a_jump_at_any_step_costs_no_second_cache_and_no_endless_wait(
    scenario: Scenario, by: float
) -> None:
    step = 0
    while True:
        world = World()
        flow = scenario.prepare(world)
        began = world.time.elapsed
        jumping = JumpingWorld(world, step=step, by=by)
        result = run(flow, jumping)
        where = f"{scenario.name}, {by} s before step {step}"
        assert isinstance(result.outcome, Ready | Bypassed), where
        assert world.time.elapsed - began <= TERMS.wait, where
        assert not list(unnamed(world)), where
        assert scenario.leased or world.registry.owner(KEY) is None, where
        if len(result.trace) <= step:
            return
        step += 1


@pytest.mark.parametrize("skew", [-5.0, 5.0, -A_DAY, A_DAY])
def test_a_wrong_clock_neither_pays_twice_nor_goes_without(skew: float) -> None:
    world = World(skew=skew)
    for _ in range(20):
        assert next_caller(world)
        world.time.pass_by(60.0)
    assert len(world.server.caches) == 1


@pytest.mark.parametrize("skew", [-5.0, -A_DAY])
def test_a_clock_that_is_behind_still_recovers_from_expiry(skew: float) -> None:
    world = World(skew=skew)
    found(world)
    world.time.pass_by(TERMS.ttl + 1)
    assert next_caller(world)
    assert len(world.server.caches) == 1


def test_two_clients_whose_clocks_differ_share_one_cache() -> None:
    world = World()
    for turn in range(20):
        world.skew = 8.0 if turn % 2 else -8.0
        assert next_caller(world)
        world.time.pass_by(30.0)
    assert len(world.server.caches) == 1


def test_a_back_off_noted_by_a_clock_a_day_ahead_is_not_waited_for() -> None:
    world = World(skew=A_DAY)
    world.server.failing = 1
    asked(world)
    world.skew = 0.0
    assert current(world).retry_at > world.time.wall + TERMS.longest_backoff
    assert next_caller(world)


def test_waiting_goes_by_the_clock_that_never_jumps() -> None:
    world = World(ready_after=60.0)
    clean = asked(world)
    sleeps = [e for e in clean.trace if isinstance(e, fx.Sleep)]
    assert sum(sleep.seconds for sleep in sleeps) <= TERMS.wait
    for step in range(len(clean.trace)):
        behind = World(ready_after=60.0)
        result = run(ensuring(), JumpingWorld(behind, step=step, by=-A_DAY))
        assert [e for e in result.trace if isinstance(e, fx.Sleep)] == sleeps


def test_a_lease_shorter_than_the_create_costs_at_most_one_more() -> None:
    world = World()
    slow, quick = ensuring(owner="slow/1"), ensuring(owner="quick/1")
    effect = next(slow)
    while not isinstance(effect, fx.Create):
        effect = slow.send(world.perform(effect))
    # The create is on its way for longer than the lease lasts.
    world.time.pass_by(TERMS.lease)
    overtaken = run(quick, FaultyWorld(world))
    assert isinstance(overtaken.outcome, Ready)
    outcome = went_on(slow, effect, world)
    # What came too late was deleted, for the newer claim had settled on another one.
    assert isinstance(outcome, Bypassed)
    assert [c.owner for c in world.server.living(KEY)] == ["quick/1"]
    assert current(world).cache_id == overtaken.outcome.entry.cache_id
