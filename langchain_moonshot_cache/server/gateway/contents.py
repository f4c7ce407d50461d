"""The contents of caches, at hand while they are used and on disk otherwise."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_moonshot_cache.server.gateway.state import Content, State

__all__ = ["Contents"]


class Contents:
    """The contents that were used last, bounded in bytes.

    Args:
        state: Where all of them are.
        limit: Most bytes that are kept here.
    """

    def __init__(self, state: State, *, limit: int) -> None:
        self._state = state
        self._limit = limit
        self._kept: OrderedDict[str, Content] = OrderedDict()
        self._loading: dict[str, asyncio.Task[Content | None]] = {}
        self.size = 0

    async def get(self, cache_id: str) -> Content | None:
        """Return a cache's content; None once it was deleted.

        Whoever asks for the same content at the same time waits for one reading.
        """
        kept = self._kept.get(cache_id)
        if kept is not None:
            self._kept.move_to_end(cache_id)
            return kept
        task = self._loading.get(cache_id)
        if task is None:
            task = asyncio.create_task(self._load(cache_id))
            self._loading[cache_id] = task
            task.add_done_callback(lambda _: self._loading.pop(cache_id))
        # One who goes away must not take the reading away from the others.
        return await asyncio.shield(task)

    async def _load(self, cache_id: str) -> Content | None:
        content = await self._state.content(cache_id)
        if content is not None:
            self._keep(cache_id, content)
        return content

    def _keep(self, cache_id: str, content: Content) -> None:
        self.drop(cache_id)
        self._kept[cache_id] = content
        self.size += content.size
        while self.size > self._limit:
            _, oldest = self._kept.popitem(last=False)
            self.size -= oldest.size

    def drop(self, cache_id: str) -> None:
        """Forget a content that was deleted."""
        content = self._kept.pop(cache_id, None)
        if content is not None:
            self.size -= content.size
