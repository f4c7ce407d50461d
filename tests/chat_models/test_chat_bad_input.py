"""Bad input: a clear typed error that names the next step, and nothing half-made."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import httpx2
import openai
import pytest
from chat_kit import CHAT, KEY, QUESTION, SYSTEM, told
from langchain_core.messages import AIMessage, ToolMessage

from langchain_moonshot_cache import (
    ChatMoonshotCached,
    ConfigurationError,
    InvalidPromptError,
    ResponseFormatError,
)
from langchain_moonshot_cache.registry import MemoryRegistry

if TYPE_CHECKING:
    from collections.abc import Callable

    from colour_kit import Face

    from langchain_moonshot_cache.testing import MoonshotServer

    Make = Callable[..., ChatMoonshotCached]

OPTIONS: list[tuple[dict[str, Any], str]] = [
    *(({"api_key": key}, "MOONSHOT_API_KEY") for key in (None, "", "  ", "\n")),
    ({"api_key": "sk-ключ"}, "copy it again"),
    *(({"caching": value}, "auto, named, prefix, off") for value in ("yes", 1, None)),
    ({"cache_reference": "tag"}, "message, headers"),
    *(
        ({"cache_ttl": ttl}, "whole number of seconds")
        for ttl in (True, 30.0, "30", "", -1, 0, 29, 3601, float("nan"), [60])
    ),
    *(({"cache_wait": wait}, "give seconds") for wait in (-1, float("inf"))),
    ({"registry": "ftp://somewhere"}, "memory://"),
    ({"registry": "caches.db"}, "sqlite:///"),
    ({"base_url": "api.moonshot.cn/v1"}, "https://api.moonshot.cn/v1"),
    ({"base_url": ""}, "MOONSHOT_API_BASE"),
]


@pytest.mark.parametrize(("options", "step"), OPTIONS)
def test_an_option_that_cannot_work_is_refused_at_once(
    server: MoonshotServer,
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    step: str,
) -> None:
    monkeypatch.delenv("MOONSHOT_API_KEY", raising=False)
    with pytest.raises(ConfigurationError) as caught:
        make(**options)
    assert step in str(caught.value)
    assert server.requests() == []


@pytest.mark.parametrize("ttl", [30, 3600, "5m", "1h", None])
def test_the_ends_of_the_range_are_in_it(make: Make, ttl: Any) -> None:
    assert make(cache_ttl=ttl).cache_ttl == ttl


def test_key_and_address_come_from_the_environment(
    server: MoonshotServer, clients: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOONSHOT_API_KEY", KEY)
    monkeypatch.setenv("MOONSHOT_API_BASE", server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-somebody-else")
    monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:9/v1")
    llm = ChatMoonshotCached(model="moonshot-v1-8k", registry="memory://", **clients)
    llm.invoke([QUESTION])
    monkeypatch.setenv("MOONSHOT_API_BASE", "")
    assert ChatMoonshotCached(registry="memory://").api_base == (
        "https://api.moonshot.cn/v1"
    )
    assert server.bill(KEY).lines


ASKS = AIMessage("", tool_calls=[{"name": "f", "args": {}, "id": "f:0"}])
ORPHAN = ToolMessage("x", tool_call_id="f:9")


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([SYSTEM, QUESTION, ORPHAN], "put the assistant message with that call"),
        ([SYSTEM, QUESTION, ASKS, ORPHAN], "put the assistant message with that call"),
        ([SYSTEM, ASKS, QUESTION], "let a tool message with this tool_call_id follow"),
    ],
)
async def test_a_tool_message_without_its_call_is_explained(
    talk: tuple[Face, str],
    server: MoonshotServer,
    make: Make,
    messages: list[Any],
    words: str,
) -> None:
    face, style = talk
    llm = make()
    with pytest.raises(openai.BadRequestError, match=words):
        await face.answer(llm, messages, style=style)
    with pytest.raises(InvalidPromptError, match=words):
        await face.warm(llm, messages)
    await face.release(llm)
    assert server.caches() == []


async def test_an_orphan_inside_the_prefix_leaves_nothing_half_made(
    face: Face, server: MoonshotServer, make: Make
) -> None:
    registry = MemoryRegistry()
    llm = make(registry=registry)
    marked = ORPHAN.model_copy(update={"additional_kwargs": {"cache": True}})
    with pytest.raises(openai.BadRequestError, match=r"messages\[1\]"):
        await face.invoke(llm, [SYSTEM, marked, QUESTION])
    assert server.creates() == 0
    assert registry._entries == {}


TOOLS: list[Any] = [
    "f",
    3,
    {"foo": 1},
    {"type": "function"},
    {"type": "function", "function": {}},
    {"type": "function", "function": {"name": "f", "parameters": 5}},
    {"type": "function", "function": {"name": "f", "parameters": {"type": "string"}}},
    {
        "type": "function",
        "function": {"name": "f", "parameters": {"type": "object", "properties": []}},
    },
]


@pytest.mark.parametrize("tool", TOOLS)
async def test_a_tool_that_is_no_json_schema_is_refused(
    face: Face, server: MoonshotServer, make: Make, tool: Any
) -> None:
    registry = MemoryRegistry()
    llm = make(registry=registry)
    with pytest.raises(InvalidPromptError):
        llm.bind_tools([tool])
    with pytest.raises(InvalidPromptError):
        await face.warm(llm, [SYSTEM], tools=[tool])
    try:
        answer = await face.invoke(llm, [SYSTEM, QUESTION], tools=[tool])
    except openai.BadRequestError as error:
        assert "tool" in str(error)  # noqa: PT017 - some servers take what we would not
    else:
        assert told(answer)["outcome"] == "bypassed"
    assert server.creates() == 0
    assert registry._entries == {}


async def test_an_unreachable_server_is_named_with_what_to_check(
    face: Face, style: str, make: Make
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused at once
        base_url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with pytest.raises(openai.APIConnectionError) as caught:
            await face.answer(make(base_url=base_url), [SYSTEM, QUESTION], style=style)
    assert f"Cannot reach {base_url}: check base_url" in str(caught.value)


async def test_a_server_that_hangs_is_named_with_what_to_do(
    face: Face, style: str, server: MoonshotServer, make: Make
) -> None:
    server.fail("delay", path=CHAT, seconds=2)
    with pytest.raises(openai.APITimeoutError, match="raise timeout="):
        await face.answer(
            make(timeout=0.05, caching="off"), [SYSTEM, QUESTION], style=style
        )


@pytest.mark.parametrize("status", [200, 404, 502])
async def test_html_in_place_of_an_answer_is_named_with_what_to_check(
    face: Face, style: str, server: MoonshotServer, make: Make, status: int
) -> None:
    server.fail("html", status=status)
    expected = ResponseFormatError if status == 200 else openai.APIStatusError
    with pytest.raises(expected, match="check base_url") as caught:
        await face.answer(make(), [SYSTEM, QUESTION], style=style)
    assert "<" not in str(caught.value)


@pytest.mark.parametrize("kind", ["malformed", "cut", "cut_body"])
async def test_a_broken_answer_is_a_typed_error(
    face: Face, server: MoonshotServer, make: Make, kind: Any
) -> None:
    server.fail(kind, path=CHAT)
    with pytest.raises(
        (openai.APIConnectionError, ResponseFormatError), match=r"broke|check base_url"
    ):
        await face.invoke(make(), [SYSTEM, QUESTION])


async def test_an_answer_with_no_choice_is_a_typed_error(
    face: Face, server: MoonshotServer, make: Make
) -> None:
    bodies: list[Any] = [{}, [], {"choices": None}, {"object": "chat.completion"}]
    for body in bodies:
        server.fail("status", path=CHAT, status=200, body=body, times=1)
        with pytest.raises(ResponseFormatError, match="check base_url"):
            await face.invoke(make(), [SYSTEM, QUESTION])


@pytest.mark.parametrize("regions", [("cn", "ai"), ("ai", "cn")])
def test_a_refused_key_names_the_other_region(
    make: Make, regions: tuple[str, str]
) -> None:
    here, there = (f"https://api.moonshot.{region}/v1" for region in regions)
    refusal = {"error": {"message": f"no: {KEY}", "type": "incorrect_api_key_error"}}

    def answer(request: httpx2.Request) -> httpx2.Response:
        assert request.url.host == here.split("/")[2]
        return httpx2.Response(401, json=refusal)

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as client:
        llm = make(base_url=here, caching="off", http_client=client)
        with pytest.raises(openai.AuthenticationError, match="region") as caught:
            llm.invoke([QUESTION])
    assert f"base_url={there!r}" in str(caught.value)
    assert KEY not in str(caught.value)


async def test_a_key_that_the_server_does_not_accept_is_explained(
    face: Face, style: str, server: MoonshotServer, make: Make
) -> None:
    server.fail("status", status=401)
    with pytest.raises(openai.AuthenticationError, match="Check api_key"):
        await face.answer(make(), [SYSTEM, QUESTION], style=style)
    assert server.creates() == 0
