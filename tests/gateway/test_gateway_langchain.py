"""The chat model at a gateway: as at the vendor's, with an engine of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from chat_kit import height
from gateway_kit import LONG, chunk, completion, eventually, refusal, say, stream
from langchain_core.messages import HumanMessage, SystemMessage

from langchain_moonshot_cache import ChatMoonshotCached

if TYPE_CHECKING:
    from colour_kit import Face
    from gateway_kit import Engineroom, Gate, MakeGate

    from langchain_moonshot_cache.testing import MoonshotServer

SIZES = {"moonshot-v1-8k": "kimi-k3", "moonshot-v1-32k": "kimi-k3"}
SYSTEM = SystemMessage(LONG["content"])
QUESTIONS = ["How tall is it?", "Who keeps it?", "Where does it stand?"]
METADATA = "moonshot_cache"


def model_at(gate: Gate, **options: Any) -> ChatMoonshotCached:
    defaults: dict[str, Any] = {
        "model": "moonshot-v1-8k",
        "api_key": "sk-ours",
        "base_url": gate.gateway.base_url,
        "registry": "memory://",
        "cache_policy": "always",
        "cache_wait": 10,
        "max_retries": 0,
    }
    return ChatMoonshotCached(**{**defaults, **options})


@pytest.mark.parametrize("style", ["invoke", "stream"])
async def test_a_conversation_over_a_cache_hits_what_the_engine_holds(
    style: str, face: Face, make_gate: MakeGate, moonshot_server: MoonshotServer
) -> None:
    gate = make_gate(upstream={"models": SIZES})
    llm = model_at(gate).bind_tools([height])
    told = []
    for question in QUESTIONS:
        answer = await face.answer(llm, [SYSTEM, HumanMessage(question)], style=style)
        told.append(answer.response_metadata[METADATA])
    assert [each["outcome"] for each in told] == ["write", "hit", "hit"]
    assert {each["mechanism"] for each in told} == {"named"}
    _, *chats = moonshot_server.chats()
    assert [each["tokens_cached"] for each in told] == [c.cached_tokens for c in chats]
    assert all(chat.cached_tokens for chat in chats)
    for chat in chats:
        assert chat.messages[0] == LONG
        assert [tool["function"]["name"] for tool in chat.tools or ()] == ["height"]
    assert len(gate.get("/caching").json()["data"]) == 1


async def test_released_caches_are_gone_at_the_gateway(
    face: Face, make_gate: MakeGate
) -> None:
    gate = make_gate(upstream={"models": SIZES})
    llm = model_at(gate)
    await face.warm(llm, [SYSTEM])
    assert len(gate.get("/caching").json()["data"]) == 1
    await face.release(llm)
    assert gate.get("/caching").json()["data"] == []


@pytest.mark.parametrize("style", ["invoke", "stream"])
async def test_what_the_engine_does_not_report_is_unknown(
    style: str, face: Face, make_gate: MakeGate, engineroom: Engineroom
) -> None:
    gate = make_gate(upstream={"url": engineroom.url})
    llm = model_at(gate, model="some/model", caching="named")
    await face.warm(llm, [SYSTEM])
    finish = {"index": 0, "delta": {}, "finish_reason": "stop"}
    if style == "stream":
        engineroom.answer = stream(chunk("137"), chunk(choices=[finish]))
    answer = await face.answer(llm, [SYSTEM, HumanMessage("?")], style=style)
    assert answer.response_metadata[METADATA]["outcome"] == "unknown"
    assert answer.response_metadata[METADATA]["tokens_cached"] is None
    assert answer.usage_metadata is None


async def test_a_prefix_that_the_engine_refuses_is_sent_in_full(
    face: Face, make_gate: MakeGate, engineroom: Engineroom
) -> None:
    gate = make_gate(upstream={"url": engineroom.url})
    llm = model_at(gate, model="some/model", caching="named")

    async def no_single_token(line: Any) -> None:
        refuses = engineroom.seen[-1].get("max_tokens") == 1
        answer = refusal("400 Bad Request", "not so") if refuses else completion()
        await say(answer)(line)

    engineroom.answer = no_single_token
    answer = await face.invoke(llm, [SYSTEM, HumanMessage("?")])
    assert answer.content == "137 metres"
    assert answer.response_metadata[METADATA]["outcome"] == "bypassed"
    assert engineroom.seen[-1]["messages"][0] == LONG


async def test_an_automatic_cache_is_seen_through_the_gateway(
    face: Face, gate: Gate
) -> None:
    llm = model_at(gate, model="kimi-k3")
    told = []
    for question in QUESTIONS:
        answer = await face.streamed(llm, [SYSTEM, HumanMessage(question)])
        told.append(answer.response_metadata[METADATA])
    assert [each["mechanism"] for each in told] == ["prefix"] * 3
    assert [each["outcome"] for each in told][1:] == ["hit", "hit"]


async def test_a_stream_that_breaks_off_is_an_error(
    face: Face, make_gate: MakeGate, engineroom: Engineroom
) -> None:
    engineroom.answer = stream(chunk("137"))
    gate = make_gate(upstream={"url": engineroom.url})
    llm = model_at(gate, model="some/model", caching="off")
    with pytest.raises(Exception, match="broke off"):
        await face.streamed(llm, "How tall is it?")
    eventually(lambda: gate.figures()["questions_in_flight"] == 0)
