"""What would become of a prefix is told from looking, and comes true."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from lifecycle_faults import FaultyWorld, run
from lifecycle_scenarios import TERMS
from lifecycle_world import KEY, PREFIX, World

from langchain_moonshot_cache.errors import RegistryError
from langchain_moonshot_cache.lifecycle import Entry, State, breaker, drive, foresee
from langchain_moonshot_cache.lifecycle import effects as fx

if TYPE_CHECKING:
    from langchain_moonshot_cache.lifecycle import Outlook

NOW = World().time.wall
READY = Entry(
    key=KEY, state=State.READY, cache_id="cache-1", expires_at=NOW + 100, fence=1
)


def outlook(entry: Entry | None, world: World | None = None) -> Outlook:
    world = world or World()
    if entry is not None:
        assert world.registry.record(entry)
    return drive(foresee(PREFIX, TERMS), world)


@pytest.mark.parametrize(
    ("step", "reason", "entry"),
    [
        ("create", "no cache yet", None),
        ("use", "has a cache", READY),
        ("create", "no cache yet", replace(READY, expires_at=NOW - 5)),
        ("wait", "being made", replace(READY, state=State.PENDING)),
        (
            "leave",
            "next attempt in 60 s",
            replace(READY, state=State.FAILED, retry_at=NOW + 60, note="ServerError"),
        ),
    ],
)
def test_each_state_of_an_entry_has_its_step(
    step: str, reason: str, entry: Entry | None
) -> None:
    seen = outlook(entry)
    assert seen.step == step
    assert reason in seen.reason
    assert seen.entry == entry


def test_how_long_ago_a_cache_ended_is_told() -> None:
    assert outlook(replace(READY, expires_at=NOW - 5)).expired_for == 5
    assert outlook(READY).expired_for is None
    assert outlook(None).expired_for is None


def test_an_endpoint_without_the_api_is_left_alone() -> None:
    world = World()
    drive(breaker.retired(), world)
    seen = outlook(None, world)
    assert (seen.step, seen.reason) == (
        "leave",
        "the endpoint does not offer /v1/caching",
    )


def test_a_registry_in_trouble_is_an_answer() -> None:
    class Broken:
        def perform(self, effect: fx.Effect[object]) -> object:
            if isinstance(effect, fx.Lookup):
                raise RegistryError("disk full")
            return World().perform(effect)

    seen: Outlook = drive(foresee(PREFIX, TERMS), Broken())  # type: ignore[arg-type]
    assert (seen.step, seen.reason) == (
        "leave",
        "the registry is out of order: RegistryError",
    )


def test_looking_changes_nothing_and_asks_no_server() -> None:
    result = run(foresee(PREFIX, TERMS), FaultyWorld(World()))
    reading = (fx.Clock, fx.Lookup, fx.Marked)
    assert result.asked(*reading) == result.asked(fx.Effect)
    assert result.asked(*reading) > 0
