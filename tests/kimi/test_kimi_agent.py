"""An agent's history comes back as it was generated, and is found in the cache."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from kimi_kit import BLOCK, LONG, QUESTION, Talk, kimi_of
from langchain_core.messages import ToolMessage

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

    from langchain_moonshot_cache.testing import MoonshotServer

STEPS = 30
TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Looks a lighthouse up.",
        "parameters": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "height": {"type": "number"}},
        },
    },
}
ODD = (
    '{"height" :1.50e1,  "name":"Farol\\u00f3 %d" }',
    '{\n "name": "灯塔 %d",\n "height":30.0\n}',
    '{"height":3E1,"name":"Tour \\/ %d"}',
)


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("style", ["invoke", "stream"])
async def test_thirty_odd_tool_calls_cost_no_block_of_the_turns_before(
    moonshot_server: MoonshotServer, colour: str, style: str
) -> None:
    talk = Talk(colour, style)
    agent: Any = kimi_of(moonshot_server).bind_tools([TOOL])
    messages: list[BaseMessage] = [LONG, QUESTION]
    for number in range(STEPS):
        arguments = ODD[number % len(ODD)] % number
        moonshot_server.answer_next(
            {
                "reasoning_content": f"Number {number} comes next. " * 20,
                "tool_calls": [{"name": "look_up", "arguments": arguments}],
            }
        )
        answer = await talk(agent, messages)
        [call] = answer.tool_calls
        found = ToolMessage("On a rock. " * 30, tool_call_id=call["id"])
        messages += [answer, found]
    for before, after in pairwise(moonshot_server.chats()):
        held = before.prompt_tokens + before.completion_tokens
        assert after.cached_tokens >= held // BLOCK * BLOCK
