"""The demo's first example on the wire, beside the announcement's own requests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from server_kit import example

from langchain_moonshot_cache import ChatMoonshotCached
from langchain_moonshot_cache.demo import announced, document

if TYPE_CHECKING:
    from langchain_moonshot_cache.testing import MoonshotServer

Json = dict[str, Any]


@pytest.fixture
def llm(moonshot_server: MoonshotServer) -> ChatMoonshotCached:
    return ChatMoonshotCached(
        base_url=moonshot_server.base_url,
        api_key=moonshot_server.api_key,
        registry="memory://",
        **announced.OPTIONS,
    )


def bodies(server: MoonshotServer, path: str) -> list[Json]:
    return [request.body for request in server.requests(method="POST", path=path)]


def test_the_cache_is_created_by_the_announced_request(
    moonshot_server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    announced.ask(llm, {})
    (sent,) = bodies(moonshot_server, "/v1/caching")
    # Metadata is how a cache finds its way back to who made it.
    assert set(sent.pop("metadata")) >= {"lmc_fingerprint"}
    assert sent == example("create_request")


def test_the_cache_is_used_by_the_announced_request(
    moonshot_server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    announced.ask(llm, {})
    sent, _ = bodies(moonshot_server, "/v1/chat/completions")
    expected = example("chat_request")
    (cache,) = moonshot_server.caches()
    reference = expected["messages"][0]
    known = example("create_response")["id"]
    reference["content"] = reference["content"].replace(known, cache["id"])
    assert sent.pop("stream", False) is False
    assert sent == expected


def test_the_tool_s_result_reaches_the_model(
    moonshot_server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    program, answer = announced.ask(llm, {})
    _, second = moonshot_server.chats()
    assert second.messages[-1]["role"] == "tool"
    assert second.messages[-1]["content"].strip() == "3214567 是素数。"
    assert second.tools == example("create_request")["tools"]
    (call,) = second.messages[-2]["tool_calls"]
    assert json.loads(call["function"]["arguments"])["code"] == program
    assert answer == "结果：3214567 是素数。"


def test_the_document_holds_nothing_of_this_computer_or_process() -> None:
    text = document.manual()
    assert text == document.manual()
    assert "0x" not in text
    assert "site-packages" not in text
    assert "/lib/python" not in text
