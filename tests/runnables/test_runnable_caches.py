"""How the cache of a prompt comes to be, is kept, and goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest
from langchain_core.messages import SystemMessage
from langchain_core.prompts import ChatPromptTemplate
from runnable_kit import (
    CACHING,
    LORE,
    PROMPT,
    QUESTION,
    height,
    what_counts,
)

from langchain_moonshot_cache import CachedPromptRunnable
from langchain_moonshot_cache.errors import (
    CacheUnavailableError,
    ConfigurationError,
    MoonshotCacheError,
)
from langchain_moonshot_cache.lifecycle import Bypassed, Ready
from langchain_moonshot_cache.runnables import plain as plain_module

if TYPE_CHECKING:
    from colour_kit import Face
    from runnable_kit import Bench

TOOLS = [height]
ONE_CACHE = f"{CACHING}/{{cache_id}}"


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which a plain model's cache is checked."""
    clock = Clock()
    monkeypatch.setattr(plain_module, "time", clock)
    return clock


def delete(bench: Bench) -> None:
    """Delete the cache behind our back, as somebody with the same key can."""
    (cache,) = bench.server.caches()
    llm: Any = bench.ours()
    llm._caching.sync.client.delete(cache["id"])
    assert bench.server.caches() == []


def lifetime(cache: dict[str, Any]) -> int:
    return int(cache["expired_at"] - cache["created_at"])


# Warming, naming, ending ------------------------------------------------------


async def test_a_warmed_prompt_finds_its_cache_ready(bench: Bench, face: Face) -> None:
    llm = bench.model()
    prompt = CachedPromptRunnable(PROMPT, model=llm, tools=TOOLS)
    warmed = await face.warm(prompt)
    assert isinstance(warmed, Ready)
    await face.invoke(prompt | llm, QUESTION)
    (chat,) = bench.server.chats()
    assert chat.cache_id == warmed.entry.cache_id
    assert bench.server.creates() == 1


async def test_warming_waits_for_a_cache_that_takes_its_time(
    bench: Bench, face: Face
) -> None:
    bench.server.configure(ready_after=0.1)
    prompt = CachedPromptRunnable(PROMPT, model=bench.model())
    assert isinstance(await face.warm(prompt), Ready)


async def test_a_prompt_of_one_message_has_nothing_to_warm(
    bench: Bench, face: Face
) -> None:
    llm = bench.model()
    prompt = CachedPromptRunnable(ChatPromptTemplate([("human", "Hi")]), model=llm)
    assert isinstance(await face.warm(prompt), Bypassed)
    assert (await face.invoke(prompt | llm, {})).content
    assert bench.server.creates() == 0
    assert await face.release(prompt) == 0


async def test_a_single_message_and_tools_reach_the_engine_all_the_same(
    bench: Bench, face: Face
) -> None:
    await bench.compare(
        ChatPromptTemplate([("human", "Hi")]), {}, face=face, tools=TOOLS
    )


@pytest.mark.parametrize(("ttl", "seconds"), [(60, 60), ("5m", 300), ("1h", 3600)])
@pytest.mark.parametrize("warmed", [True, False])
async def test_the_cache_gets_the_name_and_the_lifetime_of_the_prompt(
    bench: Bench, face: Face, ttl: int | str, seconds: int, *, warmed: bool
) -> None:
    bench.server.clock.freeze()
    llm = bench.model()
    prompt = CachedPromptRunnable(PROMPT, model=llm, ttl=ttl, name="lore")
    if warmed:
        await face.warm(prompt)
    else:
        await face.invoke(prompt | llm, QUESTION)
    (cache,) = bench.server.caches()
    assert cache["name"] == "lore"
    assert lifetime(cache) == seconds


async def test_a_marker_in_the_template_tells_lifetime_and_name(
    bench: Bench, face: Face
) -> None:
    told = {"cache": {"ttl": "5m", "name": "marked"}}
    system = SystemMessage(LORE, additional_kwargs=told)
    template = ChatPromptTemplate([system, ("human", "{question}")])
    bench.server.clock.freeze()
    await face.invoke(bench.cached(template), QUESTION)
    (cache,) = bench.server.caches()
    assert cache["name"] == "marked"
    assert lifetime(cache) == 300
    assert system.additional_kwargs == told


@pytest.mark.parametrize("ttl", [29, 3601, "2h", True, 60.5])
def test_a_lifetime_out_of_range_is_refused(bench: Bench, ttl: Any) -> None:
    with pytest.raises(ConfigurationError, match="ttl"):
        CachedPromptRunnable(PROMPT, model=bench.model(), ttl=ttl)


def test_a_name_that_no_cache_may_have_is_refused(bench: Bench) -> None:
    with pytest.raises(ConfigurationError, match="256"):
        CachedPromptRunnable(PROMPT, model=bench.model(), name="n" * 257)


async def test_leaving_the_context_deletes_the_cache_of_this_prompt_alone(
    bench: Bench,
) -> None:
    llm = bench.model()
    other = CachedPromptRunnable(
        ChatPromptTemplate([("system", "Another."), ("human", "{question}")]), model=llm
    )
    (other | llm).invoke(QUESTION)
    with CachedPromptRunnable(PROMPT, model=llm, tools=TOOLS) as prompt:
        (prompt | llm).invoke(QUESTION)
        assert len(bench.server.caches()) == 2
    assert len(bench.server.caches()) == 1
    async with other:
        pass
    assert bench.server.caches() == []


