"""How much of an agent's history is read from the cache, beside ``ChatOpenAI``.

Both play the same script on the stand-in server: thirty tool calls by ``kimi-k3``, each
with reasoning, and with arguments as models write them and no serialiser does: spaces,
escapes, keys in odd order. The stand-in matches prefixes in blocks of 256 tokens over
what the model generated, so a turn that comes back with other bytes ends the match. The
answers are scripted; what is measured is what each client sends back.

The real API refuses a turn whose reasoning is missing. For ``ChatOpenAI``, which drops
it, that demand is switched off here; otherwise its second call would be its last.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_openai import ChatOpenAI

from langchain_moonshot_cache import ChatMoonshotCached
from langchain_moonshot_cache.server import Settings, StandIn
from langchain_moonshot_cache.testing import MoonshotServer

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

MODEL = "kimi-k3"
STEPS = 30
BLOCK = 256
"""Tokens in which prefixes are matched."""
TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Looks a lighthouse up.",
        "parameters": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "height": {"type": "number"},
                "number": {"type": "integer"},
            },
        },
    },
}
SYSTEM = SystemMessage("You know every lighthouse there ever was. " * 60)
QUESTION = HumanMessage("Look all of them up, one after the other.")
FINDING = "It stands on a rock, and its light is seen for thirty miles. " * 20


@dataclass(frozen=True, slots=True)
class Share:
    """What a client got of the whole blocks that the provider held.

    It holds each prompt and the turn that the model generated upon it.

    Attributes:
        client: Its name.
        blocks: Tokens in whole blocks held before each call, added up.
        read: Tokens of those that the call read from the cache.
        cost: What the loop cost, in yuan, by the server's bill.
    """

    client: str
    blocks: int
    read: int
    cost: str

    @property
    def percent(self) -> float:
        """The share in per cent."""
        return 100 * self.read / self.blocks


def turn(number: int) -> dict[str, Any]:
    """Write the answer of one step, oddly formatted."""
    odd = [
        '{"number" :%d,  "name":"Farol\\u00f3 %d" , "height": 1.50e1}',
        '{\n "name": "灯塔 %d",\n "number":%d\n}',
        '{"height":30.0,"number":%d,"name":"Tour \\/ %d"}',
    ][number % 3]
    return {
        "reasoning_content": f"Number {number} comes next, so I look it up. " * 12,
        "tool_calls": [{"name": "look_up", "arguments": odd % (number, number)}],
    }


def play(llm: Any, server: MoonshotServer, *, client: str) -> Share:
    """Let one client run the loop; return its share."""
    server.clear()
    agent = llm.bind_tools([TOOL])
    messages: list[BaseMessage] = [SYSTEM, QUESTION]
    for number in range(STEPS):
        server.answer_next(turn(number))
        answer = agent.invoke(messages)
        call = answer.tool_calls[0]
        messages += [answer, ToolMessage(FINDING, tool_call_id=call["id"])]
    calls = server.chats()
    blocks = read = 0
    for before, after in pairwise(calls):
        held = before.prompt_tokens + before.completion_tokens
        whole = held // BLOCK * BLOCK
        blocks += whole
        read += min(after.cached_tokens, whole)
    return Share(
        client=client,
        blocks=blocks,
        read=read,
        cost=str(server.bill(server.api_key).total),
    )


def compare() -> list[Share]:
    """Run the loop with both clients, each on an account of its own."""
    shares = []
    with StandIn(Settings(port=0, require_reasoning=False)) as running:
        for name, kind, options in (
            ("ChatMoonshotCached", ChatMoonshotCached, {"registry": "memory://"}),
            ("ChatOpenAI", ChatOpenAI, {}),
        ):
            server = MoonshotServer(running.url, api_key=f"sk-{name}")
            llm = kind(
                model=MODEL,
                base_url=server.base_url,
                api_key=server.api_key,
                **options,
            )
            shares.append(play(llm, server, client=name))
    return shares


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON, no table")
    if parser.parse_args().json:
        print(json.dumps([asdict(share) for share in compare()], indent=1))
        return
    print(f"{STEPS} tool calls, {MODEL}: held blocks that the next call read")
    print(f"{'client':>20} {'tokens':>9} {'read':>9} {'share':>8} {'cost CNY':>10}")
    for share in compare():
        print(
            f"{share.client:>20} {share.blocks:9} {share.read:9} "
            f"{share.percent:7.1f}% {share.cost:>10}"
        )


if __name__ == "__main__":
    main()
