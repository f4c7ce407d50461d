"""What the trials share: a script with ``ChatOpenAI``, and with one line changed."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from chat_kit import COLOURS, KEY, MODEL, Face, chat_requests, model_of, what_counts
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI

from langchain_moonshot_cache import CachedPromptRunnable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from langchain_core.messages import BaseMessage

    from langchain_moonshot_cache.testing import MoonshotServer, RecordedChat

__all__ = [
    "COLOURS",
    "KEY",
    "KIMI",
    "LINES",
    "LORE",
    "MODEL",
    "PROMPT",
    "QUESTION",
    "Face",
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
        """Make the script's model."""
        given = {"model": self.name, **self.clients, **options}
        if self.line in {"model", "prompt"}:
            return model_of(self.server, **{"registry": None, **given})
        return ChatOpenAI(
            base_url=self.server.base_url,
            # The script as it was has an account, and so a prefix cache, of its own.
            api_key=KEY if self.line else f"{KEY}-before",
            max_retries=0,
            **given,
        )

    def prompt(self, template: ChatPromptTemplate, llm: Any, **options: Any) -> Any:
        """Make what stands before the model."""
        if self.line in {None, "model"}:
            return template
        return CachedPromptRunnable(template, model=llm, **options)


@dataclass(frozen=True)
class Trial:
    """Runs a script with one line changed, and beside it as it was before."""

    stand: Stand

    async def same(
        self, script: Callable[[Stand], Awaitable[Any]], *, creates: int | None = None
    ) -> list[RecordedChat]:
        """Run a script both ways: what the engine sees and what comes out is the same.

        Args:
            script: Takes a stand, returns what came out, without ids.
            creates: How many caches are made; None for one of each prefix.

        Returns:
            The calls of the changed script, as the engine saw them.
        """
        server = self.stand.server
        expected = await script(replace(self.stand, line=None))
        seen, requests = server.chats(), len(chat_requests(server))
        server.clear()
        assert await script(self.stand) == expected
        chats = server.chats()
        assert seen
        assert by_content(chats) == by_content(seen)
        assert len(chat_requests(server)) == requests
        self._check_caches(chats, creates=creates)
        return chats

    def _check_caches(
        self, chats: Sequence[RecordedChat], *, creates: int | None
    ) -> None:
        """Make sure that one side had caches, each made once, and the other had not."""
        if self.stand.name == KIMI:
            assert self.stand.server.creates() == 0
            return
        used = {chat.cache_id for chat in chats}
        assert None not in used
        assert self.stand.server.creates() == (creates or len(used))


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
