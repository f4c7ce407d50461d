"""Every fault at every step of every flow, and every pair of faults."""

from __future__ import annotations

import pytest
from lifecycle_net import plans, show, try_plan
from lifecycle_scenarios import SCENARIOS, Scenario

each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)


@each_scenario
def test_without_a_fault_every_situation_ends_well(scenario: Scenario) -> None:
    _, wrong = try_plan(scenario, {})
    assert not wrong, show(scenario, {}, wrong)


@each_scenario
def test_no_single_fault_leaks_or_breaks_a_call(scenario: Scenario) -> None:
    found = [
        show(scenario, plan, wrong)
        for plan in plans(scenario, faults=1)
        if (wrong := try_plan(scenario, plan)[1])
    ]
    assert not found, "\n".join(found)
