"""What the trials share: a script with ``ChatOpenAI``, and with one line changed."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from chat_kit import KEY, MODEL, chat_requests, model_of, what_counts
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI

from langchain_moonshot_cache import CachedPromptRunnable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from langchain_core.messages import BaseMessage

    from langchain_moonshot_cache.testing import MoonshotServer, RecordedChat

__all__ = [
    "KEY",
    "KIMI",
    "LINES",
    "LORE",
    "MODEL",
    "PROMPT",
    "QUESTION",
    "Stand",
    "Trial",
    "by_content",
    "outcomes",
    "said",
]

Json = dict[str, Any]

KIMI = "kimi-k3"
LINES = ("model", "prompt", "prompt of a plain model")
"""The line of a script that is another one than with ``ChatOpenAI``."""
LORE = "You know every lighthouse there ever was, and its keeper. " * 60
"""Some blocks of the automatic prefix cache, which takes none below 256 tokens."""
PROMPT = ChatPromptTemplate([("system", LORE), ("human", "{question}")])
QUESTION = {"question": "How tall is the lighthouse of Alexandria?"}


@dataclass(frozen=True)
class Stand:
    """What a script is given: a way to its model and a way to its prompt.

    Attributes:
        server: The server that the script talks to.
        clients: Connections that end with the test, as options of a model.
        line: Which line differs from the script with ``ChatOpenAI``; None for that one.
        name: The model.
    """

    server: MoonshotServer
    clients: Json
    line: str | None = None
    name: str = MODEL

    def model(self, **options: Any) -> Any:
        """Make the script's model; each script has an account of its own."""
        given = {
            "model": self.name,
            "api_key": f"{KEY}-{LINES.index(self.line) if self.line else 'before'}",
            **self.clients,
            **options,
        }
        if self.line in {"model", "prompt"}:
            return model_of(self.server, **{"registry": None, **given})
        return ChatOpenAI(base_url=self.server.base_url, max_retries=0, **given)

    def prompt(self, template: ChatPromptTemplate, llm: Any, **options: Any) -> Any:
        """Make what stands before the model."""
        if self.line in {None, "model"}:
            return template
        return CachedPromptRunnable(template, model=llm, **options)


@dataclass(frozen=True)
class Trial:
    """Runs a script as it was, and with each of some lines changed.

    Attributes:
        stand: Where the script runs as it was.
        lines: The lines to change, one at a time.
    """

    stand: Stand
    lines: tuple[str, ...]

    async def same(
        self, script: Callable[[Stand], Awaitable[Any]], *, creates: int | None = None
    ) -> list[RecordedChat]:
        """Compare what the engine sees and what comes out, which has to be the same.

        Args:
            script: Takes a stand, returns what came out, without ids.
            creates: How many caches a changed script makes; None for one of each
                prefix.

        Returns:
            The calls of the last changed script, as the engine saw them.
        """
        server = self.stand.server
        expected = await script(self.stand)
        chats, requests = server.chats(), len(chat_requests(server))
        assert chats
        seen = by_content(chats)
        for line in self.lines:
            server.clear()
            made = server.creates()
            assert await script(replace(self.stand, line=line)) == expected, line
            chats = server.chats()
            assert by_content(chats) == seen, line
            assert len(chat_requests(server)) == requests, line
            used = {chat.cache_id for chat in chats} - {None}
            # Or else two scripts without a cache were compared.
            assert bool(used) == (self.stand.name == MODEL), line
            assert server.creates() - made == (creates or 1) * len(used), line
        return chats


def by_content(chats: Sequence[RecordedChat]) -> list[str]:
    """Return what the engine saw, in an order that does not depend on who was first."""
    return sorted(json.dumps(what_counts(chat), sort_keys=True) for chat in chats)


def said(message: BaseMessage) -> tuple[Any, ...]:
    """Return what of an answer a chain goes on with; ids are new in every run."""
    calls = [
        (call["name"], call["args"]) for call in getattr(message, "tool_calls", [])
    ]
    return message.type, message.content, calls


def outcomes(answers: Sequence[Any]) -> dict[str, int]:
    """Count what answers say about their caching."""
    found = [
        answer.response_metadata["moonshot_cache"]["outcome"] for answer in answers
    ]
    return {name: found.count(name) for name in set(found)}
