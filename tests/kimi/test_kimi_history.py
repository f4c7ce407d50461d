"""What the model generated goes back to it byte for byte, whatever happened since."""

from __future__ import annotations

import pickle
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from chat_kit import bodies, height, keeper, told
from kimi_kit import LATER, LONG, QUESTION
from langchain_core._api import LangChainBetaWarning
from langchain_core.load import dumps, loads
from langchain_core.messages import (
    AIMessage,
    HumanMessage,
    ToolMessage,
    messages_from_dict,
    messages_to_dict,
    trim_messages,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from colour_kit import Face
    from kimi_kit import Json, Make, Talk

    from langchain_moonshot_cache import ChatMoonshotCached
    from langchain_moonshot_cache.testing import MoonshotServer

ODD: dict[str, str] = {
    "spaces": '{ "name" :  "Pharos" }',
    "line breaks": '{\n  "name": "Pharos"\n}\n',
    "key order": '{"z":1,"name":"Pharos","a":2}',
    "escapes": '{"name":"\\u4e2d\\u6587 \\/ \\u00e9"}',
    "unicode": '{"name":"中文 é 🗼"}',
    "a raw line break in a string": '{"name":"a\nb"}',
    "a key twice": '{"name":"a","name":"Pharos"}',
    "numbers": '{"name":"x","a":1.0,"b":1e3,"c":1E400,"d":-0}',
    "half a surrogate pair": '{"name":"\\ud83d"}',
    "nothing": "",
    "no arguments": "{ }",
    "null": "null",
    "cut off": '{"name": "Pha',
    "no JSON": "Pharos, please",
    "not an object": '["Pharos"]',
}
OPENING = [LONG, QUESTION]


def asking(*arguments: str) -> Json:
    """Return an answer with a call of ``height`` for each argument string."""
    calls = [
        {"id": f"functions.height:{n}", "name": "height", "arguments": text}
        for n, text in enumerate(arguments)
    ]
    return {
        "reasoning_content": "先想一想。\n  hm ",
        "content": "",
        "tool_calls": calls,
    }


def arguments_of(turn: Json) -> list[str]:
    """Return the argument strings of a turn on the wire."""
    return [call["function"]["arguments"] for call in turn["tool_calls"]]


def results(message: AIMessage) -> list[ToolMessage]:
    """Answer every call, those that LangChain could not read too."""
    calls: list[Any] = [*message.tool_calls, *message.invalid_tool_calls]
    ids = sorted(call["id"] for call in calls)
    return [ToolMessage("100 m", tool_call_id=name) for name in ids]


def generated(server: MoonshotServer, index: int = 0) -> Json:
    """Return a turn as the engine generated it."""
    return server.chats()[index].answer


def sent_back(server: MoonshotServer, place: int = 2) -> Json:
    """Return a turn as the last request brought it back."""
    turn: Json = bodies(server)[-1]["messages"][place]
    return turn


@pytest.mark.parametrize("version", [None, "v1"])
async def test_a_turn_with_tool_calls_comes_back_as_it_was_generated(
    talk: Talk, server: MoonshotServer, make: Make, version: str | None
) -> None:
    llm = make(output_version=version).bind_tools([height])
    server.answer_next(asking(*ODD.values()), "so")
    answer = await talk(llm, OPENING)
    history = [*OPENING, answer, *results(answer)]
    later = await talk(llm, history)

    original, back = generated(server), sent_back(server)
    assert arguments_of(back) == arguments_of(original) == list(ODD.values())
    assert back["tool_calls"] == original["tool_calls"]
    assert back["reasoning_content"] == original["reasoning_content"]
    assert told(later)["outcome"] == "hit"


@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_a_turn_put_together_from_events_comes_back_as_it_was_generated(
    server: MoonshotServer, llm: ChatMoonshotCached, colour: str
) -> None:
    bound: Any = llm.bind_tools([height])
    # LangChain's own assembly of events fails on JSON that is no object.
    texts = [ODD[name] for name in ODD if name not in {"null", "not an object"}]
    server.answer_next(asking(*texts), "so")
    if colour == "sync":
        answer = bound.stream_events(OPENING, version="v3").output
    else:
        answer = await (await bound.astream_events(OPENING, version="v3")).output
    (chat,) = server.chats()
    assert answer.usage_metadata["input_tokens"] == chat.prompt_tokens
    assert told(answer)["tokens_written"] == chat.cache_write_tokens
    later = await bound.ainvoke([*OPENING, answer, *results(answer)])
    assert sent_back(server)["tool_calls"] == generated(server)["tool_calls"]
    assert told(later)["outcome"] == "hit"


@pytest.mark.parametrize("version", [None, "v1"])
async def test_a_turn_without_tool_calls_comes_back_with_its_reasoning(
    talk: Talk, server: MoonshotServer, make: Make, version: str | None
) -> None:
    llm = make(output_version=version)
    server.answer_next({"content": "100 m. 约。", "reasoning_content": "think\n"}, "so")
    answer = await talk(llm, OPENING)
    await talk(llm, [*OPENING, answer, LATER])
    assert sent_back(server) == generated(server)


@pytest.mark.parametrize("model", ["kimi-k2.6", "moonshot-v1-8k"])
@pytest.mark.parametrize("version", [None, "v1"])
async def test_a_turn_without_reasoning_comes_back_as_text(
    talk: Talk,
    server: MoonshotServer,
    make: Make,
    model: str,
    version: str | None,
) -> None:
    options: Json = {"extra_body": {"thinking": {"type": "disabled"}}}
    given = options if model.startswith("kimi") else {}
    llm = make(model=model, output_version=version, caching="prefix", **given)
    server.answer_next("one\ntwo", "so")
    answer = await talk(llm, OPENING)
    await talk(llm, [*OPENING, answer, LATER])
    assert sent_back(server) == {"role": "assistant", "content": "one\ntwo"}


async def asked_for(face: Face, server: MoonshotServer, llm: Any) -> AIMessage:
    """Have the model call ``height`` twice, in a form of its own."""
    server.answer_next(asking('{ "name":"Pharos" }', '{ "name":"Eddystone" }'), "so")
    return await face.answer(llm, OPENING, style="stream")


def tampered(message: AIMessage) -> None:
    message.tool_calls[0]["args"]["name"] = "Alexandria"


def renamed(message: AIMessage) -> None:
    message.tool_calls[0]["name"] = "keeper"


def removed(message: AIMessage) -> None:
    del message.tool_calls[0]


def readdressed(message: AIMessage) -> None:
    message.tool_calls[0]["id"] = "mine:7"


CHANGES: dict[Callable[[AIMessage], None], list[tuple[str, str, str]]] = {
    tampered: [
        ("functions.height:0", "height", '{"name": "Alexandria"}'),
        ("functions.height:1", "height", '{ "name":"Eddystone" }'),
    ],
    renamed: [
        ("functions.height:0", "keeper", '{"name": "Pharos"}'),
        ("functions.height:1", "height", '{ "name":"Eddystone" }'),
    ],
    removed: [("functions.height:1", "height", '{ "name":"Eddystone" }')],
    readdressed: [
        ("mine:7", "height", '{"name": "Pharos"}'),
        ("functions.height:1", "height", '{ "name":"Eddystone" }'),
    ],
}


@pytest.mark.breaks_prefix("a call is changed on purpose")
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("seen_before", [False, True])
async def test_a_call_that_was_changed_is_sent_as_it_is_now(
    face: Face,
    server: MoonshotServer,
    llm: ChatMoonshotCached,
    change: Callable[[AIMessage], None],
    *,
    seen_before: bool,
) -> None:
    bound = llm.bind_tools([height, keeper])
    answer = await asked_for(face, server, bound)
    if seen_before:
        server.answer_next("as it was")
        await face.invoke(bound, [*OPENING, answer, *results(answer)])
    change(answer)
    await face.invoke(bound, [*OPENING, answer, *results(answer)])
    assert [
        (call["id"], call["function"]["name"], call["function"]["arguments"])
        for call in sent_back(server)["tool_calls"]
    ] == CHANGES[change]


def through_json(messages: list[Any]) -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LangChainBetaWarning)
        read: list[Any] = loads(dumps(messages), allowed_objects="messages")
    return read


