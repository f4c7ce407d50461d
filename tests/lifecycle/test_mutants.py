"""A net is as good as what it catches: flows with a safeguard taken out."""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import pytest
from lifecycle_mutants import MUTANTS, altered
from lifecycle_net import Alter, plans, try_plan, unaltered
from lifecycle_scenarios import SCENARIOS
from lifecycle_schedule import Kind, run_schedule

if TYPE_CHECKING:
    from collections.abc import Iterator


def violations(alter: Alter) -> Iterator[str]:
    """Run a reduced net: each single fault, and some hundred schedules."""
    for scenario in SCENARIOS:
        for plan in chain([{}], plans(scenario, faults=1)):
            yield from try_plan(scenario, plan, alter=alter)[1]
    for seed in range(100):
        for kind in Kind:
            yield from run_schedule(seed, kind=kind, alter=alter)


@pytest.mark.parametrize("name", MUTANTS)
def test_the_net_catches_a_flow_with(name: str) -> None:
    alter = partial(altered, MUTANTS[name])
    assert next(violations(alter), None) is not None


def test_the_net_lets_the_real_flows_through() -> None:
    assert list(violations(unaltered)) == []


def test_a_filter_that_changes_nothing_is_no_mutant() -> None:
    def nothing_changed(effect):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        return (yield effect)

    alter = partial(altered, lambda: nothing_changed)
    assert list(violations(alter)) == []