async def test_a_released_prompt_may_be_used_again(bench: Bench, face: Face) -> None:
    llm = bench.model()
    prompt = CachedPromptRunnable(PROMPT, model=llm, tools=TOOLS)
    for _ in range(2):
        await face.invoke(prompt | llm, QUESTION)
        assert await face.release(prompt) == 1
    assert bench.server.caches() == []


# A cache that somebody else deletes -------------------------------------------


async def test_our_model_outlives_a_cache_that_is_deleted_behind_its_back(
    ours: Bench, face: Face
) -> None:
    chain = ours.cached(PROMPT, tools=TOOLS)
    before = await face.invoke(chain, QUESTION)
    delete(ours)
    assert (await face.invoke(chain, QUESTION)).content == before.content
    first, second = ours.server.chats()
    assert what_counts(first) == what_counts(second)


async def test_before_a_plain_model_a_deleted_cache_is_noticed_in_half_a_minute(
    plain: Bench, face: Face, clock: Clock
) -> None:
    chain = plain.cached(PROMPT, tools=TOOLS)
    before = await face.invoke(chain, QUESTION)
    delete(plain)
    with pytest.raises(openai.APIStatusError):
        await face.invoke(chain, QUESTION)
    clock.seconds += 30
    assert (await face.invoke(chain, QUESTION)).content == before.content
    first, second = plain.server.chats()
    assert what_counts(first) == what_counts(second)
    assert first.cache_id != second.cache_id


async def test_a_cache_is_not_asked_for_with_every_call(
    plain: Bench, face: Face, clock: Clock
) -> None:
    chain = plain.cached(PROMPT)
    await face.invoke(chain, QUESTION)
    plain.server.clear()
    for _ in range(3):
        clock.seconds += 10
        await face.invoke(chain, QUESTION)
    asked = [r for r in plain.server.requests() if r.path.startswith(CACHING)]
    assert [request.method for request in asked] == ["GET"]


@pytest.mark.parametrize("tools", [(), TOOLS], ids=["bare", "tools"])
async def test_where_the_cache_cannot_be_asked_for_the_answer_is_the_same(
    plain: Bench, face: Face, clock: Clock, tools: Any
) -> None:
    chain = plain.cached(PROMPT, tools=tools)
    await face.invoke(chain, QUESTION)
    plain.server.fail("status", method="GET", path=ONE_CACHE, status=500)
    clock.seconds += 30
    await face.invoke(chain, QUESTION)
    first, second = plain.server.chats()
    assert what_counts(first) == what_counts(second)
    # Without tools everything is sent; tools are nowhere but in the cache.
    assert bool(second.cache_id) == bool(tools)


async def test_a_cache_that_ended_before_its_time_is_brought_back(
    bench: Bench, face: Face, clock: Clock
) -> None:
    chain = bench.cached(PROMPT, tools=TOOLS, ttl=60)
    await face.invoke(chain, QUESTION)
    bench.server.clock.advance(120)
    clock.seconds += 30
    for _ in range(2):
        await face.invoke(chain, QUESTION)
    first, *others = bench.server.chats()
    assert [what_counts(chat) for chat in others] == [what_counts(first)] * 2
    assert others[-1].cache_id == first.cache_id
    assert bench.server.creates() == 1


# No cache to be had -----------------------------------------------------------


async def test_without_a_cache_a_plain_model_gets_the_messages_in_full(
    plain: Bench, face: Face
) -> None:
    plain.server.retire()
    await plain.compare(PROMPT, QUESTION, QUESTION, face=face)
    assert plain.bodies()[0]["messages"][0] == {"role": "system", "content": LORE}


async def test_without_a_cache_tools_cannot_reach_a_plain_model(
    plain: Bench, face: Face
) -> None:
    plain.server.retire()
    with pytest.raises(CacheUnavailableError, match="ChatMoonshotCached"):
        await face.invoke(plain.cached(PROMPT, tools=TOOLS), QUESTION)
    assert plain.server.chats() == []


async def test_without_a_cache_our_model_sends_messages_and_tools_in_full(
    ours: Bench, face: Face
) -> None:
    ours.server.retire()
    (chat,) = await ours.compare(PROMPT, QUESTION, face=face, tools=TOOLS)
    assert chat.cache_id is None


async def test_a_failed_build_is_told_with_the_way_out(
    plain: Bench, face: Face
) -> None:
    plain.server.fail("build_fails", body="no room")
    with pytest.raises(CacheUnavailableError, match="there is none"):
        await face.invoke(plain.cached(PROMPT, tools=TOOLS), QUESTION)


async def test_a_release_that_fails_says_so(bench: Bench, face: Face) -> None:
    llm = bench.model()
    prompt = CachedPromptRunnable(PROMPT, model=llm)
    await face.invoke(prompt | llm, QUESTION)
    bench.server.fail("status", method="DELETE", path=ONE_CACHE, status=403)
    with pytest.raises(MoonshotCacheError):
        await face.release(prompt)
    bench.server.clear()
    assert await face.release(prompt) == 1


async def test_nobody_reaches_an_endpoint_before_the_first_call(
    bench: Bench,
) -> None:
    prompt = CachedPromptRunnable(PROMPT, model=bench.model(), tools=TOOLS)
    assert prompt.release() == 0
    assert bench.server.requests() == []
