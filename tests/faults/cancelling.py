"""Cancelling at the first, second, ... await until there is none left."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator


async def cancelled_at(step: int, work: Coroutine[Any, Any, Any]) -> bool:
    """Run something, and cancel it when it waits for the ``step``-th time.

    Waits of tasks that it starts count as well, since LangChain runs calls in tasks.

    Returns:
        Whether it was cancelled; False if it ended before, or in spite of it.
    """
    with _counting(step) as awaits:
        task = asyncio.create_task(work)
        await asyncio.wait([task])
        # asyncio.gather ends with the first of its tasks; the others may still be busy
        # giving back what they claimed.
        await asyncio.wait(awaits.tasks)
    if task.cancelled():
        return True
    task.result()
    return False


@contextmanager
def _counting(step: int) -> Iterator[_Awaits]:
    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()
    awaits = _Awaits(step)
    loop.set_task_factory(awaits.task)
    try:
        yield awaits
    finally:
        loop.set_task_factory(before)


class _Awaits:
    """Counts the awaits of all tasks, and cancels the first task at one of them."""

    def __init__(self, step: int) -> None:
        self._left = step
        self.tasks: list[asyncio.Task[Any]] = []

    def task(
        self, loop: asyncio.AbstractEventLoop, work: Any, **options: Any
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(_Counted(work, self._waits), loop=loop, **options)
        self.tasks.append(task)
        return task

    def _waits(self) -> None:
        self._left -= 1
        if self._left == 0:
            self.tasks[0].cancel()


class _Counted(Coroutine[Any, Any, Any]):
    """A coroutine that tells when it is about to wait."""

    def __init__(
        self, work: Coroutine[Any, Any, Any], waits: Callable[[], None]
    ) -> None:
        self._work = work
        self._waits = waits

    def send(self, value: Any) -> Any:
        awaited = self._work.send(value)
        self._waits()
        return awaited

    def throw(self, *error: Any) -> Any:
        awaited = self._work.throw(*error)
        self._waits()
        return awaited

    def close(self) -> None:
        self._work.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._work.__await__()
