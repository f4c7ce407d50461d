"""The drivers carry results and errors between a flow and the world."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import pytest
from lifecycle_faults import FaultyWorld, run, run_async
from lifecycle_scenarios import ensuring
from lifecycle_world import KEY, World

from langchain_moonshot_cache.lifecycle import Ready, drive, drive_async
from langchain_moonshot_cache.lifecycle import effects as fx
from langchain_moonshot_cache.lifecycle.effects import do

if TYPE_CHECKING:
    from collections.abc import Callable


class Scripted:
    """Answers effects from a list; an exception in it is raised."""

    def __init__(self, *answers: object) -> None:
        self._answers = list(answers)

    def perform(self, effect: fx.Effect[Any]) -> Any:  # noqa: ARG002 - scripted
        answer = self._answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer


class AsyncScripted(Scripted):
    async def perform(self, effect: fx.Effect[Any]) -> Any:
        return super().perform(effect)


def adding() -> fx.Flow[float]:
    first = yield from do(fx.Random())
    return first + (yield from do(fx.Random()))


def recovering() -> fx.Flow[float]:
    try:
        yield from do(fx.Random())
    except BaseException as error:
        yield from do(fx.Sleep(1.0))
        if isinstance(error, OSError):
            return 0.5
        raise
    return 1.0


def _drive_async(flow: fx.Flow[Any], *answers: object) -> Any:
    return asyncio.run(drive_async(flow, AsyncScripted(*answers)))


def _drive(flow: fx.Flow[Any], *answers: object) -> Any:
    return drive(flow, Scripted(*answers))


both_drivers = pytest.mark.parametrize("drive_it", [_drive, _drive_async])


@both_drivers
def test_results_reach_the_flow_in_order(drive_it: Callable[..., Any]) -> None:
    assert drive_it(adding(), 0.25, 0.5) == 0.75


@both_drivers
def test_a_flow_may_recover_from_an_error(drive_it: Callable[..., Any]) -> None:
    assert drive_it(recovering(), OSError(), None) == 0.5


@both_drivers
def test_what_a_flow_does_not_handle_is_raised(drive_it: Callable[..., Any]) -> None:
    with pytest.raises(ZeroDivisionError):
        drive_it(adding(), ZeroDivisionError())


@both_drivers
def test_an_interrupt_reaches_the_flow_and_is_raised_after_it_cleaned_up(
    drive_it: Callable[..., Any],
) -> None:
    with pytest.raises((KeyboardInterrupt, asyncio.CancelledError)):
        drive_it(recovering(), asyncio.CancelledError(), None)


def test_a_flow_that_asks_for_nothing_needs_no_world() -> None:
    def empty() -> fx.Flow[int]:
        return 3
        yield fx.Clock()

    assert drive(empty(), Scripted()) == 3


async def test_both_drivers_leave_the_same_trace() -> None:
    blocking = run(ensuring(), FaultyWorld(World()))
    asynchronous = await run_async(ensuring(), FaultyWorld(World()))
    assert isinstance(blocking.outcome, Ready)
    assert blocking.trace == asynchronous.trace


@pytest.mark.filterwarnings("error")
def test_a_flow_dropped_half_run_ends_in_silence_at_every_step() -> None:
    steps = len(run(ensuring(), FaultyWorld(World())).trace)
    for last in range(steps):
        world, flow = World(), ensuring()
        effect = next(flow)
        for _ in range(last):
            effect = flow.send(world.perform(effect))
        flow.close()
        with pytest.raises(StopIteration):
            next(flow)


@pytest.mark.filterwarnings("error")
def test_a_driver_whose_event_loop_is_gone_can_be_closed() -> None:
    world = World()

    class Stuck:
        async def perform(self, effect: fx.Effect[Any]) -> Any:
            if isinstance(effect, fx.Record):
                await loop.create_future()
            return world.perform(effect)

    loop = asyncio.new_event_loop()
    coroutine = drive_async(ensuring(), Stuck())
    coroutine.send(None)
    assert world.registry.owner(KEY) is not None
    coroutine.close()
    loop.close()
    gc.collect()
