"""Every fault at every step of every flow, and every pair of faults."""

from __future__ import annotations

import pytest
from lifecycle_faults import FaultyWorld, run, run_async
from lifecycle_net import plans, relayed, show, try_plan
from lifecycle_scenarios import SCENARIOS, Scenario
from lifecycle_world import World

each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)

RELAYED_ALWAYS = {
    "nothing_known",
    "ready",
    "somebody_is_creating",
    "a_reference_was_refused",
}


@each_scenario
def test_without_a_fault_every_situation_ends_well(scenario: Scenario) -> None:
    _, wrong = try_plan(scenario, {})
    assert not wrong, show(scenario, {}, wrong)


@each_scenario
@pytest.mark.parametrize("faults", [1, 2])
def test_no_fault_and_no_pair_of_faults_leaks_or_breaks_a_call(
    scenario: Scenario, faults: int
) -> None:
    found = [
        show(scenario, plan, wrong)
        for plan in plans(scenario, faults=faults)
        if (wrong := try_plan(scenario, plan)[1])
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(
            scenario,
            id=scenario.name,
            marks=[] if scenario.name in RELAYED_ALWAYS else pytest.mark.faults,
        )
        for scenario in SCENARIOS
    ],
)
def test_a_fault_of_one_caller_and_one_of_the_next_leave_the_third_well(
    scenario: Scenario,
) -> None:
    found = [
        show(second, plan, wrong)
        for second, plan in relayed(scenario)
        if (wrong := try_plan(second, plan)[1])
    ]
    assert not found, "\n".join(found[:20])


@each_scenario
@pytest.mark.parametrize("faults", [1, 2])
async def test_both_drivers_ask_for_the_same_effects_in_the_same_order(
    scenario: Scenario, faults: int
) -> None:
    for plan in [{}, *plans(scenario, faults=faults)]:
        one, other = World(), World()
        blocking = run(scenario.prepare(one), FaultyWorld(one, plan))
        flow = scenario.prepare(other)
        asynchronous = await run_async(flow, FaultyWorld(other, plan))
        assert blocking.trace == asynchronous.trace, show(scenario, plan, [])
        assert blocking.outcome == asynchronous.outcome
        assert repr(blocking.error) == repr(asynchronous.error)


def test_the_enumeration_is_as_large_as_the_flows() -> None:
    singles = sum(len(list(plans(s, faults=1))) for s in SCENARIOS)
    pairs = sum(len(list(plans(s, faults=2))) for s in SCENARIOS)
    assert singles > 1_500
    assert pairs > 9_000
