"""In front of a ``ChatMoonshotCached``: mark the prefix, the model does the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_moonshot_cache.chat_models.marks import (
    TOOLS,
    Mark,
    leading_system,
    marks_of,
)
from langchain_moonshot_cache.runnables.pieces import NOTHING, Beginning, marked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.messages import BaseMessage

    from langchain_moonshot_cache.chat_models import ChatMoonshotCached
    from langchain_moonshot_cache.lifecycle import Bypassed, Ready

    Messages = Sequence[BaseMessage]

__all__ = ["OwnFront"]


class OwnFront:
    """Marks the prefix for a model that does the rest.

    Args:
        model: The model.
        beginning: The static messages and what belongs to them.
    """

    def __init__(self, model: ChatMoonshotCached, beginning: Beginning) -> None:
        self._model = model
        self._beginning = beginning

    def usual(self, rest: Messages) -> list[BaseMessage]:
        """Put the static messages, the last of them marked, before the rest."""
        return [*self._beginning.first(len(self._beginning.messages)), *rest]

    async def ausual(self, rest: Messages) -> list[BaseMessage]:
        """Do what :meth:`usual` does; nothing here waits."""
        return self.usual(rest)

    def changed(self, head: Messages, rest: Messages) -> list[BaseMessage]:
        """Hand over the tools, and leave it to the model where the prefix ends."""
        if self._beginning.equals(head):
            return self.usual(rest)
        messages = [*head, *rest]
        if not self._beginning.tools or not messages:
            return messages
        marks = marks_of(messages)
        last = marks[-1] if marks else Mark(max(leading_system(messages) - 1, 0))
        mark = {"ttl": last.ttl, "name": last.name, TOOLS: self._beginning.tools}
        return marked(messages, at=last.index, mark=mark)

    async def achanged(self, head: Messages, rest: Messages) -> list[BaseMessage]:
        """Do what :meth:`changed` does; nothing here waits."""
        return self.changed(head, rest)

    def warm(self) -> Ready | Bypassed:
        """Have the model make the cache."""
        beginning = self._beginning
        if not (prefix := beginning.first(beginning.usual)):
            return NOTHING
        return self._model.warm(prefix, tools=beginning.tools, ttl=beginning.ttl)

    async def awarm(self) -> Ready | Bypassed:
        """Do what :meth:`warm` does, without blocking the event loop."""
        beginning = self._beginning
        if not (prefix := beginning.first(beginning.usual)):
            return NOTHING
        warm = self._model.awarm
        return await warm(prefix, tools=beginning.tools, ttl=beginning.ttl)

    def release(self) -> int:
        """Have the model delete the caches of this prefix."""
        tools, prefixes = self._beginning.tools, self._prefixes()
        return sum(self._model.release(prefix, tools=tools) for prefix in prefixes)

    async def arelease(self) -> int:
        """Do what :meth:`release` does, without blocking the event loop."""
        tools, deleted = self._beginning.tools, 0
        for prefix in self._prefixes():
            deleted += await self._model.arelease(prefix, tools=tools)
        return deleted

    def _prefixes(self) -> list[list[BaseMessage]]:
        return [self._beginning.first(length) for length in self._beginning.lengths]