def through_trimming(messages: list[Any]) -> list[Any]:
    kept: list[Any] = trim_messages(
        messages, max_tokens=len(messages), token_counter=len, strategy="last"
    )
    return kept


TRIPS: dict[str, Callable[[list[Any]], list[Any]]] = {
    "dumps and loads": through_json,
    "dictionaries": lambda messages: messages_from_dict(messages_to_dict(messages)),
    "pickle": lambda messages: pickle.loads(pickle.dumps(messages)),  # noqa: S301 - our own
    "copies": lambda messages: [m.model_copy(deep=True) for m in messages],
    "pydantic": lambda messages: [
        type(m).model_validate_json(m.model_dump_json()) for m in messages
    ],
    "trimming": through_trimming,
}


@pytest.mark.parametrize("trip", TRIPS)
@pytest.mark.parametrize("version", [None, "v1"])
async def test_history_survives_langchains_round_trips(
    talk: Talk,
    server: MoonshotServer,
    make: Make,
    trip: str,
    version: str | None,
) -> None:
    llm = make(output_version=version).bind_tools([height])
    odd = [ODD["spaces"], ODD["escapes"], ODD["no JSON"]]
    server.answer_next(asking(*odd), "so")
    answer = await talk(llm, OPENING)
    history = TRIPS[trip]([*OPENING, answer, *results(answer)])
    await talk(llm, history)
    original, back = generated(server), sent_back(server)
    assert back["tool_calls"] == original["tool_calls"]
    assert back["reasoning_content"] == original["reasoning_content"]


@pytest.mark.breaks_prefix("trimming drops the beginning of the history on purpose")
async def test_what_trimming_leaves_keeps_its_bytes(
    face: Face, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    bound = llm.bind_tools([height])
    answer = await asked_for(face, server, bound)
    history = [LONG, HumanMessage("hello"), AIMessage("hi"), QUESTION, answer]
    trimmed = trim_messages(
        [*history, *results(answer)],
        max_tokens=5,
        token_counter=len,
        strategy="last",
        include_system=True,
    )
    assert len(trimmed) == 5
    await face.invoke(bound, trimmed)
    assert sent_back(server) == {**generated(server), "content": None}
