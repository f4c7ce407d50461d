"""The two drivers: the only code that carries a flow through the world."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine

    from langchain_moonshot_cache.lifecycle.effects import Effect, Flow

__all__ = ["AsyncWorld", "World", "drive", "drive_async", "finish"]

R = TypeVar("R")
T = TypeVar("T")


class World(Protocol):
    """Carries out effects, blocking."""

    def perform(self, effect: Effect[T]) -> T:
        """Carry out one effect, or raise what went wrong."""


class AsyncWorld(Protocol):
    """Carries out effects on an event loop."""

    async def perform(self, effect: Effect[T]) -> T:
        """Carry out one effect, or raise what went wrong."""


def drive(flow: Flow[R], world: World) -> R:
    """Run a flow to its outcome.

    Whatever an effect raises, ``KeyboardInterrupt`` included, is thrown into the flow,
    so that it can give back what it claimed.
    """
    try:
        effect = next(flow)
        while True:
            try:
                result = world.perform(effect)
            except BaseException as error:  # noqa: BLE001 - the flow decides on it
                effect = flow.throw(error)
            else:
                effect = flow.send(result)
    except StopIteration as stop:
        outcome: R = stop.value
        return outcome


async def drive_async(flow: Flow[R], world: AsyncWorld) -> R:
    """Run a flow to its outcome on an event loop.

    A cancellation is thrown into the flow like any other error. What the flow does
    from then on is cleaning up, and is shielded from further cancellations.
    """
    cancelled = False
    try:
        effect = next(flow)
        while True:
            work = world.perform(effect)
            try:
                result = await (finish(work) if cancelled else work)
            except GeneratorExit:
                # The event loop is gone and nothing can be awaited any more.
                flow.close()
                raise
            except BaseException as error:  # noqa: BLE001 - the flow decides on it
                cancelled = cancelled or isinstance(error, asyncio.CancelledError)
                effect = flow.throw(error)
            else:
                effect = flow.send(result)
    except StopIteration as stop:
        outcome: R = stop.value
        return outcome


async def finish(work: Coroutine[Any, Any, T] | Awaitable[T]) -> T:
    """Await something to its end, however often the waiting task is cancelled.

    The cancellation is raised once the work is over: what began in a thread or on the
    wire takes effect in any case, and whoever undoes it must come after it.
    """
    task = asyncio.ensure_future(work)
    cancellation: asyncio.CancelledError | None = None
    while not task.done():
        try:
            # Unlike awaiting it, this neither cancels the task nor raises its error.
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancellation = error
    if cancellation is None:
        return task.result()
    if not task.cancelled():
        task.exception()  # looked at, or asyncio would complain that nobody did
    raise cancellation
