"""Eight clients at once, in thousands of orders."""

from __future__ import annotations

import pytest
from lifecycle_schedule import Kind, Schedule, run_schedule

EACH = 2_500
"""Schedules a test: eight tests of them are 20,000."""


@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.name.lower())
def test_eight_clients_in_any_order_share_one_cache(kind: Kind, part: int) -> None:
    for seed in range(part * EACH, (part + 1) * EACH):
        wrong = run_schedule(seed, kind=kind)
        assert not wrong, "\n".join(wrong)


@pytest.mark.faults
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.name.lower())
def test_twenty_thousand_more_orders_of_each_kind(kind: Kind) -> None:
    for seed in range(100_000, 120_000):
        wrong = run_schedule(seed, kind=kind)
        assert not wrong, "\n".join(wrong)


def test_the_slow_schedules_do_outlive_leases_and_pay_twice_at_times() -> None:
    schedules = [Schedule(seed, Kind.SLOW) for seed in range(200)]
    for schedule in schedules:
        schedule.run()
    assert sum(bool(s.world.outlived) for s in schedules) > 20
    assert sum(len(s.world.server.caches) > 1 for s in schedules) > 0
