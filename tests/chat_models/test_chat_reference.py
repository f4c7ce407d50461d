"""The first call creates a cache; later ones name it and send what is left."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from chat_kit import (
    METADATA,
    MODEL,
    QUESTION,
    SYSTEM,
    bodies,
    chat_requests,
    height,
    keeper,
    plain_of,
    reference,
    told,
)
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from pydantic import BaseModel
from typing_extensions import TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable

    from colour_kit import Face

    from langchain_moonshot_cache import ChatMoonshotCached
    from langchain_moonshot_cache.testing import MoonshotServer

    Make = Callable[..., ChatMoonshotCached]


class Lighthouse(BaseModel):
    """A lighthouse."""

    name: str
    metres: int


class LighthouseDict(TypedDict):
    """A lighthouse."""

    name: str
    metres: int


LighthouseDict.__name__ = "Lighthouse"  # the name of the function that is called
SCHEMAS: dict[str, Any] = {
    "pydantic": Lighthouse,
    "typed dict": LighthouseDict,
    "JSON schema": Lighthouse.model_json_schema(),
}

LOOP = [
    SYSTEM,
    QUESTION,
    AIMessage("", tool_calls=[{"name": "height", "args": {"name": "大"}, "id": "h:0"}]),
    ToolMessage("100 m", tool_call_id="h:0"),
    HumanMessage("And who keeps it?"),
    AIMessage(
        "", tool_calls=[{"name": "keeper", "args": {"name": "x"}, "id": "keeper:1"}]
    ),
    ToolMessage("nobody", tool_call_id="keeper:1"),
]
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
CALLS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "plain": ([SYSTEM, QUESTION], {}),
    "several system messages": ([SYSTEM, SystemMessage("Be brief."), QUESTION], {}),
    "names": ([SYSTEM, HumanMessage("Who am I?", name="Ada")], {}),
    "stop": ([SYSTEM, QUESTION], {"stop": ["lighthouse"]}),
    "max_tokens": ([SYSTEM, QUESTION], {"max_tokens": 5}),
    "another size": ([SYSTEM, QUESTION], {"model": "moonshot-v1-128k"}),
    "temperature": ([SYSTEM, QUESTION], {"temperature": 0.3}),
    "a picture": (
        [SYSTEM, HumanMessage([{"type": "text", "text": "?"}, PICTURE])],
        {"model": "kimi-k3"},
    ),
    "tool loop": (LOOP, {}),
    "Chinese": ([SystemMessage("你是 Kimi。"), HumanMessage("塔有多高？")], {}),
    "one choice": ([SYSTEM, QUESTION], {"n": 1}),
}


def without_ids(message: Any) -> Any:
    calls = [{**call, "id": None} for call in message.tool_calls]
    return message.content, calls, message.response_metadata["finish_reason"]


@pytest.mark.breaks_prefix("a ChatOpenAI asks the same, with tools in its own form")
@pytest.mark.parametrize("call", CALLS)
async def test_the_model_sees_and_answers_the_same_as_without_a_cache(
    face: Face, server: MoonshotServer, make: Make, clients: dict[str, Any], call: str
) -> None:
    bare = plain_of(server, stream_usage=True, **clients)
    for by, style, tools in product(
        ("message", "headers"), ("invoke", "stream"), ([], [height, keeper])
    ):
        server.clear()
        creates = server.creates()
        messages, kwargs = CALLS[call]
        messages = [SystemMessage(f"{by}, {style}, {len(tools)}"), *messages]
        cached = make(cache_reference=by)
        models = [
            model.bind_tools(tools) if tools else model
            for model in (bare, cached, cached)
        ]
        expected, *answers = [
            await face.answer(model, messages, style=style, **kwargs)
            for model in models
        ]

        seen, *others = [
            (chat.messages, chat.tools or None, chat.model) for chat in server.chats()
        ]
        assert others == [seen, seen]
        assert [without_ids(answer) for answer in answers] == [
            without_ids(expected)
        ] * 2
        if told(answers[0])["mechanism"] == "named":
            assert [told(answer)["outcome"] for answer in answers] == ["write", "hit"]
            assert server.creates() == creates + 1


async def test_a_list_of_text_parts_reaches_a_model_that_reads_text_alone(
    face: Face, style: str, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    parts: list[Any] = [{"type": "text", "text": "You know "}, "lighthouses."]
    asked: list[Any] = [{"type": "text", "text": "How tall?"}]
    for _ in range(2):
        prompt = [SystemMessage(parts), HumanMessage(asked)]
        await face.answer(llm, prompt, style=style)

    first, second = server.chats()
    assert first.messages == second.messages
    assert all(isinstance(message["content"], str) for message in first.messages)
    assert "lighthouses." in first.messages[0]["content"]
    assert server.creates() == 1


async def test_a_call_by_message_sends_the_reference_the_rest_and_no_tools(
    face: Face, style: str, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    bound = llm.bind_tools([height])
    answer = await face.answer(bound, [SYSTEM, QUESTION], style=style)

    [body] = bodies(server)
    [cache] = server.caches()
    assert "tools" not in body
    assert body["messages"] == [
        {"role": "cache", "content": f"cache_id={cache['id']};reset_ttl=3600"},
        {"role": "user", "content": QUESTION.content},
    ]
    assert cache["model"] == "moonshot-v1"
    assert cache["messages"] == [{"role": "system", "content": SYSTEM.content}]
    assert [tool["function"]["name"] for tool in cache["tools"]] == ["height"]
    assert told(answer)["cache_id"] == cache["id"]


async def test_a_call_by_headers_sends_everything_and_names_the_cache(
    face: Face, style: str, server: MoonshotServer, make: Make
) -> None:
    bound = make(cache_reference="headers").bind_tools([height])
    await face.answer(
        bound, [SYSTEM, QUESTION], style=style, extra_headers={"X-Mine": "kept"}
    )

    [request] = chat_requests(server)
    [cache] = server.caches()
    assert request.headers["x-msh-context-cache"] == cache["id"]
    assert request.headers["x-msh-context-cache-reset-ttl"] == "3600"
    assert request.headers["x-mine"] == "kept"
    assert [message["role"] for message in request.body["messages"]] == [
        "system",
        "user",
    ]
    assert request.body["tools"] == cache["tools"]


async def test_a_batch_makes_one_cache(
    face: Face, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    questions = [[SYSTEM, HumanMessage(f"Question {n}?")] for n in range(8)]
    answers = await face.batch(llm, questions)

    assert server.creates() == 1
    assert [f"Question {n}?" in a.content for n, a in enumerate(answers)] == [True] * 8
    assert sum(told(answer)["outcome"] == "write" for answer in answers) == 1
    assert {chat.messages[0]["content"] for chat in server.chats()} == {SYSTEM.content}


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
async def test_structured_output_comes_through_a_cache(
    face: Face, server: MoonshotServer, llm: ChatMoonshotCached, method: Any
) -> None:
    for kind, include_raw in product(SCHEMAS, (False, True)):
        if kind == "typed dict" and method == "json_mode":
            continue  # LangChain's JSON mode does not know them
        server.answer_next(_answer(method))
        typed = llm.with_structured_output(
            SCHEMAS[kind], method=method, include_raw=include_raw
        )
        result = await face.invoke(typed, [SYSTEM, QUESTION])
        if include_raw:
            assert result["parsing_error"] is None
            assert told(result["raw"])["mechanism"] == "named"
            result = result["parsed"]
        assert (isinstance(result, Lighthouse)) == (kind == "pydantic")
        found = result.model_dump() if isinstance(result, Lighthouse) else result
        assert found == {"name": "Pharos", "metres": 100}

    assert all(reference(body) for body in bodies(server))
    assert len(server.chats()) == len(bodies(server))


def _answer(method: str) -> Any:
    text = '{"name": "Pharos", "metres": 100}'
    if method != "function_calling":
        return text
    return {"tool_calls": [{"name": "Lighthouse", "arguments": text}]}


async def test_a_tool_loop_of_several_turns_runs_on_one_cache(
    face: Face, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    call = {"name": "height", "arguments": '{"name": "Pharos"}'}
    server.answer_next({"tool_calls": [call]}, {"tool_calls": [call]}, "It is 100 m.")
    bound = llm.bind_tools([height, keeper])
    messages: list[Any] = [SYSTEM, QUESTION]
    for _ in range(3):
        answer = await face.invoke(bound, messages)
        messages.append(answer)
        messages += [height.invoke(made) for made in answer.tool_calls]

    assert messages[-1].content == "It is 100 m."
    assert server.creates() == 1
    assert [len(body["messages"]) for body in bodies(server)] == [2, 4, 6]
    last = server.chats()[-1]
    assert [message["role"] for message in last.messages] == [
        *("system", "user", "assistant", "tool", "assistant", "tool")
    ]
    assert last.messages[3]["tool_call_id"] == last.messages[2]["tool_calls"][0]["id"]
    assert {len(chat.tools or ()) for chat in server.chats()} == {2}


@pytest.mark.parametrize("where", ["model_kwargs", "extra_body", "call", "call body"])
async def test_tools_reach_the_model_wherever_they_were_given(
    face: Face, style: str, server: MoonshotServer, make: Make, where: str
) -> None:
    tools = make().bind_tools([height]).kwargs["tools"]  # type: ignore[attr-defined]  # bind_tools returns a binding
    options = {
        "model_kwargs": {"model_kwargs": {"tools": tools}},
        "extra_body": {"extra_body": {"tools": tools}},
    }.get(where, {})
    kwargs = {"call": {"tools": tools}, "call body": {"extra_body": {"tools": tools}}}
    llm = make(**options)
    for _ in range(2):
        await face.answer(llm, [SYSTEM, QUESTION], style=style, **kwargs.get(where, {}))

    assert [chat.tools for chat in server.chats()] == [tools] * 2
    assert all(reference(body) for body in bodies(server))
    assert server.creates() == 1


async def test_the_users_own_body_and_headers_arrive(
    face: Face, style: str, server: MoonshotServer, make: Make
) -> None:
    llm = make(extra_body={"mine": [1]}, default_headers={"X-Always": "yes"}, seed=7)
    await face.answer(
        llm, [SYSTEM, QUESTION], style=style, extra_headers={"X-Once": "yes"}, user="me"
    )

    [request] = chat_requests(server)
    assert request.body["mine"] == [1]
    assert request.body["seed"] == 7
    assert request.body["user"] == "me"
    assert request.headers["x-always"] == request.headers["x-once"] == "yes"
    assert reference(request.body)


async def test_another_family_gets_no_named_cache_of_this_one(
    face: Face, style: str, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    await face.answer(llm, [SYSTEM, QUESTION], style=style)
    other = await face.answer(llm, [SYSTEM, QUESTION], style=style, model="kimi-k3")

    assert told(other)["mechanism"] == "prefix"
    assert reference(bodies(server)[-1]) is None
    assert bodies(server)[-1]["model"] == "kimi-k3"


async def test_several_choices_each_carry_the_metadata(
    face: Face, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    choice = {"message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}
    server.fail(
        "status",
        path="/v1/chat/completions",
        status=200,
        body={
            "id": "x",
            "object": "chat.completion",
            "model": MODEL,
            "choices": [{"index": n, **choice} for n in range(2)],
            "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
        },
    )
    result = (
        llm.generate([[SYSTEM, QUESTION]], n=2)
        if face.is_sync
        else await llm.agenerate([[SYSTEM, QUESTION]], n=2)
    )
    found = [g.message.response_metadata[METADATA] for g in result.generations[0]]  # type: ignore[union-attr]  # generations of a chat model
    assert found[0] == found[1]
    assert found[0] is not found[1]
