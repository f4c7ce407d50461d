"""What the tests of runnables share: chains with a cache and without one, compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chat_kit import (
    CACHING,
    CHAT,
    KEY,
    MODEL,
    Json,
    height,
    keeper,
    model_of,
    plain_of,
    what_counts,
)
from langchain_core.prompts import ChatPromptTemplate

from langchain_moonshot_cache import CachedPromptRunnable, ChatMoonshotCached

if TYPE_CHECKING:
    from colour_kit import Face
    from langchain_openai import ChatOpenAI

    from langchain_moonshot_cache.testing import MoonshotServer, RecordedChat

__all__ = [
    "CACHING",
    "CHAT",
    "KEY",
    "KINDS",
    "LORE",
    "MODEL",
    "PROMPT",
    "QUESTION",
    "Bench",
    "Json",
    "answered",
    "height",
    "keeper",
    "what_counts",
]

LORE = "You know everything about lighthouses."
QUESTION = {"question": "How tall is the lighthouse of Alexandria?"}
KINDS = ("ours", "plain")
PROMPT = ChatPromptTemplate([("system", LORE), ("human", "{question}")])


@dataclass
class Bench:
    """One server, one kind of model, and chains with and without a cache."""

    server: MoonshotServer
    clients: Json
    kind: str

    def plain(self, **options: Any) -> ChatOpenAI:
        return plain_of(self.server, **{**self.clients, **options})

    def ours(self, **options: Any) -> ChatMoonshotCached:
        return model_of(self.server, **{**self.clients, **options})

    def model(self, **options: Any) -> ChatOpenAI | ChatMoonshotCached:
        """Make a model of the kind in question."""
        if self.kind == "ours":
            return self.ours(**options)
        return self.plain(**options)

    def uncached(self, prompt: Any, *, tools: Any = (), model: str = MODEL) -> Any:
        """Make the chain as it was before anything was cached."""
        llm = self.plain(stream_usage=True, model=model)
        return prompt | (llm.bind_tools(tools) if tools else llm)

    def cached(
        self, prompt: Any, *, tools: Any = (), model: str = MODEL, **options: Any
    ) -> Any:
        """Make the chain with a cached prompt in the template's place."""
        llm = self.model(stream_usage=True, model=model)
        return CachedPromptRunnable(prompt, model=llm, tools=tools, **options) | llm

    async def compare(
        self,
        prompt: Any,
        *inputs: Any,
        face: Face,
        tools: Any = (),
        model: str = MODEL,
    ) -> list[RecordedChat]:
        """Ask with and without a cache; what the engine sees and says is the same.

        Returns:
            The calls with the cache, as the engine saw them.
        """
        seen: list[list[RecordedChat]] = []
        answers: list[list[Any]] = []
        for chain in (
            self.uncached(prompt, tools=tools, model=model),
            self.cached(prompt, tools=tools, model=model),
        ):
            self.server.clear()
            answers.append([await face.invoke(chain, given) for given in inputs])
            seen.append(self.server.chats())
        assert seen[0]
        assert list(map(what_counts, seen[1])) == list(map(what_counts, seen[0]))
        assert list(map(answered, answers[1])) == list(map(answered, answers[0]))
        return seen[1]

    def bodies(self) -> list[Json]:
        """Return the chat requests' bodies as they arrived."""
        requests = self.server.requests(method="POST", path=CHAT)
        return [request.body for request in requests]


def answered(message: Any) -> tuple[Any, ...]:
    """Return an answer without its ids, which no two calls share."""
    calls = [(call["name"], call["args"]) for call in message.tool_calls]
    return message.content, calls, message.usage_metadata["output_tokens"]
