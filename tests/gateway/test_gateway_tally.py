"""What accounts used is gathered for a moment, and lost only with the process."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from langchain_moonshot_cache.server.clock import Clock
from langchain_moonshot_cache.server.gateway import tally as tallying
from langchain_moonshot_cache.server.gateway.sqlite import SqliteState
from langchain_moonshot_cache.server.gateway.tally import Tally

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class Moody(SqliteState):
    """A store that is down whenever a test says so."""

    down = False

    async def count(
        self, account: str, *, day: str, model: str, add: dict[str, int]
    ) -> None:
        if self.down:
            raise sqlite3.OperationalError("disk I/O error")
        await super().count(account, day=day, model=model, add=add)


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[Moody]:
    state = Moody(str(tmp_path / "state.sqlite"))
    await state.open()
    yield state
    await state.close()


def unexpected(error: Exception) -> None:
    raise AssertionError from error


async def calls(state: Moody) -> int:
    lines = await state.statement("acct-1")
    return sum(counts["calls"] for _, _, counts in lines)


async def test_what_was_counted_is_written_when_the_gateway_stops(
    state: Moody,
) -> None:
    tally = Tally(state, clock=Clock(), failed=unexpected)
    for model in ("m", "m", "n"):
        tally.add("acct-1", model=model, counts={"calls": 1})
    assert await calls(state) == 0
    await tally.stop()
    assert await calls(state) == 3


async def test_it_is_written_by_itself_after_a_moment(
    state: Moody, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tallying, "WRITE_EVERY", 0.0)
    tally = Tally(state, clock=Clock(), failed=unexpected)
    for _ in range(2):
        tally.add("acct-1", model="m", counts={"calls": 1})
        while not await calls(state):
            pass
    await tally.stop()
    assert await calls(state) == 2


async def test_a_store_that_is_down_is_told_and_gets_it_later(state: Moody) -> None:
    told: list[Exception] = []
    tally = Tally(state, clock=Clock(), failed=told.append)
    tally.add("acct-1", model="m", counts={"calls": 1})
    state.down = True
    await tally.write()
    assert [type(error) for error in told] == [sqlite3.OperationalError]
    state.down = False
    tally.add("acct-1", model="m", counts={"calls": 1})
    await tally.stop()
    assert await calls(state) == 2
