"""What an agent sends over a long prefix with a named cache, beside ``ChatOpenAI``.

An agent of ``create_agent`` makes thirty calls of the model over a system prompt of
20,000 tokens. Both models play the same script against a stand-in server each, which
counts caches, calls and the bytes of all request bodies, those to ``/v1/caching``
included. The counts do not vary; ``python benchmarks/agent_loop.py`` prints them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

from langchain_moonshot_cache import ChatMoonshotCached
from langchain_moonshot_cache.server import StandIn
from langchain_moonshot_cache.testing import MoonshotServer

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["STEPS", "Sent", "figures", "measure", "share_of_bytes", "table"]

MODEL = "moonshot-v1-128k"
KEY = "sk-benchmark"
STEPS = 30
"""Calls of the model: all but the last one ask for the tool."""
ARTICLES = 746
"""Articles of the handbook; so many have 20,000 tokens by the server's count."""

QUESTION = {"messages": [("human", "Did the lamp burn in every night of this month?")]}


@dataclass(frozen=True, slots=True)
class Sent:
    """What one model sent for the whole run, by the server's count.

    Attributes:
        calls: Calls of the model.
        creates: Caches that were made.
        hits: Calls whose answer tells a hit; the one that made the cache does not.
        referenced: Calls in which the server used a cache.
        prefix_tokens: Tokens of the cache; 0 if none was made.
        sent_bytes: Bytes of all request bodies.
    """

    calls: int
    creates: int
    hits: int
    referenced: int
    prefix_tokens: int
    sent_bytes: int


def handbook(articles: int = ARTICLES) -> str:
    """Write a long system prompt; no two articles are the same."""
    rules = (
        f"Article {n}. In night {n} the keeper looks at lamp {n % 7} first, then at "
        f"the wind, and enters both on page {n * 3}.\n"
        for n in range(articles)
    )
    return "You keep the log of a lighthouse by this handbook.\n" + "".join(rules)


@tool
def look(night: int) -> str:
    """Look up a night in the log."""
    return f"Night {night}: the lamp burned until sunrise; wind from south-west."


def script(steps: int = STEPS) -> Iterator[dict[str, Any] | str]:
    """Write the answers of a model that looks at one night after the other."""
    for night in range(1, steps):
        arguments = f'{{"night": {night}}}'
        yield {"tool_calls": [{"name": "look", "arguments": arguments}]}
    yield "It burned in every night."


async def run_agent(llm: Any, *, is_sync: bool) -> list[Any]:
    """Let an agent look at every night; return its messages."""
    agent: Any = create_agent(llm, tools=[look], system_prompt=handbook())
    said = agent.invoke(QUESTION) if is_sync else await agent.ainvoke(QUESTION)
    return list(said["messages"])


def count(server: MoonshotServer, messages: list[Any]) -> Sent:
    """Read from the server, and from the answers, what a run took."""
    chats = server.chats()
    told = [
        message.response_metadata.get("moonshot_cache", {}).get("outcome")
        for message in messages
        if isinstance(message, AIMessage)
    ]
    return Sent(
        calls=len(chats),
        creates=server.creates(),
        hits=Counter(told)["hit"],
        referenced=sum(chat.cache_id is not None for chat in chats),
        prefix_tokens=sum(cache["tokens"] for cache in server.caches()),
        sent_bytes=sum(request.body_bytes for request in server.requests()),
    )


def ours(url: str) -> ChatMoonshotCached:
    """Make a model of ours."""
    return ChatMoonshotCached(
        model=MODEL, api_key=KEY, base_url=url, registry="memory://"
    )


def plain(url: str) -> ChatOpenAI:
    """Make a plain ``ChatOpenAI``."""
    return ChatOpenAI(model=MODEL, api_key=KEY, base_url=url)


async def measure(*, is_sync: bool = True) -> dict[str, Sent]:
    """Run the agent on both models, with a server for each."""
    sent: dict[str, Sent] = {}
    for name, make in (("ChatMoonshotCached", ours), ("ChatOpenAI", plain)):
        with StandIn() as running:
            server = MoonshotServer(running.url, api_key=KEY)
            server.answer_next(*script())
            messages = await run_agent(make(running.base_url), is_sync=is_sync)
            sent[name] = count(server, messages)
    return sent


def share_of_bytes(sent: dict[str, Sent]) -> float:
    """Return what our model sent of what the plain one did."""
    return sent["ChatMoonshotCached"].sent_bytes / sent["ChatOpenAI"].sent_bytes


def figures(sent: dict[str, Sent]) -> dict[str, Any]:
    """Write the counts down for other programs."""
    models = {name: asdict(counted) for name, counted in sent.items()}
    return {"model": MODEL, "share_of_bytes": share_of_bytes(sent), **models}


def table(sent: dict[str, Sent]) -> Iterator[str]:
    """Write the counts down for people."""
    tokens = sent["ChatMoonshotCached"].prefix_tokens
    yield f"{STEPS} steps of an agent over a prefix of {tokens:,} tokens, {MODEL}"
    yield f"{'':>20} {'calls':>6} {'caches':>7} {'hits':>5} {'bytes sent':>11}"
    for name, counted in sent.items():
        yield (
            f"{name:>20} {counted.calls:>6} {counted.creates:>7} {counted.hits:>5} "
            f"{counted.sent_bytes:>11,}"
        )
    yield f"{'':>20} {share_of_bytes(sent):.1%} of the bytes"
