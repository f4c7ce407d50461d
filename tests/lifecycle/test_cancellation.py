"""Cancelling a flow on a real event loop, with the registry in real threads."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pytest
from lifecycle_faults import REGISTRY_EFFECTS
from lifecycle_net import next_caller, unnamed
from lifecycle_scenarios import SCENARIOS, TERMS, Scenario
from lifecycle_world import KEY, World

from langchain_moonshot_cache.lifecycle import drive_async, finish
from langchain_moonshot_cache.lifecycle import effects as fx

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

T = TypeVar("T")

ALONE = tuple(scenario for scenario in SCENARIOS if not scenario.leased)


class ThreadedWorld:
    """Registry effects run in a thread, the others await before and after.

    It counts the points where a task can be cancelled, and cancels its own task at
    those it was given.
    """

    def __init__(self, world: World, *, cancel_at: Collection[int] = ()) -> None:
        self.world = world
        self.points = 0
        self.task: asyncio.Task[Any] | None = None
        self._cancel_at = cancel_at
        self._loop = asyncio.get_running_loop()

    async def perform(self, effect: fx.Effect[T]) -> T:
        if isinstance(effect, REGISTRY_EFFECTS):
            # A thread cannot be cancelled: what it writes is written in any case.
            work: Callable[[], T] = partial(self._in_thread, cast("Any", effect))
            return await finish(asyncio.to_thread(work))
        await self._point()
        result = self.world.perform(effect)
        await self._point()
        return result

    def _in_thread(self, effect: fx.Effect[T]) -> T:
        self._cancel_from_thread()
        result = self.world.perform(effect)
        self._cancel_from_thread()
        return result

    def _due(self) -> bool:
        self.points += 1
        return self.points in self._cancel_at

    async def _point(self) -> None:
        if self._due() and self.task is not None:
            self.task.cancel()
        await asyncio.sleep(0)

    def _cancel_from_thread(self) -> None:
        """Cancel the task while it waits for this thread, and see it through."""
        if not self._due():
            return
        delivered = threading.Event()

        def cancel() -> None:
            assert self.task is not None
            self.task.cancel()
            self._loop.call_soon(self._loop.call_soon, delivered.set)

        self._loop.call_soon_threadsafe(cancel)
        delivered.wait(timeout=10)


async def cancelled_run(
    prepare: Callable[[World], fx.Flow[Any]], *, cancel_at: Collection[int]
) -> tuple[ThreadedWorld, asyncio.Task[Any]]:
    world = World()
    flow = prepare(world)
    threaded = ThreadedWorld(world, cancel_at=cancel_at)
    threaded.task = asyncio.create_task(drive_async(flow, threaded))
    await asyncio.wait([threaded.task], timeout=30)
    return threaded, threaded.task


async def check(scenario: Scenario, cancel_at: Collection[int]) -> int:
    """Cancel at these points; return how many points there were."""
    threaded, task = await cancelled_run(scenario.prepare, cancel_at=cancel_at)
    world = threaded.world
    where = f"{scenario.name}, cancelled at {cancel_at}"
    assert task.done(), where
    if threaded.points >= min(cancel_at):
        assert task.cancelled(), where
    assert world.registry.owner(KEY) is None, where
    assert not list(unnamed(world)), where
    assert any(_later(world) for _ in range(2)), where
    return threaded.points


def _later(world: World) -> bool:
    world.time.pass_by(TERMS.longest_backoff)
    return next_caller(world)


@pytest.mark.parametrize("scenario", ALONE, ids=lambda s: s.name)
async def test_cancelled_at_any_await_a_flow_leaves_no_claim(
    scenario: Scenario,
) -> None:
    point = 1
    while await check(scenario, {point}) >= point:
        point += 1
    assert point > 2


@pytest.mark.parametrize(
    "scenario",
    [s for s in ALONE if s.name in {"nothing_known", "let_go_of_by_the_only_user"}],
    ids=lambda s: s.name,
)
async def test_cancelled_again_while_it_cleans_up_a_flow_leaves_no_claim(
    scenario: Scenario,
) -> None:
    first = 1
    while (points := await check(scenario, {first})) >= first:
        for second in range(first + 1, points + 1):
            await check(scenario, {first, second})
        first += 1


async def test_work_that_began_is_finished_before_the_cancellation_is_raised() -> None:
    gate, done = asyncio.Event(), []

    async def work() -> None:
        await gate.wait()
        done.append(True)

    task = asyncio.create_task(finish(work()))
    for _ in range(3):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == [True]


async def test_an_error_of_the_work_gives_way_to_the_cancellation() -> None:
    gate = asyncio.Event()

    async def work() -> None:
        await gate.wait()
        raise OSError

    task = asyncio.create_task(finish(work()))
    await asyncio.sleep(0)
    task.cancel()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_without_a_cancellation_finishing_changes_nothing() -> None:
    async def work(error: Exception | None) -> int:
        if error is not None:
            raise error
        return 7

    assert await finish(work(None)) == 7
    with pytest.raises(OSError, match="disk"):
        await finish(work(OSError("disk")))


async def test_work_that_cancels_itself_counts_as_cancelled() -> None:
    async def work() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await finish(work())


async def test_a_timeout_around_a_flow_is_still_a_timeout() -> None:
    gate = asyncio.Event()

    async def slow() -> None:
        await gate.wait()

    asyncio.get_running_loop().call_soon(
        lambda: asyncio.get_running_loop().call_soon(gate.set)
    )
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await finish(slow())
