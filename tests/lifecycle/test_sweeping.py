"""What a sweep takes for owned, and what it deletes."""

from __future__ import annotations

import pytest
from lifecycle_faults import FaultyWorld, run
from lifecycle_scenarios import SCENARIOS, TERMS, Scenario
from lifecycle_world import KEY, World

from langchain_moonshot_cache.errors import ServerError
from langchain_moonshot_cache.lifecycle import drive, sweep
from langchain_moonshot_cache.lifecycle import effects as fx

SWEEPS = [scenario for scenario in SCENARIOS if scenario.name.startswith("swept")]


@pytest.mark.parametrize("scenario", SWEEPS, ids=lambda s: s.name)
def test_a_sweep_deletes_what_has_no_owner_and_nothing_else(scenario: Scenario) -> None:
    world = World()
    swept = drive(scenario.prepare(world), world)
    assert [s.deleted for s in swept] == ([] if scenario.kept else [True])
    assert bool(world.server.living(KEY)) == scenario.kept


@pytest.mark.parametrize("scenario", SWEEPS, ids=lambda s: s.name)
def test_a_rehearsal_lists_the_same_and_deletes_nothing(scenario: Scenario) -> None:
    world = World()
    scenario.prepare(world)
    flow = sweep(delete=False, owner="sweeper/1", terms=TERMS)
    result = run(flow, FaultyWorld(world))
    assert isinstance(result.outcome, list)
    assert bool(result.outcome) != scenario.kept
    assert not result.asked(fx.Delete, fx.Lease, fx.Clear)
    assert world.server.living(KEY)


def test_what_cannot_be_deleted_is_reported_and_the_rest_is_swept() -> None:
    scenario = next(s for s in SWEEPS if s.name == "swept_when_nobody_uses_it")
    world = World()
    flow = scenario.prepare(world)

    class Stubborn:
        def perform(self, effect: fx.Effect[object]) -> object:
            if isinstance(effect, fx.Delete):
                raise ServerError("503", status_code=503)
            return world.perform(effect)

    (swept,) = drive(flow, Stubborn())  # type: ignore[arg-type]
    assert (swept.deleted, swept.trouble) == (False, "ServerError (503)")
    assert world.registry.owner(KEY) is None
