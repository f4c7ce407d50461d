"""An agent of thirty tool calls reads all of its history from the cache."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from agent_loop import CALLS, QUESTION, STYLES, SYSTEM, look, play, script, share
from chat_kit import KEY, bodies, height, keeper, told
from kimi_kit import K3
from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

if TYPE_CHECKING:
    from kimi_kit import Json, Make, Talk

    from langchain_moonshot_cache import ChatMoonshotCached
    from langchain_moonshot_cache.testing import MoonshotServer


@pytest.mark.parametrize("version", [None, "v1"])
@pytest.mark.parametrize("style", STYLES)
async def test_every_full_block_of_every_earlier_turn_is_read_from_the_cache(
    server: MoonshotServer, make: Make, style: str, version: str | None
) -> None:
    server.answer_next(*script())
    with get_usage_metadata_callback() as callback:
        messages = await play(make(output_version=version), style=style)
    chats = server.chats()
    assert len(chats) == CALLS + 1
    counted = share(server)
    assert counted.read == counted.held > 30_000

    # What the answers say is what the server counted.
    answers = [message for message in messages if isinstance(message, AIMessage)]
    assert [told(answer)["tokens_cached"] for answer in answers] == [
        chat.cached_tokens for chat in chats
    ]
    total: Any = callback.usage_metadata[K3]
    assert total["input_tokens"] == sum(chat.prompt_tokens for chat in chats)


@pytest.mark.breaks_prefix("a ChatOpenAI writes arguments anew and loses the reasoning")
async def test_a_chat_openai_reads_less_on_the_same_script(
    server: MoonshotServer, clients: dict[str, Any]
) -> None:
    server.configure(require_reasoning=False)
    server.answer_next(*script())
    url, key = server.base_url, SecretStr(KEY)
    await play(
        ChatOpenAI(model=K3, base_url=url, api_key=key, **clients), style="invoke"
    )
    counted = share(server)
    assert counted.read < 0.95 * counted.held


async def test_tools_are_sent_in_one_order_whatever_order_they_are_bound_in(
    talk: Talk, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    tools = [look, height, keeper]
    answer = await talk(llm.bind_tools(tools), [SYSTEM, QUESTION])
    again = await talk(llm.bind_tools(tools[::-1]), [SYSTEM, QUESTION])
    first, second = bodies(server)
    assert str(first["tools"]) == str(second["tools"])
    assert [tool["function"]["name"] for tool in first["tools"]] == [
        "height",
        "keeper",
        "look",
    ]
    assert told(answer)["outcome"] == "write"
    assert told(again)["tokens_cached"] == server.chats()[1].prompt_tokens


def turned(value: Any) -> Any:
    """Turn the keys of all objects around, but not those of properties."""
    if isinstance(value, list):
        return [turned(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: value[name] if name == "properties" else turned(value[name])
        for name in list(value)[::-1]
    }


async def test_tools_that_mean_the_same_are_the_same_bytes(
    talk: Talk, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    parameters: Json = {
        "type": "object",
        "properties": {"b": {"type": "string", "title": "B"}, "a": {"type": "null"}},
        "required": ["b", "a"],
    }
    said: Json = {"name": "f", "description": "Does f.", "parameters": parameters}
    one: Json = {"type": "function", "function": said}
    other = turned(one)
    other["function"]["parameters"]["required"] = ["a", "b"]
    await talk(llm, [SYSTEM, QUESTION], tools=[one])
    await talk(llm, [SYSTEM, QUESTION], tools=[other])
    first, second = bodies(server)
    assert str(first["tools"]) == str(second["tools"])


PROGRAM = """
import json
from agent_loop import look
from langchain_core.tools import tool
from pydantic import BaseModel
from langchain_moonshot_cache import ChatMoonshotCached

@tool
def keeper(name: str, also: set[str], how: dict[str, int] | None = None) -> str:
    "Tell the keeper."
    return name

llm = ChatMoonshotCached(api_key="sk-test", registry="memory://")
tools = llm.bind_tools({tools}).kwargs["tools"]
payload = llm._get_request_payload("hello", tools=tools)
print(json.dumps(payload["extra_body"], ensure_ascii=True))
"""


def test_tools_are_the_same_bytes_in_every_process() -> None:
    path = os.pathsep.join(filter(None, sys.path))
    seen = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM.replace("{tools}", order)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
            check=True,
            capture_output=True,
        ).stdout
        for seed, order in (("0", "[look, keeper]"), ("1", "[keeper, look]"))
    }
    assert len(seen) == 1
    assert b"keeper" in seen.pop()
