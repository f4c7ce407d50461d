"""What the tests of the chat model share: both colours behind one face, models."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.messages import SystemMessage as System
from langchain_core.tools import tool

from langchain_moonshot_cache import ChatMoonshotCached

if TYPE_CHECKING:
    from langchain_moonshot_cache.testing import (
        MoonshotServer,
        RecordedChat,
        RecordedRequest,
    )

Json = dict[str, Any]

KEY = "sk-canary-9f8e7d6c5b4a"
MODEL = "moonshot-v1-8k"
CHAT = "/v1/chat/completions"
CACHING = "/v1/caching"
SYSTEM = System("You know everything about lighthouses.")
QUESTION = HumanMessage("How tall is the lighthouse of Alexandria?")
COLOURS = ("sync", "async")
METADATA = "moonshot_cache"


@tool
def height(name: str) -> str:
    """Tell the height of a lighthouse."""
    return f"{name}: 100 m"


@tool
def keeper(name: str) -> str:
    """Tell the keeper of a lighthouse."""
    return f"{name}: nobody"


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


def model_of(server: MoonshotServer, **options: Any) -> ChatMoonshotCached:
    """Make a model that caches everything, with a registry of its own."""
    given = {
        "model": MODEL,
        "base_url": server.base_url,
        "api_key": KEY,
        "registry": "memory://",
        "cache_policy": "always",
        "max_retries": 0,
    }
    return ChatMoonshotCached(**{**given, **options})


def chat_requests(server: MoonshotServer) -> list[RecordedRequest]:
    """Return the chat requests as they arrived."""
    return server.requests(method="POST", path=CHAT)


def bodies(server: MoonshotServer) -> list[Json]:
    """Return the bodies of the chat requests."""
    return [request.body for request in chat_requests(server)]


def what_counts(chat: RecordedChat) -> tuple[Any, ...]:
    """Return what of a call decides about its answer."""
    return chat.model, chat.messages, chat.tools


def told(message: Any) -> Json:
    """Return what an answer says about its caching."""
    return cast("Json", message.response_metadata[METADATA])


def reference(body: Json) -> str | None:
    """Return the id of the cache that a request names by its first message."""
    first = body["messages"][0]
    if first["role"] != "cache":
        return None
    return str(first["content"].partition(";")[0].removeprefix("cache_id="))
