"""Tokens as they were reported: none twice, none lost, the unknown apart from zero."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from chat_kit import CHAT, KEY, METADATA, told
from kimi_kit import K3, LATER, LONG, QUESTION, completion, details
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.messages import HumanMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler

from langchain_moonshot_cache.economics import Usage, with_tiers

if TYPE_CHECKING:
    from colour_kit import Face
    from kimi_kit import Json, Make, Talk

    from langchain_moonshot_cache import ChatMoonshotCached
    from langchain_moonshot_cache.testing import MoonshotServer

OPENING = [LONG, QUESTION]
LAYOUTS = list(product(("choice", "chunk", "both"), ("both", "details", "top")))


@pytest.mark.parametrize(("layout", "fields"), LAYOUTS)
async def test_what_was_read_and_written_is_told_in_every_layout(
    talk: Talk,
    server: MoonshotServer,
    llm: ChatMoonshotCached,
    layout: Any,
    fields: Any,
) -> None:
    server.configure(usage_layout=layout, usage_fields=fields)
    first = await talk(llm, OPENING)
    later = await talk(llm, [*OPENING, first, LATER])

    for answer, chat in zip((first, later), server.chats(), strict=True):
        usage: Any = answer.usage_metadata
        assert usage["input_tokens"] == chat.prompt_tokens
        assert usage["output_tokens"] == chat.completion_tokens
        assert usage["total_tokens"] == chat.prompt_tokens + chat.completion_tokens
        assert details(answer) == {
            "cache_read": chat.cached_tokens,
            "cache_creation": 0,
            "ephemeral_5m_input_tokens": chat.cache_write_tokens,
            "ephemeral_1h_input_tokens": 0,
        }
        assert told(answer)["tokens_cached"] == chat.cached_tokens
        assert told(answer)["tokens_written"] == chat.cache_write_tokens
    assert [told(answer)["outcome"] for answer in (first, later)] == ["write", "hit"]
    totals = llm.ledger.totals()[K3]
    assert totals.prompt == sum(chat.prompt_tokens for chat in server.chats())
    assert totals.cached == sum(chat.cached_tokens for chat in server.chats())


async def test_the_tier_got_is_told_and_not_the_one_asked_for(
    talk: Talk, server: MoonshotServer, make: Make
) -> None:
    first = await talk(make(cache_ttl="1h"), OPENING)
    # What extends a prefix lives as long as the prefix does.
    later = await talk(make(cache_ttl="5m"), [LONG, HumanMessage("long? " * 400)])
    for answer, chat in zip((first, later), server.chats(), strict=True):
        assert details(answer)["ephemeral_1h_input_tokens"] == chat.cache_write_tokens
        assert details(answer)["ephemeral_5m_input_tokens"] == 0
        assert "1h (reported)" in told(answer)["reason"]
    assert "asked for 5m" in told(later)["reason"]


@pytest.mark.parametrize("kind", ["empty", "negative", "words", "absent"])
@pytest.mark.parametrize("ttl", [None, "1h"])
async def test_a_tier_that_was_only_asked_for_is_marked_as_inferred(
    talk: Talk, server: MoonshotServer, make: Make, kind: Any, ttl: Any
) -> None:
    server.configure(write_headers=kind)
    answer = await talk(make(cache_ttl=ttl), OPENING)
    (chat,) = server.chats()
    assert details(answer) == {
        "cache_read": 0,
        "cache_creation": chat.cache_write_tokens,
    }
    assert f"{ttl or '5m'} (inferred)" in told(answer)["reason"]


ABSENT = Usage(prompt=1000, output=1, cached=200, written=None)
TOLD = Usage(prompt=1000, output=1, cached=200, written=512)
FIVE, HOUR = "msh-usage-cache-write-tokens-5m", "msh-usage-cache-write-tokens-1h"
HEADERS: list[tuple[Usage, Json, tuple[int | None, ...]]] = [
    (TOLD, {}, (512, None, None)),
    (TOLD, {FIVE: "512", HOUR: "0"}, (512, 512, 0)),
    (TOLD, {FIVE: "256", HOUR: "256"}, (512, 256, 256)),
    (TOLD, {FIVE: " 512 "}, (512, 512, 0)),
    (TOLD, {HOUR: "0"}, (512, 512, 0)),
    (TOLD, {FIVE: "-1", HOUR: "512"}, (512, 0, 512)),
    (TOLD, {FIVE: "0", HOUR: "0"}, (512, None, None)),
    (TOLD, {FIVE: "600"}, (512, None, None)),
    (TOLD, {FIVE: "512.0", HOUR: "n/a"}, (512, None, None)),
    (TOLD, {FIVE: "9" * 5000}, (512, None, None)),
    (ABSENT, {FIVE: "512", HOUR: ""}, (512, 512, 0)),
    (ABSENT, {FIVE: "0", HOUR: "0"}, (0, 0, 0)),
    (ABSENT, {HOUR: "801"}, (None, None, None)),
    (ABSENT, {FIVE: "1_0"}, (None, None, None)),
]


@pytest.mark.parametrize(("usage", "headers", "expected"), HEADERS)
def test_headers_about_tiers_are_believed_where_they_fit_the_body(
    usage: Usage, headers: Json, expected: tuple[int | None, ...]
) -> None:
    read = with_tiers(usage, headers)
    assert (read.written, read.written_5m, read.written_1h) == expected


async def test_a_body_that_says_nothing_of_the_cache_leaves_it_unknown(
    talk: Talk, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    server.configure(usage_fields="bare", write_headers="absent")
    answer = await talk(llm, OPENING)
    assert details(answer) == {}
    metadata = told(answer)
    assert (metadata["outcome"], metadata["cost"]) == ("unknown", None)
    assert (metadata["tokens_cached"], metadata["tokens_written"]) == (None, None)
    totals = llm.ledger.totals()[K3]
    assert (totals.usage_unknown, totals.cost_unknown) == (1, 1)


async def test_an_answer_without_usage_is_answered_and_unknown(
    talk: Talk, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    server.configure(usage_fields="absent", write_headers="absent")
    answer = await talk(llm, OPENING)
    assert answer.text
    assert answer.usage_metadata is None
    assert told(answer)["outcome"] == "unknown"


@pytest.mark.parametrize("surplus", [1, 2, 100_000])
async def test_more_cached_tokens_than_the_prompt_has_are_cut_to_it(
    talk: Talk, server: MoonshotServer, llm: ChatMoonshotCached, surplus: int
) -> None:
    await talk(llm, OPENING)
    server.configure(cached_surplus=surplus)
    answer = await talk(llm, OPENING)
    usage: Any = answer.usage_metadata
    assert details(answer)["cache_read"] == usage["input_tokens"]
    assert sum(details(answer).values()) <= usage["input_tokens"]


ODD_USAGE: list[Json] = [
    {"prompt_tokens_details": {"cached_tokens": 1.0, "audio_tokens": 0.5}},
    {"prompt_tokens_details": {"cached_tokens": None, "audio_tokens": None}},
    {"completion_tokens_details": {"reasoning_tokens": 2.5, "audio_tokens": None}},
    {"prompt_tokens_details": ["odd"], "total_tokens": "many"},
]


@pytest.mark.parametrize("odd", ODD_USAGE)
async def test_odd_figures_can_still_be_added_up(
    face: Face, server: MoonshotServer, llm: ChatMoonshotCached, odd: Json
) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10, **odd}
    server.fail("status", path=CHAT, status=200, body=completion(usage))
    with get_usage_metadata_callback() as callback:
        for _ in range(2):
            await face.invoke(llm, OPENING)
    (total,) = callback.usage_metadata.values()
    assert (total["input_tokens"], total["total_tokens"]) == (18, 20)
    assert all(type(n) is int for n in total["input_token_details"].values())
    assert all(type(n) is int for n in total.get("output_token_details", {}).values())


@pytest.mark.parametrize("missing", ["prompt_tokens", "completion_tokens"])
async def test_usage_without_its_main_figures_is_none(
    face: Face, server: MoonshotServer, llm: ChatMoonshotCached, missing: str
) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
    del usage[missing]
    server.fail("status", path=CHAT, status=200, body=completion(usage))
    answer = await face.invoke(llm, OPENING)
    assert answer.usage_metadata is None
    assert told(answer)["cost"] is None


async def test_a_usage_callback_adds_up_what_the_server_counted(
    talk: Talk, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    with get_usage_metadata_callback() as callback:
        first = await talk(llm, OPENING)
        await talk(llm, [*OPENING, first, LATER])
    assert set(callback.usage_metadata) == {K3}
    total: Any = callback.usage_metadata[K3]
    chats = server.chats()
    assert total["input_tokens"] == sum(chat.prompt_tokens for chat in chats)
    assert total["output_tokens"] == sum(chat.completion_tokens for chat in chats)
    assert total["input_token_details"]["cache_read"] == chats[1].cached_tokens


async def test_a_batch_counts_each_answer_once(
    face: Face, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    questions = [[LONG, HumanMessage(f"question {n}")] for n in range(5)]
    answers = await face.batch(llm, questions)
    counted = sum(answer.usage_metadata["input_tokens"] for answer in answers)
    assert counted == sum(chat.prompt_tokens for chat in server.chats())
    assert llm.ledger.totals()[K3].calls == 5


async def test_events_carry_the_usage_once(
    server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    events = [event async for event in llm.astream_events(OPENING, version="v2")]
    chunks = [
        event["data"]["chunk"]
        for event in events
        if event["event"] == "on_chat_model_stream"
    ]
    (carrying,) = [chunk for chunk in chunks if chunk.usage_metadata]
    (chat,) = server.chats()
    assert carrying.usage_metadata["input_tokens"] == chat.prompt_tokens
    (ended,) = [e for e in events if e["event"] == "on_chat_model_end"]
    assert ended["data"]["output"].usage_metadata == carrying.usage_metadata


async def test_tracers_find_the_usage_under_langsmiths_keys(
    talk: Talk, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    collector = RunCollectorCallbackHandler()
    await talk(llm, OPENING, config={"callbacks": [collector]})
    (run,) = collector.traced_runs
    generation = (run.outputs or {})["generations"][0][0]
    usage = generation["message"]["kwargs"]["usage_metadata"]
    (chat,) = server.chats()
    assert usage["input_tokens"] == chat.prompt_tokens
    assert usage["input_token_details"] == {
        "cache_read": 0,
        "cache_creation": 0,
        "ephemeral_5m_input_tokens": chat.cache_write_tokens,
        "ephemeral_1h_input_tokens": 0,
    }


async def test_a_replay_by_langchains_own_cache_is_no_spend(
    face: Face, server: MoonshotServer, make: Make
) -> None:
    llm = make(cache=InMemoryCache())
    first, again = [await face.invoke(llm, OPENING) for _ in range(2)]
    assert len(server.chats()) == 1
    assert again.usage_metadata["total_cost"] == 0
    assert again.usage_metadata["input_tokens"] == first.usage_metadata["input_tokens"]
    totals = llm.ledger.totals()[K3]
    assert (totals.calls, totals.cost["CNY"]) == (1, server.bill(KEY).total)


async def test_the_metadata_is_the_same_in_every_generation_and_shared_by_none(
    llm: ChatMoonshotCached,
) -> None:
    result: LLMResult = await llm.agenerate([OPENING, OPENING])
    messages = []
    for (generation,) in result.generations:
        assert isinstance(generation, ChatGeneration)
        messages.append(generation.message)
    one, two = (message.response_metadata[METADATA] for message in messages)
    assert one is not two
    assert {one["outcome"], two["outcome"]} == {"write", "hit"}
