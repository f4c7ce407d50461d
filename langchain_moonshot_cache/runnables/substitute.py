"""In front of a plain ``ChatOpenAI``: a cache message in the place of the prefix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_moonshot_cache.errors import CacheUnavailableError
from langchain_moonshot_cache.runnables.pieces import (
    NOTHING,
    Beginning,
    fresh,
    marked,
    settled_length,
)
from langchain_moonshot_cache.runnables.plain import PlainModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.messages import BaseMessage
    from langchain_openai.chat_models.base import BaseChatOpenAI

    from langchain_moonshot_cache.lifecycle import Bypassed, Ready
    from langchain_moonshot_cache.prefix import Prefix

    Messages = Sequence[BaseMessage]

__all__ = ["SubstituteFront"]


class SubstituteFront:
    """Puts a cache message in the place of the prefix.

    Args:
        model: A model that knows nothing of caches.
        beginning: The static messages and what belongs to them.

    Raises:
        ConfigurationError: The model does not speak to an endpoint with such caches.
        InvalidPromptError: A cache cannot hold the messages.
    """

    def __init__(self, model: BaseChatOpenAI, beginning: Beginning) -> None:
        self._static = beginning.messages
        self._beginning = beginning
        self._plain = PlainModel(model, tools=beginning.tools, ttl=beginning.ttl)
        self._prefixes = {
            length: self._prefix(self._static[:length]) for length in beginning.lengths
        }

    def usual(self, rest: Messages) -> list[BaseMessage]:
        """Put what stands for the static messages, or them, before the rest."""
        length = self._length(rest)
        if not length:
            return self._joined(None, length, rest)
        return self._joined(self._plain.opening(self._prefixes[length]), length, rest)

    async def ausual(self, rest: Messages) -> list[BaseMessage]:
        """Do what :meth:`usual` does, without blocking the event loop."""
        length = self._length(rest)
        if not length:
            return self._joined(None, length, rest)
        opening = await self._plain.aopening(self._prefixes[length])
        return self._joined(opening, length, rest)

    def changed(self, head: Messages, rest: Messages) -> list[BaseMessage]:
        """Send everything; where there are tools, by a cache for this input alone."""
        if self._beginning.equals(head):
            return self.usual(rest)
        messages = [*head, *rest]
        if not self._beginning.tools:
            return messages
        length = self._length_of(head, rest)
        opening = self._plain.opening(self._prefix(messages[:length]))
        return [*(opening or ()), *messages[length:]]

    async def achanged(self, head: Messages, rest: Messages) -> list[BaseMessage]:
        """Do what :meth:`changed` does, without blocking the event loop."""
        if self._beginning.equals(head):
            return await self.ausual(rest)
        messages = [*head, *rest]
        if not self._beginning.tools:
            return messages
        length = self._length_of(head, rest)
        opening = await self._plain.aopening(self._prefix(messages[:length]))
        return [*(opening or ()), *messages[length:]]

    def _length(self, rest: Messages) -> int:
        """Return the length of the prefix, 0 if nothing can be cached.

        A cache message may stand alone, but only tools are worth that: whoever wrote
        the API had a question after it in mind.
        """
        followed, alone = self._beginning.followed, self._beginning.alone
        if rest or not self._beginning.tools:
            length = followed if rest else alone
        else:
            length = alone or followed
        return length or self._nothing()

    def _length_of(self, head: Messages, rest: Messages) -> int:
        alone = settled_length([*head, *rest][:-1])
        length = settled_length(head) if head and rest else alone
        return length or self._nothing()

    def _nothing(self) -> int:
        """Go without a cache, unless there are tools.

        Raises:
            CacheUnavailableError: There are, and no message to be cached with them.
        """
        if not self._beginning.tools:
            return 0
        raise CacheUnavailableError(
            "the tools of this prompt live in a cache, and no message could be cached "
            "with them: begin with a system message, or use ChatMoonshotCached, which "
            "sends tools along."
        )

    def _joined(
        self, opening: list[BaseMessage] | None, length: int, rest: Messages
    ) -> list[BaseMessage]:
        static = self._static if opening is None else self._static[length:]
        return [*(opening or ()), *map(fresh, static), *rest]

    def _prefix(self, messages: list[BaseMessage]) -> Prefix:
        mark = {"name": self._beginning.name}
        return self._plain.prefix(marked(messages, at=len(messages) - 1, mark=mark))

    def warm(self) -> Ready | Bypassed:
        """Have the cache made."""
        prefix = self._prefixes.get(self._beginning.usual)
        return self._plain.warm(prefix) if prefix else NOTHING

    async def awarm(self) -> Ready | Bypassed:
        """Do what :meth:`warm` does, without blocking the event loop."""
        prefix = self._prefixes.get(self._beginning.usual)
        return await self._plain.awarm(prefix) if prefix else NOTHING

    def release(self) -> int:
        """Delete the caches that were made here."""
        return self._plain.release()

    async def arelease(self) -> int:
        """Do what :meth:`release` does, without blocking the event loop."""
        return await self._plain.arelease()
