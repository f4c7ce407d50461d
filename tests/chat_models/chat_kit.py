"""What the tests of chat models share: models of both kinds, and what they sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from langchain_core.messages import HumanMessage
from langchain_core.messages import SystemMessage as System
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

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
METADATA = "moonshot_cache"


@tool
def height(name: str) -> str:
    """Tell the height of a lighthouse."""
    return f"{name}: 100 m"


@tool
def keeper(name: str) -> str:
    """Tell the keeper of a lighthouse."""
    return f"{name}: nobody"


def model_of(server: MoonshotServer, **options: Any) -> ChatMoonshotCached:
    """Make a model that caches everything, with a registry of its own.

    It waits for its caches longer than a busy machine needs to make one.
    """
    given = {
        "registry": "memory://",
        "cache_policy": "always",
        "cache_wait": 60.0,
        **_asking(server),
    }
    return ChatMoonshotCached(**{**given, **options})


def plain_of(server: MoonshotServer, **options: Any) -> ChatOpenAI:
    """Make the model that ours stands in for."""
    return ChatOpenAI(**{**_asking(server), **options})


def _asking(server: MoonshotServer) -> Json:
    return {
        "model": MODEL,
        "base_url": server.base_url,
        "api_key": KEY,
        "max_retries": 0,
    }


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
