"""What the tests of today's Kimi share: models, long openings, and their records."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from chat_kit import model_of
from colour_kit import Face
from langchain_core.messages import HumanMessage, SystemMessage

from langchain_moonshot_cache import ChatMoonshotCached

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage

    from langchain_moonshot_cache.testing import MoonshotServer

Json = dict[str, Any]
Make = Callable[..., ChatMoonshotCached]

K3 = "kimi-k3"
BLOCK = 256
"""Tokens in which prefixes are matched."""
LONG = SystemMessage("You know every lighthouse there ever was, and its keeper. " * 60)
"""Enough for some blocks."""
QUESTION = HumanMessage("How tall is the lighthouse of Alexandria?")
LATER = HumanMessage("And who kept it?")
CHOICE = {"index": 0, "finish_reason": "stop"}


class Talk:
    """Asks a model in one colour and one style, always to be awaited."""

    def __init__(self, colour: str, style: str) -> None:
        self.face = Face(colour)
        self.style = style

    async def __call__(self, llm: Any, given: Any, **kwargs: Any) -> AIMessage:
        """Ask."""
        return await self.face.answer(llm, given, style=self.style, **kwargs)


def kimi_of(server: MoonshotServer, **options: Any) -> ChatMoonshotCached:
    """Make a ``kimi-k3`` with a registry of its own."""
    return model_of(server, **{"model": K3, "cache_policy": "economic", **options})


def completion(usage: Any, **message: Any) -> Json:
    """Return a whole answer with a usage of the test's choice; None leaves it out."""
    said = {"role": "assistant", "content": "so", **message}
    answer: Json = {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": K3,
        "choices": [{**CHOICE, "message": said}],
    }
    return answer if usage is None else {**answer, "usage": usage}


def details(message: Any) -> Json:
    """Return LangChain's details of the input tokens."""
    return dict(message.usage_metadata["input_token_details"])
