"""Working for a client for as long as it is there."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_moonshot_cache.server.connection import ClientGoneError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from starlette.types import Receive

__all__ = ["while_there"]

T = TypeVar("T")


async def while_there(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Carry out some work, and give it up when the client goes away.

    Args:
        receive: The request's ``receive``; its body was read before.
        work: What to do. It is over when this returns, one way or the other.

    Raises:
        ClientGoneError: When the client was first.
    """
    watch = _Watch(asyncio.current_task())
    watching = asyncio.create_task(watch.over(receive))
    try:
        return await work
    except asyncio.CancelledError:
        if not watch.gone:
            raise
        raise ClientGoneError from None
    finally:
        watching.cancel()


class _Watch:
    """Cancels a task once its client is gone, which it is busy awaiting meanwhile."""

    def __init__(self, task: asyncio.Task[Any] | None) -> None:
        self._task = task
        self.gone = False

    async def over(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        if self._task is not None:
            self._task.cancel()
