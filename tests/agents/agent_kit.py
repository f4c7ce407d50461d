"""What the tests of agents share: one script, run on a plain model and on ours."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chat_kit import bodies, chat_requests, model_of, plain_of, what_counts
from langchain.agents import create_agent

from langchain_moonshot_cache.demo.code_runner import code_runner

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from langchain_core.messages import BaseMessage
    from langchain_openai import ChatOpenAI

    from langchain_moonshot_cache import ChatMoonshotCached
    from langchain_moonshot_cache.testing import MoonshotServer, RecordedChat

    Script = Callable[[], Awaitable[Any]]

__all__ = [
    "CREATE",
    "QUESTION",
    "RUNNER",
    "SYSTEM",
    "Bench",
    "agent_of",
    "asked",
    "bodies",
    "chat_requests",
    "shape",
]

CREATE: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "data" / "coderunner_create_request.json").read_text(
        "utf-8"
    )
)
SYSTEM: str = CREATE["messages"][0]["content"]
RUNNER = code_runner(CREATE["tools"][0])
QUESTION = "编程判断 3214567 是否是素数。"


def agent_of(llm: Any, *middleware: Any, **options: Any) -> Any:
    """Make an agent with CodeRunner."""
    given = {"tools": [RUNNER], "system_prompt": SYSTEM, **options}
    return create_agent(llm, middleware=middleware, **given)


def asked(question: str = QUESTION) -> dict[str, Any]:
    """Return what an agent is asked with."""
    return {"messages": [("human", question)]}


def shape(message: BaseMessage) -> tuple[Any, ...]:
    """Return what of a message an agent goes on with; ids are new in every run."""
    return message.type, message.content, getattr(message, "tool_calls", [])


@dataclass
class Bench:
    """One server, and both kinds of model on it."""

    server: MoonshotServer

    def plain(self, **options: Any) -> ChatOpenAI:
        return plain_of(self.server, **options)

    def ours(self, **options: Any) -> ChatMoonshotCached:
        return model_of(self.server, **options)

    async def compare(
        self, script: Callable[[Any], Awaitable[Any]], **options: Any
    ) -> list[RecordedChat]:
        """Run a script on both; what the engine sees and what comes out is the same.

        Args:
            script: Takes a model and returns what came out, without ids.
            options: Of both models.

        Returns:
            The calls of our model, as the engine saw them.
        """
        return await self.same(
            lambda: script(self.plain(**options)), lambda: script(self.ours(**options))
        )

    async def same(self, before: Script, after: Script) -> list[RecordedChat]:
        """Run two scripts; what the engine sees and what comes out is the same.

        Returns:
            The calls of the second, as the engine saw them.
        """
        expected = await before()
        seen = self.server.chats()
        self.server.clear()
        assert await after() == expected
        chats = self.server.chats()
        assert seen
        assert list(map(what_counts, chats)) == list(map(what_counts, seen))
        return chats
