"""Errors are LangChain's, are tried again where that helps, and name the next step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest
from chat_kit import CHAT, chat_requests, told
from kimi_kit import LONG, QUESTION
from langchain_core.exceptions import (
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelError,
    ModelInvalidRequestError,
    ModelNotFoundError,
    ModelPermissionDeniedError,
    ModelRateLimitError,
    ModelTimeoutError,
)

if TYPE_CHECKING:
    from kimi_kit import Json, Make, Talk

    from langchain_moonshot_cache import ChatMoonshotCached
    from langchain_moonshot_cache.testing import MoonshotServer

QUOTA = "exceeded_current_quota_error"
AT_ONCE = {"retry-after-ms": "1"}
"""So that the SDK does not wait before it tries again."""


async def refused(talk: Talk, llm: Any) -> Any:
    """Ask in vain; return the error."""
    with pytest.raises(ModelError) as caught:
        await talk(llm, [LONG, QUESTION])
    return caught.value


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        ("invalid_request_error", ModelInvalidRequestError, 400),
        ("content_filter", ModelInvalidRequestError, 400),
        ("invalid_authentication_error", ModelAuthenticationError, 401),
        ("incorrect_api_key_error", ModelAuthenticationError, 401),
        ("permission_denied_error", ModelPermissionDeniedError, 403),
        ("resource_not_found_error", ModelNotFoundError, 404),
        ("rate_limit_reached_error", ModelRateLimitError, 429),
        ("engine_overloaded_error", ModelRateLimitError, 429),
        (QUOTA, ModelRateLimitError, 429),
        ("server_error", ModelAPIError, 500),
    ],
)
async def test_each_refusal_is_langchains_and_the_sdks_error_in_one(
    talk: Talk,
    server: MoonshotServer,
    llm: ChatMoonshotCached,
    *,
    error: str,
    kind: type[ModelError],
    status: int,
) -> None:
    server.fail("status", path=CHAT, error=error)
    caught = await refused(talk, llm)
    assert isinstance(caught, kind)
    assert isinstance(caught, openai.APIStatusError)
    assert caught.status_code == status
    assert caught.type == error


async def test_no_answer_and_a_late_one_are_langchains_errors_too(
    talk: Talk, server: MoonshotServer, make: Make
) -> None:
    server.fail("cut", path=CHAT, times=1)
    assert isinstance(await refused(talk, make()), ModelConnectionError)
    server.fail("delay", path=CHAT, seconds=2)
    assert isinstance(await refused(talk, make(timeout=0.05)), ModelTimeoutError)


async def test_an_exhausted_quota_is_asked_about_once(
    talk: Talk, server: MoonshotServer, make: Make
) -> None:
    server.fail("status", path=CHAT, error=QUOTA, headers=AT_ONCE)
    caught = await refused(talk, make(max_retries=5))
    assert len(chat_requests(server)) == 1
    assert not caught.is_retryable
    assert "top it up, or use another key" in str(caught)


@pytest.mark.parametrize(
    "error", ["rate_limit_reached_error", "engine_overloaded_error"]
)
async def test_other_refusals_for_too_many_requests_are_tried_again(
    talk: Talk, server: MoonshotServer, make: Make, error: str
) -> None:
    server.fail("status", path=CHAT, error=error, headers=AT_ONCE, nth=1, times=2)
    answer = await talk(make(max_retries=2), [LONG, QUESTION])
    assert answer.text
    assert [r.status for r in chat_requests(server)] == [429, 429, 200]


async def test_too_many_requests_for_longer_than_the_retries_is_an_error(
    talk: Talk, server: MoonshotServer, make: Make
) -> None:
    kind = "rate_limit_reached_error"
    server.fail("status", path=CHAT, error=kind, headers=AT_ONCE)
    caught = await refused(talk, make(max_retries=2))
    assert len(chat_requests(server)) == 3
    assert caught.is_retryable


@pytest.mark.parametrize(
    ("model", "date"),
    [
        ("moonshot-v1-8k", "2026-08-31"),
        ("moonshot-v1-auto", "2026-08-31"),
        ("kimi-k2.5", "2026-08-31"),
        ("kimi-latest", "2026-01-28"),
    ],
)
async def test_a_retired_model_is_named_with_its_date_and_its_successor(
    talk: Talk, server: MoonshotServer, make: Make, model: str, date: str
) -> None:
    server.configure(retired_models=True)
    server.clock.set(1_795_000_000)  # November 2026
    caught = await refused(talk, make(model=model, caching="prefix"))
    assert isinstance(caught, ModelNotFoundError)
    assert f"{model} went offline on {date}; use model='kimi-k3'" in str(caught)


async def test_a_retired_model_asked_for_in_one_call_is_the_one_named(
    talk: Talk, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    server.configure(retired_models=True)
    server.clock.set(1_795_000_000)
    caught = await refused(talk, llm.bind(model="kimi-latest"))
    assert "kimi-latest went offline on 2026-01-28" in str(caught)


async def test_a_model_that_nobody_knows_is_not_said_to_be_retired(
    talk: Talk, make: Make
) -> None:
    caught = await refused(talk, make(model="kimi-k9"))
    assert isinstance(caught, ModelNotFoundError)
    assert "offline" not in str(caught)


ENDINGS: list[tuple[str, type[ModelError], bool]] = [
    ("server_error", ModelAPIError, True),
    ("engine_overloaded_error", ModelRateLimitError, True),
    (QUOTA, ModelRateLimitError, False),
]


async def gather(llm: Any, pieces: list[Any], *, colour: str) -> None:
    """Stream an answer; keep what came, also if an error follows."""
    if colour == "sync":
        for chunk in llm.stream([LONG, QUESTION]):
            pieces.append(chunk)  # noqa: PERF402 - a list() would be lost
    else:
        async for chunk in llm.astream([LONG, QUESTION]):
            pieces.append(chunk)  # noqa: PERF401 - the same


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize(("error", "kind", "retryable"), ENDINGS)
async def test_a_stream_that_ends_in_an_error_object_is_an_error_and_no_answer(
    server: MoonshotServer,
    llm: ChatMoonshotCached,
    colour: str,
    *,
    error: str,
    kind: type[ModelError],
    retryable: bool,
) -> None:
    server.fail("error_in_stream", path=CHAT, error=error, chunks=2)
    pieces: list[Any] = []
    with pytest.raises(openai.APIError) as caught:
        await gather(llm, pieces, colour=colour)
    assert isinstance(caught.value, kind)
    assert caught.value.is_retryable == retryable
    assert len(chat_requests(server)) == 1
    assert pieces
    assert not any("moonshot_cache" in piece.response_metadata for piece in pieces)
    counted = llm.ledger.totals()[llm.model_name]
    assert counted.outcomes == {"unanswered": 1}
    assert counted.cost_unknown == 1


@pytest.mark.parametrize("retries", [0, 2])
async def test_after_an_error_the_next_call_is_as_good_as_any(
    talk: Talk, server: MoonshotServer, make: Make, retries: int
) -> None:
    llm = make(max_retries=retries)
    server.fail("status", path=CHAT, error=QUOTA, times=1)
    await refused(talk, llm)
    assert told(await talk(llm, [LONG, QUESTION]))["outcome"] == "write"


async def test_a_string_in_place_of_an_error_object_is_understood(
    talk: Talk, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    body: Json = {"code": 5, "error": "url.not_found", "message": "no such page"}
    server.fail("status", path=CHAT, status=404, body=body)
    caught = await refused(talk, llm)
    assert isinstance(caught, ModelNotFoundError)
