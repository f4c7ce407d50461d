"""Which messages are the prefix: marks, rules, and messages changed in place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from chat_kit import MODEL, QUESTION, SYSTEM, bodies, height, reference, told
from langchain_core.messages import (
    AIMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from langchain_moonshot_cache import CachePolicy
from langchain_moonshot_cache.chat_models.rules import readable

if TYPE_CHECKING:
    from collections.abc import Callable

    from colour_kit import Face

    from langchain_moonshot_cache import ChatMoonshotCached
    from langchain_moonshot_cache.testing import MoonshotServer

    Make = Callable[..., ChatMoonshotCached]

DOCUMENT = "The lighthouse of Alexandria stood on Pharos."
MARKS: dict[str, Any] = {
    "additional_kwargs": HumanMessage(DOCUMENT, additional_kwargs={"cache": True}),
    "cache_control": HumanMessage(
        [{"type": "text", "text": DOCUMENT, "cache_control": {"type": "ephemeral"}}]
    ),
    "breakpoint": HumanMessage(
        [{"type": "text", "text": DOCUMENT, "prompt_cache_breakpoint": True}]
    ),
    "cache_control in extras": HumanMessage(
        [
            {
                "type": "text",
                "text": DOCUMENT,
                "extras": {"cache_control": {"type": "ephemeral"}},
            }
        ]
    ),
    "breakpoint in extras": HumanMessage(
        [
            {
                "type": "text",
                "text": DOCUMENT,
                "extras": {"prompt_cache_breakpoint": True},
            }
        ]
    ),
}
CALL = {"name": "height", "args": {"name": "Pharos"}, "id": "height:0"}


def no_marker_in(server: MoonshotServer) -> None:
    text = json.dumps([request.body for request in server.requests()])
    for word in ("cache_control", "prompt_cache_breakpoint", "ephemeral", "extras"):
        assert word not in text


@pytest.mark.parametrize("mark", MARKS)
async def test_a_mark_ends_the_prefix_and_is_never_sent(
    face: Face, style: str, server: MoonshotServer, llm: ChatMoonshotCached, mark: str
) -> None:
    answers = [
        await face.answer(llm, [SYSTEM, MARKS[mark], QUESTION], style=style)
        for _ in range(2)
    ]

    [cache] = server.caches()
    assert [message["role"] for message in cache["messages"]] == ["system", "user"]
    assert DOCUMENT in json.dumps(cache["messages"][1])
    assert [len(body["messages"]) for body in bodies(server)] == [2, 2]
    assert told(answers[1])["outcome"] == "hit"
    no_marker_in(server)


async def test_marks_in_what_is_not_cached_and_in_tools_are_not_sent_either(
    face: Face, style: str, server: MoonshotServer, make: Make
) -> None:
    [tool] = make().bind_tools([height]).kwargs["tools"]  # type: ignore[attr-defined]  # bind_tools returns a binding
    marker = {"cache_control": {"type": "ephemeral"}}
    tools = [{**tool, **marker, "extras": marker}]
    for options in ({}, {"caching": "off"}, {"cache_reference": "headers"}):
        await face.answer(
            make(**options), [SYSTEM, MARKS["cache_control"]], style=style, tools=tools
        )
    assert [chat.tools for chat in server.chats()] == [[tool]] * 3
    no_marker_in(server)


async def test_the_last_of_several_marks_counts(
    face: Face, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    marked = [
        HumanMessage(f"Part {n}", additional_kwargs={"cache": True}) for n in range(3)
    ]
    await face.invoke(llm, [SYSTEM, *marked, QUESTION])
    assert len(server.caches()[0]["messages"]) == 4


async def test_a_mark_on_the_last_message_leaves_it_in_the_request(
    face: Face, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    await face.invoke(llm, [SYSTEM, MARKS["additional_kwargs"]])
    assert bodies(server)[0]["messages"][1:] == [{"role": "user", "content": DOCUMENT}]
    assert len(server.caches()[0]["messages"]) == 1


async def test_a_system_message_that_stands_alone_is_asked_and_not_cached(
    face: Face, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    answer = await face.invoke(llm, [SYSTEM])
    assert told(answer)["reason"].startswith("the prompt begins with nothing")
    assert server.creates() == 0


@pytest.mark.parametrize(
    ("asked", "seconds"), [(60, 60), ("5m", 300), ("1h", 3600), (None, 1800)]
)
async def test_the_lifetime_in_a_mark_is_honoured(
    face: Face, server: MoonshotServer, make: Make, asked: Any, seconds: int
) -> None:
    mark = SystemMessage("Mind.", additional_kwargs={"cache": {"ttl": asked}})
    answer = await face.invoke(make(cache_ttl=1800), [mark, QUESTION])
    [created] = server.requests(method="POST", path="/v1/caching")
    assert created.body["ttl"] == seconds
    content = bodies(server)[0]["messages"][0]["content"]
    assert content == f"cache_id={told(answer)['cache_id']};reset_ttl={seconds}"


@pytest.mark.parametrize("ttl", [29, 3601, -1])
async def test_an_impossible_lifetime_in_a_mark_is_explained_in_the_reason(
    face: Face, style: str, server: MoonshotServer, llm: ChatMoonshotCached, ttl: int
) -> None:
    mark = SystemMessage("Mind.", additional_kwargs={"cache": {"ttl": ttl}})
    answer = await face.answer(llm, [mark, QUESTION], style=style)
    assert told(answer)["outcome"] == "bypassed"
    assert "from 30 to 3600 seconds" in told(answer)["reason"]
    assert server.creates() == 0


@pytest.mark.parametrize("messages", [[QUESTION], [SYSTEM], [HumanMessage("x")] * 3])
async def test_a_prompt_that_begins_with_nothing_to_cache_goes_as_it_is(
    face: Face, style: str, server: MoonshotServer, make: Make, messages: list[Any]
) -> None:
    answer = await face.answer(make(), messages, style=style)
    assert told(answer)["outcome"] == "bypassed"
    assert "nothing that could be cached" in told(answer)["reason"]
    assert server.creates() == 0


async def test_a_prefix_never_ends_between_a_tool_call_and_its_answer(
    face: Face, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    asks = AIMessage("", tool_calls=[CALL], additional_kwargs={"cache": True})
    tells = ToolMessage("100 m", tool_call_id="height:0")
    bound = llm.bind_tools([height])
    await face.invoke(bound, [SYSTEM, QUESTION, asks, tells])
    assert [m["role"] for m in server.caches()[0]["messages"]] == ["system", "user"]
    assert [m["role"] for m in server.chats()[0].messages] == [
        *("system", "user", "assistant", "tool")
    ]

    tells.additional_kwargs["cache"] = True
    await face.invoke(bound, [SYSTEM, QUESTION, asks, tells, HumanMessage("So?")])
    assert sorted(len(cache["messages"]) for cache in server.caches()) == [2, 4]


async def test_a_tool_call_with_no_settled_place_before_it_bypasses_the_cache(
    face: Face, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    asks = AIMessage("", tool_calls=[CALL], additional_kwargs={"cache": True})
    tells = ToolMessage("100 m", tool_call_id="height:0")
    answer = await face.invoke(llm.bind_tools([height]), [asks, tells])
    assert "no answer yet" in told(answer)["reason"]
    assert server.creates() == 0


def _change_text(messages: list[Any]) -> None:
    messages[0].content = "You know everything about windmills."


def _change_block(messages: list[Any]) -> None:
    messages[1].content[0]["text"] = "changed"


def _change_call(messages: list[Any]) -> None:
    messages[2].tool_calls[0]["args"]["name"] = "Genoa"


def _change_answer(messages: list[Any]) -> None:
    messages[3].tool_call_id = messages[2].tool_calls[0]["id"] = "height:9"


def _change_name(messages: list[Any]) -> None:
    messages[1].name = "Ada"


@pytest.mark.parametrize(
    "change", [_change_text, _change_block, _change_call, _change_answer, _change_name]
)
async def test_messages_changed_in_place_reach_the_model_as_they_are_now(
    face: Face,
    server: MoonshotServer,
    llm: ChatMoonshotCached,
    change: Callable[[list[Any]], None],
) -> None:
    call = {"name": "height", "args": {"name": "Pharos"}, "id": "height:0"}
    messages = [
        SystemMessage("You know everything about lighthouses."),
        HumanMessage([{"type": "text", "text": "How tall?"}]),
        AIMessage("", tool_calls=[call]),
        ToolMessage(
            "100 m", tool_call_id="height:0", additional_kwargs={"cache": True}
        ),
        QUESTION,
    ]
    bound = llm.bind_tools([height])
    await face.invoke(bound, messages)
    change(messages)
    await face.invoke(bound, messages)

    first, second = server.chats()
    assert first.messages != second.messages
    assert second.messages == readable(llm._to_wire(messages), model=MODEL)
    assert server.creates() == 2


async def test_tools_changed_in_place_reach_the_model_as_they_are_now(
    face: Face, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    bound: Any = llm.bind_tools([height])
    await face.invoke(bound, [SYSTEM, QUESTION])
    bound.kwargs["tools"][0]["function"]["description"] = "Something else."
    await face.invoke(bound, [SYSTEM, QUESTION])

    described = [chat.tools[0]["function"] for chat in server.chats() if chat.tools]
    assert [d["description"] for d in described][1] == "Something else."
    assert described[0] != described[1]
    assert server.creates() == 2


async def test_equal_values_of_different_types_are_different_prefixes(
    face: Face, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    for value in (1, 1.0, True):
        parameters = {"type": "object", "properties": {"n": {"default": value}}}
        tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
        await face.invoke(llm, [SYSTEM, QUESTION], tools=[tool])
    assert server.creates() == 3


async def test_the_economic_policy_leaves_short_prefixes_alone(
    face: Face, style: str, server: MoonshotServer, make: Make
) -> None:
    llm = make(cache_policy="economic", model="moonshot-v1-128k")
    short = await face.answer(llm, [SYSTEM, QUESTION], style=style)
    long = [SystemMessage("lighthouse " * 4000), QUESTION]
    first, second = [await face.answer(llm, long, style=style) for _ in range(2)]

    assert told(short)["outcome"] == "bypassed"
    assert "a cache pays from 2048" in told(short)["reason"]
    assert [told(first)["outcome"], told(second)["outcome"]] == ["write", "hit"]
    assert server.creates() == 1
    [created] = server.requests(method="POST", path="/v1/caching")
    assert created.body["ttl"] in range(60, 601, 60)


async def test_a_policy_of_ones_own_decides_on_size_lifetime_and_renewal(
    face: Face, server: MoonshotServer, make: Make
) -> None:
    policy = CachePolicy(least_tokens=5, ttl=120, renew_below=0.0)
    llm = make(cache_policy=policy)
    await face.invoke(llm, [SYSTEM, QUESTION])
    await face.invoke(llm, [SystemMessage("No."), QUESTION])

    [created] = server.requests(method="POST", path="/v1/caching")
    assert created.body["ttl"] == 120
    first, second = bodies(server)
    assert "reset_ttl" not in first["messages"][0]["content"]
    assert reference(second) is None


@pytest.mark.parametrize("caching", ["off", "prefix"])
async def test_without_named_caching_nothing_is_created_even_by_warm(
    face: Face, style: str, server: MoonshotServer, make: Make, caching: str
) -> None:
    llm = make(caching=caching)
    warmed = await face.warm(llm, [SYSTEM])
    answer = await face.answer(llm, [SYSTEM, QUESTION], style=style)

    assert warmed.reason == told(answer)["reason"]
    assert told(answer)["mechanism"] == caching
    assert server.requests(path="/v1/caching") == []
    assert await face.release(llm) == 0


@pytest.mark.parametrize(
    ("options", "mechanism"),
    [
        ({"model": "moonshot-v1-8k"}, "named"),
        ({"model": "kimi-k3"}, "prefix"),
        ({"model": "kimi-k3", "caching": "named"}, "named"),
        ({"caching": "prefix"}, "prefix"),
    ],
)
async def test_the_mechanism_follows_the_option_and_the_model(
    face: Face, make: Make, options: dict[str, str], mechanism: str
) -> None:
    answer = await face.invoke(make(**options), [SYSTEM, QUESTION])
    assert told(answer)["mechanism"] == mechanism
    assert QUESTION.content in answer.text


async def test_parts_of_text_are_the_same_prefix_by_message_and_by_headers(
    face: Face, server: MoonshotServer, make: Make
) -> None:
    for by in ("message", "headers"):
        llm = make(cache_reference=by)
        for _ in range(2):
            answer = await face.invoke(llm, [SYSTEM, MARKS["cache_control"], QUESTION])
        assert told(answer)["outcome"] == "hit"
    assert len({chat.prompt_tokens for chat in server.chats()}) == 1
    assert all(chat.messages == server.chats()[0].messages for chat in server.chats())
