"""What stands in front of a model: one thing for ours, another for a plain one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from langchain_moonshot_cache.chat_models import ChatMoonshotCached
from langchain_moonshot_cache.chat_models.marks import marks_of
from langchain_moonshot_cache.chat_models.settings import seconds_of
from langchain_moonshot_cache.runnables.own import OwnFront
from langchain_moonshot_cache.runnables.pieces import Beginning
from langchain_moonshot_cache.runnables.substitute import SubstituteFront

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.messages import BaseMessage
    from langchain_openai.chat_models.base import BaseChatOpenAI

    from langchain_moonshot_cache.lifecycle import Bypassed, Ready

    Messages = Sequence[BaseMessage]

__all__ = ["Front", "front_of"]


class Front(Protocol):
    """Turns the two parts of a prompt into what the model is given."""

    def usual(self, rest: Messages) -> list[BaseMessage]:
        """Put the prefix, or what stands for it, before the rest."""

    async def ausual(self, rest: Messages) -> list[BaseMessage]:
        """Do what :meth:`usual` does, without blocking the event loop."""

    def changed(self, head: Messages, rest: Messages) -> list[BaseMessage]:
        """Put together a prompt whose input overrode something in the prefix."""

    async def achanged(self, head: Messages, rest: Messages) -> list[BaseMessage]:
        """Do what :meth:`changed` does, without blocking the event loop."""

    def warm(self) -> Ready | Bypassed:
        """Have the cache made before it is needed."""

    async def awarm(self) -> Ready | Bypassed:
        """Do what :meth:`warm` does, without blocking the event loop."""

    def release(self) -> int:
        """Delete the caches of the prefix."""

    async def arelease(self) -> int:
        """Do what :meth:`release` does, without blocking the event loop."""


def front_of(
    model: BaseChatOpenAI,
    *,
    messages: Messages,
    is_all: bool,
    tools: Sequence[dict[str, Any]],
    ttl: int | str | None,
    name: str | None,
) -> Front:
    """Choose what stands in front of a model.

    Args:
        model: The chat model.
        messages: The messages of the template that are the same for every input.
        is_all: Whether the template has no others.
        tools: The tools of the prefix, in wire form.
        ttl: Lifetime of the cache; None leaves it to a marker in the messages.
        name: Name of the cache.

    Raises:
        ConfigurationError: The model cannot reference caches.
        InvalidPromptError: A cache cannot hold the messages.
    """
    marks = marks_of(messages)
    beginning = Beginning.of(
        messages,
        is_all=is_all,
        tools=tools,
        ttl=seconds_of(ttl) or (marks[-1].ttl if marks else None),
        name=name or (marks[-1].name if marks else None),
    )
    if isinstance(model, ChatMoonshotCached):
        return OwnFront(model, beginning)
    return SubstituteFront(model, beginning)
