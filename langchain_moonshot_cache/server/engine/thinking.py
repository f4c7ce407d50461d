"""What a thinking model shows of its thoughts before it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from langchain_moonshot_cache.server.engine import words
from langchain_moonshot_cache.server.engine.conversation import (
    Conversation,
    as_object,
    as_text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["thinks", "thoughts"]

ALWAYS: Final = ("kimi-k3", "kimi-k2.7", "kimi-k2-thinking")
"""Models that cannot be told not to think, by the beginning of their names."""

UNLESS_DISABLED: Final = ("kimi-k2.5", "kimi-k2.6")
"""Models that think unless ``thinking.type`` is ``"disabled"``."""

LONGEST_TOPIC: Final = 80
"""Characters of the question that a thought repeats."""


def thoughts(
    request: Mapping[str, Any], talk: Conversation, calls: Sequence[Mapping[str, Any]]
) -> str | None:
    """Think aloud, if the model of the request does.

    Args:
        request: The chat request; its ``model`` and ``thinking`` decide.
        talk: Its conversation.
        calls: The tool calls that were decided on.

    Returns:
        One sentence in the question's language; None for a model that does not think.
    """
    if not thinks(request):
        return None
    topic = " ".join(words.salient(talk.question).split())[:LONGEST_TOPIC]
    names = ", ".join(dict.fromkeys(call["function"]["name"] for call in calls))
    if words.is_chinese(talk.question):
        step = f"需要调用 {names}" if names else "可以直接回答"
        return f"用户问的是“{topic}”，{step}。"
    step = f"{names} can tell" if names else "no tool is needed"
    return f'The question is about "{topic}"; {step}.'


def thinks(request: Mapping[str, Any]) -> bool:
    """Tell whether the model of a request thinks before it answers it.

    Args:
        request: The chat request; its ``model`` and ``thinking`` decide.
    """
    model = as_text(request.get("model"))
    if model.startswith(ALWAYS):
        return True
    switch = as_object(request.get("thinking")).get("type")
    return model.startswith(UNLESS_DISABLED) and switch != "disabled"
