"""Sync and async behind one face, so that one test speaks of both."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from langchain_core.messages import AIMessage, AIMessageChunk

COLOURS = ("sync", "async")


class Face:
    """Calls a runnable or a model in one colour, always to be awaited."""

    def __init__(self, colour: str) -> None:
        self.is_sync = colour == "sync"

    async def invoke(self, llm: Any, given: Any, **kwargs: Any) -> Any:
        if self.is_sync:
            return llm.invoke(given, **kwargs)
        return await llm.ainvoke(given, **kwargs)

    async def stream(self, llm: Any, given: Any, **kwargs: Any) -> list[Any]:
        if self.is_sync:
            return list(llm.stream(given, **kwargs))
        async with aclosing(llm.astream(given, **kwargs)) as chunks:
            return [chunk async for chunk in chunks]

    async def streamed(self, llm: Any, given: Any, **kwargs: Any) -> AIMessageChunk:
        first, *rest = await self.stream(llm, given, **kwargs)
        for chunk in rest:
            first += chunk
        return cast("AIMessageChunk", first)

    async def answer(
        self, llm: Any, given: Any, *, style: str, **kwargs: Any
    ) -> AIMessage:
        """Call in the style ``invoke`` or ``stream``."""
        if style == "stream":
            return await self.streamed(llm, given, **kwargs)
        return cast("AIMessage", await self.invoke(llm, given, **kwargs))

    async def transform(self, chain: Any, given: list[Any]) -> list[Any]:
        if self.is_sync:
            return list(chain.transform(iter(given)))
        return [chunk async for chunk in chain.atransform(_one_by_one(given))]

    async def batch(self, llm: Any, given: list[Any], **kwargs: Any) -> list[Any]:
        if self.is_sync:
            return cast("list[Any]", llm.batch(given, **kwargs))
        return cast("list[Any]", await llm.abatch(given, **kwargs))

    async def warm(self, llm: Any, *args: Any, **kwargs: Any) -> Any:
        if self.is_sync:
            return llm.warm(*args, **kwargs)
        return await llm.awarm(*args, **kwargs)

    async def release(self, llm: Any, *args: Any, **kwargs: Any) -> int:
        if self.is_sync:
            return int(llm.release(*args, **kwargs))
        return int(await llm.arelease(*args, **kwargs))


async def _one_by_one(items: Iterable[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item
