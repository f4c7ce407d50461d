"""What caching leaves of an agent's calls, side by side with ``ChatOpenAI``.

First the named cache of a long prefix, as ``agent_prefix.py`` describes it. Then what
of an agent's history is read from the automatic cache: an agent of thirty tool calls on
``kimi-k3``, each turn of which thinks aloud and writes the arguments of its call in a
form of its own, with odd spaces, key order, escapes and Chinese. Both models play the
same script against a stand-in server each, which holds what it generated character by
character. The figure is the share of the full blocks of 256 tokens of every earlier
turn, the generated ones included, that was read from the cache; it is counted by the
server. Run it as ``python benchmarks/agent_loop.py``; with ``--json`` it prints the
figures for other programs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import agent_prefix
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

from langchain_moonshot_cache import ChatMoonshotCached
from langchain_moonshot_cache.server import Settings, StandIn
from langchain_moonshot_cache.testing import MoonshotServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_core.language_models import BaseChatModel

__all__ = ["STYLES", "Share", "play", "script", "share"]

Json = dict[str, Any]

MODEL = "kimi-k3"
KEY = "sk-benchmark"
CALLS = 30
BLOCK = 256
"""Tokens in which prefixes are matched."""
STYLES = ("invoke", "stream", "ainvoke", "astream")

SYSTEM = SystemMessage("You keep the log of a lighthouse, and you are exact. " * 40)
QUESTION = HumanMessage("看看这一个月每晚的灯。 Go through the nights of this month.")
THOUGHT = "第{n}晚：先看一看风，再看灯。 Night {n}: the wind, then the lamp. \n  So: "
FORMS = (
    '{{"night":{n},"what":"lamp"}}',
    '{{ "what" : "lamp" ,\n  "night" :   {n} }}',
    '{{"what":"\\u706f \\/ lamp","night":{n}}}',
    '{{"night": {n}.0, "what": "灯、风", "note": "é 🗼"}}',
    '\n{{"note":"","night":{n},"what":"lamp","more":[1,2 ,3]}}\n',
)
"""Arguments as models write them; none of them as ``json.dumps`` would."""


@tool
def look(night: float, what: str, note: str = "", more: list[int] | None = None) -> str:
    """Look at the log of a night."""
    return f"{night} {what} {note} {more}"


@dataclass(frozen=True, slots=True)
class Share:
    """What of the earlier turns' full blocks was read from the cache, in tokens."""

    read: int
    held: int

    def __str__(self) -> str:
        return f"{self.read / self.held:.2%} ({self.read:,} of {self.held:,} tokens)"


def script(calls: int = CALLS) -> Iterator[Json | str]:
    """Write the answers of an agent that calls its tool so many times."""
    for n in range(calls):
        arguments = FORMS[n % len(FORMS)].format(n=n)
        yield {
            "reasoning_content": THOUGHT.format(n=n) * (3 + n % 5),
            "content": f"Night {n}." if n % 3 else "",
            "tool_calls": [
                {"id": f"functions.look:{n}", "name": "look", "arguments": arguments}
            ],
        }
    yield "It burned every night."


async def play(llm: BaseChatModel, *, style: str) -> list[BaseMessage]:
    """Let an agent run until it calls no more tools; return its messages.

    Args:
        llm: The model.
        style: One of ``STYLES``.
    """
    bound = llm.bind_tools([look])
    messages: list[BaseMessage] = [SYSTEM, QUESTION]
    while True:
        answer = await _ask(bound, messages, style=style)
        messages.append(answer)
        if not answer.tool_calls:
            return messages
        messages += [
            ToolMessage(f"{call['args']}: it burned.", tool_call_id=call["id"])
            for call in answer.tool_calls
        ]


async def _ask(llm: Any, messages: list[BaseMessage], *, style: str) -> AIMessage:
    if style == "invoke":
        return llm.invoke(messages)  # type: ignore[no-any-return]  # an AIMessage
    if style == "ainvoke":
        return await llm.ainvoke(messages)  # type: ignore[no-any-return]  # the same
    if style == "stream":
        chunks = list(llm.stream(messages))
    else:
        chunks = [chunk async for chunk in llm.astream(messages)]
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return whole  # type: ignore[no-any-return]  # an AIMessageChunk


def share(server: MoonshotServer) -> Share:
    """Count over all requests but the first what the server read from its cache."""
    chats = server.chats()
    read = held = 0
    for earlier, chat in pairwise(chats):
        whole = earlier.prompt_tokens + earlier.completion_tokens
        blocks = whole // BLOCK * BLOCK
        held += blocks
        read += min(chat.cached_tokens, blocks)
    return Share(read=read, held=held)


def ours(url: str) -> BaseChatModel:
    """Make a model of ours."""
    return ChatMoonshotCached(
        model=MODEL, api_key=KEY, base_url=url, registry="memory://"
    )


def plain(url: str) -> BaseChatModel:
    """Make a plain ``ChatOpenAI``."""
    return ChatOpenAI(model=MODEL, api_key=KEY, base_url=url, stream_usage=True)


async def _measure() -> dict[str, dict[str, Share]]:
    shares: dict[str, dict[str, Share]] = {}
    # ChatOpenAI loses the reasoning, which a real K3 refuses with 400.
    settings = Settings(require_reasoning=False)
    for name, make in (("ChatMoonshotCached", ours), ("ChatOpenAI", plain)):
        shares[name] = {}
        for style in STYLES:
            with StandIn(settings) as running:
                server = MoonshotServer(running.url, api_key=KEY)
                server.answer_next(*script())
                await play(make(running.base_url), style=style)
                shares[name][style] = share(server)
    return shares


def main() -> None:
    """Print what both models sent, and the shares of both in each style."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON, no table")
    options = parser.parse_args()
    sent = asyncio.run(agent_prefix.measure())
    shares = asyncio.run(_measure())
    if options.json:
        history = {
            name: {style: s.read / s.held for style, s in styles.items()}
            for name, styles in shares.items()
        }
        figures = {"prefix": agent_prefix.figures(sent), "history": history}
        print(json.dumps(figures, indent=1))
        return
    print(*agent_prefix.table(sent), sep="\n", end="\n\n")
    print(f"{CALLS} tool calls: of every earlier turn's full blocks, read from cache")
    for name, styles in shares.items():
        for style, counted in styles.items():
            print(f"{name:>20} {style:>8}  {counted}")
    print("ChatOpenAI could be measured only because the server did not insist on")
    print("the reasoning of turns with tool calls, as kimi-k3 does.")


if __name__ == "__main__":
    main()
