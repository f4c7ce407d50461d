"""The example that the named caching API was announced with, word for word."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from langchain_core.messages import SystemMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder

from langchain_moonshot_cache.demo.code_runner import code_runner
from langchain_moonshot_cache.runnables import CachedPromptRunnable

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

    from langchain_moonshot_cache.chat_models import ChatMoonshotCached

__all__ = ["OPTIONS", "QUESTIONS", "TITLE", "ask"]

_PACKAGE = "langchain_moonshot_cache"
_DATA: dict[str, Any] = json.loads(
    (files(_PACKAGE) / "data" / "coderunner.json").read_text("utf-8")
)
_CREATE, _CHAT = _DATA["create"], _DATA["chat"]

TITLE = "The announced example: is 3214567 a prime number?"
QUESTIONS: tuple[str, ...] = (_CHAT["question"], "the tool's result")
OPTIONS: dict[str, Any] = {
    "model": _CHAT["model"],
    "temperature": _CHAT["temperature"],
    # The economic policy would leave a prefix of this size alone, and rightly.
    "cache_policy": "always",
}


def ask(llm: ChatMoonshotCached, config: RunnableConfig) -> list[str]:
    """Ask whether a number is prime, run the program that comes, pass on its result.

    Args:
        llm: The model.
        config: Goes with every call.

    Returns:
        The program, and the answer that was made from its result.
    """
    tool = code_runner(_CREATE["tools"][0])
    prompt = ChatPromptTemplate.from_messages(
        [
            SystemMessage(_CREATE["messages"][0]["content"]),
            ("human", "{question}"),
            MessagesPlaceholder("steps", optional=True),
        ]
    )
    cached = CachedPromptRunnable(
        prompt, model=llm, tools=[tool], ttl=_CREATE["ttl"], name=_CREATE["name"]
    )
    chain = cached | llm
    asked = {"question": _CHAT["question"]}
    request = chain.invoke(asked, config)
    results = [tool.invoke(call) for call in request.tool_calls]
    answer = chain.invoke({**asked, "steps": [request, *results]}, config)
    return [request.tool_calls[0]["args"]["code"], answer.text]
