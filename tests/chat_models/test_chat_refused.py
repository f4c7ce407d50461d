"""A reference that the server refuses, and errors that are not about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest
from chat_kit import (
    CACHING,
    CHAT,
    KEY,
    QUESTION,
    SYSTEM,
    bodies,
    chat_requests,
    height,
    reference,
    told,
)
from langchain_core.messages import HumanMessage

from langchain_moonshot_cache import MoonshotCachingClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from colour_kit import Face

    from langchain_moonshot_cache import ChatMoonshotCached
    from langchain_moonshot_cache.testing import MoonshotServer

    Make = Callable[..., ChatMoonshotCached]


def behind_our_back(server: MoonshotServer) -> None:
    """Delete every cache with another client."""
    with MoonshotCachingClient(api_key=KEY, base_url=server.base_url) as client:
        for cache in server.caches():
            client.delete(cache["id"])


@pytest.mark.parametrize("by", ["message", "headers"])
async def test_a_deleted_cache_costs_one_more_request_and_is_made_anew(
    face: Face, style: str, server: MoonshotServer, make: Make, by: str
) -> None:
    llm = make(cache_reference=by).bind_tools([height])
    await face.answer(llm, [SYSTEM, QUESTION], style=style)
    behind_our_back(server)
    server.clear()
    answer = await face.answer(llm, [SYSTEM, QUESTION], style=style)

    refused, full = chat_requests(server)
    assert (refused.status, full.status) == (404, 200)
    assert [m["role"] for m in full.body["messages"]] == ["system", "user"]
    assert full.body["tools"]
    assert "x-msh-context-cache" not in full.headers
    assert "refused" in told(answer)["reason"]
    assert told(answer)["outcome"] == "write"
    assert told(answer)["cache_id"] is None
    assert server.creates() == 2
    later = await face.answer(llm, [SYSTEM, QUESTION], style=style)
    assert told(later)["outcome"] == "hit"
    assert len(chat_requests(server)) == 3


async def test_a_cache_that_the_servers_clock_ended_is_revived(
    face: Face, style: str, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    await face.answer(llm, [SYSTEM, QUESTION], style=style)
    server.clock.advance(7200)
    answer = await face.answer(llm, [SYSTEM, QUESTION], style=style)
    assert str(QUESTION.content) in answer.text
    later = await face.answer(llm, [SYSTEM, QUESTION], style=style)

    assert told(later)["outcome"] == "hit"
    assert server.creates() == 1
    assert len(server.chats()) == 3


async def test_a_registry_that_names_an_unknown_cache_does_no_harm(
    face: Face, style: str, server: MoonshotServer, make: Make, tmp_path: Any
) -> None:
    registry = f"sqlite:///{tmp_path}/caches.db"
    await face.answer(make(registry=registry), [SYSTEM, QUESTION], style=style)
    behind_our_back(server)
    llm = make(registry=registry)
    answer = await face.answer(llm, [SYSTEM, QUESTION], style=style)
    later = await face.answer(llm, [SYSTEM, QUESTION], style=style)

    assert str(QUESTION.content) in answer.text
    assert told(later)["outcome"] == "hit"
    assert server.creates() == 2


async def test_the_users_own_error_reaches_him_once_and_changes_nothing(
    face: Face, style: str, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    first = await face.answer(llm, [SYSTEM, QUESTION], style=style)
    server.clear()
    with pytest.raises(openai.BadRequestError, match="temperature") as caught:
        await face.answer(llm, [SYSTEM, QUESTION], style=style, temperature=99)

    assert caught.value.status_code == 400
    assert [reference(body) is None for body in bodies(server)] == [False, True]
    later = await face.answer(llm, [SYSTEM, QUESTION], style=style)
    assert told(later)["outcome"] == "hit"
    assert told(later)["cache_id"] == told(first)["cache_id"]
    assert server.creates() == 1


@pytest.mark.parametrize("status", [401, 402, 403, 429, 500, 503])
async def test_errors_about_the_account_or_the_server_are_not_about_the_reference(
    face: Face, style: str, server: MoonshotServer, llm: ChatMoonshotCached, status: int
) -> None:
    await face.answer(llm, [SYSTEM, QUESTION], style=style)
    server.clear()
    server.fail("status", path=CHAT, status=status, times=1)
    with pytest.raises(openai.APIStatusError) as caught:
        await face.answer(llm, [SYSTEM, QUESTION], style=style)

    assert caught.value.status_code == status
    assert len(bodies(server)) == 1
    later = await face.answer(llm, [SYSTEM, QUESTION], style=style)
    assert told(later)["outcome"] == "hit"
    assert server.creates() == 1


class Gateway(httpx.HTTPTransport):
    """Lets everything through but references to caches."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if b'"role":"cache"' in request.content:
            return httpx.Response(422, json={"error": {"message": "what role?"}})
        return super().handle_request(request)


def test_a_server_that_refuses_every_reference_is_not_paid_for_ever(
    server: MoonshotServer, make: Make
) -> None:
    with httpx.Client(transport=Gateway()) as client:
        llm = make(http_client=client)
        for n in range(8):
            answer = llm.invoke([SYSTEM, HumanMessage(f"Question {n}?")])
            assert f"Question {n}?" in answer.text

    assert server.creates() <= 3
    assert told(answer)["outcome"] == "bypassed"
    assert "refused repeatedly" in told(answer)["reason"]


async def test_a_cache_that_is_pending_again_is_not_made_twice(
    face: Face, style: str, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    first = await face.answer(llm, [SYSTEM, QUESTION], style=style)
    server.clock.freeze()
    server.configure(ready_after=50)
    with MoonshotCachingClient(api_key=KEY, base_url=server.base_url) as client:
        client.update(told(first)["cache_id"], ttl=600)
    during = await face.answer(llm, [SYSTEM, QUESTION], style=style)
    server.clock.advance(60)
    after = await face.answer(llm, [SYSTEM, QUESTION], style=style)

    assert told(during)["cache_id"] is None
    assert told(after)["cache_id"] == told(first)["cache_id"]
    assert server.creates() == 1


async def test_a_refusal_of_both_requests_tells_the_second_servers_words(
    face: Face, style: str, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    await face.answer(llm, [SYSTEM, QUESTION], style=style)
    server.fail(
        "status",
        path=CHAT,
        status=400,
        body={"error": {"message": f"no good, {KEY}", "type": "content_filter"}},
    )
    with pytest.raises(openai.BadRequestError, match="no good") as caught:
        await face.answer(llm, [SYSTEM, QUESTION], style=style)
    assert KEY not in str(caught.value)
    assert len(server.requests(method="POST", path=CACHING)) == 1
