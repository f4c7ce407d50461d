"""Which models may stand behind a cached prompt, and however they are wrapped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import ConfigurableField
from langchain_openai import AzureChatOpenAI, ChatOpenAI
from runnable_kit import (
    KEY,
    LORE,
    PROMPT,
    QUESTION,
    answered,
    height,
    keeper,
    what_counts,
)

from langchain_moonshot_cache import CachedPromptRunnable
from langchain_moonshot_cache.errors import ConfigurationError, InvalidPromptError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from colour_kit import Face
    from runnable_kit import Bench

TOOLS = [height, keeper]

WRAPPED: dict[str, Callable[[Any], Any]] = {
    "bound": lambda llm: llm.bind(stop=["never"]),
    "retried": lambda llm: llm.with_retry(stop_after_attempt=2),
    "configured": lambda llm: llm.with_config(tags=["tagged"]),
    "configurable": lambda llm: llm.configurable_fields(
        temperature=ConfigurableField(id="temperature")
    ),
    "wrapped twice": lambda llm: llm.bind(stop=["never"]).with_retry(),
}


@pytest.mark.parametrize("way", WRAPPED)
async def test_a_wrapped_model_is_found_and_uses_the_cache(
    bench: Bench, face: Face, way: str
) -> None:
    llm = WRAPPED[way](bench.model())
    prompt = CachedPromptRunnable(PROMPT, model=llm, tools=TOOLS)
    await face.invoke(prompt | llm, QUESTION)
    await face.invoke(bench.uncached(PROMPT, tools=TOOLS), QUESTION)
    cached, uncached = bench.server.chats()
    assert cached.cache_id
    assert what_counts(cached) == what_counts(uncached)


async def test_the_cache_is_made_for_the_model_that_calls_are_bound_to(
    bench: Bench, face: Face
) -> None:
    llm = bench.model(model="kimi-k3").bind(model="moonshot-v1-32k")
    prompt = CachedPromptRunnable(PROMPT, model=llm, tools=TOOLS)
    await face.invoke(prompt | llm, QUESTION)
    (chat,) = bench.server.chats()
    assert chat.cache_id
    assert chat.model == "moonshot-v1-32k"


async def test_a_parser_may_be_part_of_the_model(ours: Bench, face: Face) -> None:
    schema = {"title": "Tower", "description": "A tower.", "type": "object"}
    schema["properties"] = {"metres": {"type": "integer"}}  # type: ignore[assignment]  # JSON
    llm = ours.ours().with_structured_output(schema)
    prompt = CachedPromptRunnable(PROMPT, model=llm)
    before = await face.invoke(PROMPT | llm, QUESTION)
    assert await face.invoke(prompt | llm, QUESTION) == before
    first, second = ours.server.chats()
    assert what_counts(second) == what_counts(first)


# Tools given twice ------------------------------------------------------------


async def test_tools_that_are_bound_to_our_model_go_before_those_of_the_prompt(
    ours: Bench, face: Face
) -> None:
    llm = ours.ours().bind_tools([keeper])
    prompt = CachedPromptRunnable(PROMPT, model=llm, tools=[height])
    for _ in range(2):
        await face.invoke(prompt | llm, QUESTION)
    await face.invoke(ours.uncached(PROMPT, tools=[keeper]), QUESTION)
    *cached, uncached = ours.server.chats()
    assert [what_counts(chat) for chat in cached] == [what_counts(uncached)] * 2
    assert cached[1].cached_tokens


async def test_tools_bound_to_our_model_are_warmed_and_released_with_it(
    ours: Bench, face: Face
) -> None:
    llm = ours.ours().bind_tools(TOOLS)
    prompt = CachedPromptRunnable(PROMPT, model=llm)
    await face.warm(prompt)
    await face.invoke(prompt | llm, QUESTION)
    assert ours.server.creates() == 1
    assert await face.release(prompt) == 1
    assert ours.server.caches() == []


def test_tools_bound_to_a_plain_model_are_refused_with_the_way_out(
    plain: Bench,
) -> None:
    llm = plain.plain().bind_tools(TOOLS)
    with pytest.raises(ConfigurationError, match=r"CachedPromptRunnable\(tools="):
        CachedPromptRunnable(PROMPT, model=llm)


@pytest.mark.parametrize(
    "wrong",
    [{"type": "function", "function": {"parameters": []}}, "height", 7],
    ids=["schema", "name", "number"],
)
def test_what_is_no_tool_is_refused(bench: Bench, wrong: Any) -> None:
    with pytest.raises(InvalidPromptError):
        CachedPromptRunnable(PROMPT, model=bench.model(), tools=[wrong])


# Fallbacks --------------------------------------------------------------------


async def test_a_fallback_of_ours_gets_the_same_messages_and_tools(
    ours: Bench, face: Face
) -> None:
    broken = ours.ours(base_url="http://127.0.0.1:9/v1", timeout=1)
    llm = broken.with_fallbacks([ours.ours()])
    prompt = CachedPromptRunnable(PROMPT, model=llm, tools=TOOLS)
    await face.invoke(prompt | llm, QUESTION)
    await face.invoke(ours.uncached(PROMPT, tools=TOOLS), QUESTION)
    cached, uncached = ours.server.chats()
    assert what_counts(cached) == what_counts(uncached)


async def test_a_fallback_of_another_kind_gets_the_messages_without_our_mark(
    ours: Bench, face: Face
) -> None:
    broken = ours.ours(base_url="http://127.0.0.1:9/v1", timeout=1)
    llm = broken.with_fallbacks([ours.plain()])
    prompt = CachedPromptRunnable(PROMPT, model=llm)
    await face.invoke(prompt | llm, QUESTION)
    await face.invoke(ours.uncached(PROMPT), QUESTION)
    one, other = ours.bodies()
    assert one == other | {"stream": one.get("stream", other.get("stream"))}


async def test_tools_bound_to_each_model_reach_a_fallback_of_another_kind(
    ours: Bench, face: Face
) -> None:
    broken = ours.ours(base_url="http://127.0.0.1:9/v1", timeout=1)
    models = [model.bind_tools(TOOLS) for model in (broken, ours.plain())]
    llm = models[0].with_fallbacks(models[1:])
    prompt = CachedPromptRunnable(PROMPT, model=llm, tools=TOOLS)
    await face.invoke(prompt | llm, QUESTION)
    await face.invoke(ours.uncached(PROMPT, tools=TOOLS), QUESTION)
    cached, uncached = ours.server.chats()
    assert what_counts(cached) == what_counts(uncached)


def test_a_fallback_that_would_miss_the_tools_is_refused(ours: Bench) -> None:
    llm = ours.ours().with_fallbacks([FakeListChatModel(responses=["no"])])
    with pytest.raises(ConfigurationError, match="FakeListChatModel would not be told"):
        CachedPromptRunnable(PROMPT, model=llm, tools=TOOLS)


def test_a_plain_model_with_fallbacks_is_refused(plain: Bench) -> None:
    llm = plain.plain().with_fallbacks([plain.plain()])
    with pytest.raises(ConfigurationError, match="use ChatMoonshotCached"):
        CachedPromptRunnable(PROMPT, model=llm)


# Models that cannot reference caches ------------------------------------------


@pytest.mark.parametrize(
    "model",
    [
        FakeListChatModel(responses=["no"]),
        FakeListChatModel(responses=["no"]).bind(stop=["x"]),
        AzureChatOpenAI(
            azure_endpoint="http://127.0.0.1:9", api_key=KEY, api_version="2025-01-01"
        ),
        "moonshot-v1-8k",
    ],
    ids=["fake", "bound", "azure", "name"],
)
def test_a_model_of_another_vendor_is_refused(model: Any) -> None:
    with pytest.raises(ConfigurationError, match="cannot reference a cache"):
        CachedPromptRunnable(PROMPT, model=model)


@pytest.mark.parametrize(
    "base_url",
    [None, "https://api.openai.com/v1", "https://eu.api.openai.com/v1"],
    ids=["by default", "by name", "in a region"],
)
def test_a_key_of_openai_is_sent_nowhere_else(base_url: str | None) -> None:
    llm = ChatOpenAI(model="gpt", api_key=KEY, base_url=base_url)
    with pytest.raises(ConfigurationError, match=r"set base_url") as caught:
        CachedPromptRunnable(PROMPT, model=llm)
    assert KEY not in str(caught.value)


def test_a_model_that_speaks_the_responses_api_is_refused(plain: Bench) -> None:
    llm = plain.plain(use_responses_api=True)
    with pytest.raises(ConfigurationError, match="use_responses_api=False"):
        CachedPromptRunnable(PROMPT, model=llm)


@pytest.mark.parametrize("caching", ["off", "prefix"])
async def test_without_named_caches_everything_is_sent_and_answered_the_same(
    ours: Bench, face: Face, caching: str
) -> None:
    llm = ours.ours(caching=caching)
    prompt = CachedPromptRunnable(PROMPT, model=llm, tools=TOOLS)
    answer = await face.invoke(prompt | llm, QUESTION)
    before = await face.invoke(ours.uncached(PROMPT, tools=TOOLS), QUESTION)
    cached, uncached = ours.server.chats()
    assert what_counts(cached) == what_counts(uncached)
    assert answer.content == before.content
    assert ours.server.creates() == 0
    assert not await face.release(prompt)


async def test_an_automatic_cache_is_asked_for_the_lifetime_of_the_prompt(
    ours: Bench, face: Face
) -> None:
    llm = ours.ours(model="kimi-k3")
    prompt = CachedPromptRunnable(PROMPT, model=llm, ttl="1h", tools=TOOLS)
    await face.invoke(prompt | llm, QUESTION)
    (body,) = ours.bodies()
    assert body["prompt_cache_options"]["ttl"] == "1h"
    assert [tool["function"]["name"] for tool in body["tools"]] == ["height", "keeper"]


# Two models in one chain ------------------------------------------------------


async def test_models_with_different_keys_have_a_cache_each(
    bench: Bench, face: Face
) -> None:
    models = [bench.model(), bench.model(api_key="sk-somebody-else")]
    for llm in models:
        chain = CachedPromptRunnable(PROMPT, model=llm, tools=TOOLS) | llm
        await face.invoke(chain, QUESTION)
    first, second = bench.server.chats()
    assert what_counts(first) == what_counts(second)
    assert first.cache_id != second.cache_id
    assert first.request.account != second.request.account


async def test_a_cache_of_one_key_before_a_model_with_another_is_an_error(
    plain: Bench, face: Face
) -> None:
    prompt = CachedPromptRunnable(PROMPT, model=plain.plain(), tools=TOOLS)
    stranger = plain.plain(api_key="sk-somebody-else")
    with pytest.raises(openai.APIStatusError):
        await face.invoke(prompt | stranger, QUESTION)
    assert plain.server.chats() == []


async def test_a_prompt_made_for_one_of_our_models_serves_another(
    ours: Bench, face: Face
) -> None:
    prompt = CachedPromptRunnable(PROMPT, model=ours.ours(), tools=TOOLS)
    stranger = ours.ours(api_key="sk-somebody-else")
    await face.invoke(prompt | stranger, QUESTION)
    await face.invoke(ours.uncached(PROMPT, tools=TOOLS), QUESTION)
    cached, uncached = ours.server.chats()
    assert what_counts(cached) == what_counts(uncached)
    assert cached.request.account != uncached.request.account


async def test_a_fallback_with_another_key_uses_no_cache_of_the_first(
    ours: Bench, face: Face, tmp_path: Path
) -> None:
    registry = f"sqlite:///{tmp_path / 'caches.db'}"
    first = ours.ours(registry=registry)
    second = ours.ours(registry=registry, api_key="sk-somebody-else")
    llm = first.with_fallbacks([second])
    chain = CachedPromptRunnable(PROMPT, model=llm, tools=TOOLS) | llm
    await face.invoke(chain, QUESTION)
    # The cache of the first is there; its next call fails.
    ours.server.fail("status", path="/v1/chat/completions", status=500, nth=1)
    await face.invoke(chain, QUESTION)
    chats = ours.server.chats()
    assert what_counts(chats[0]) == what_counts(chats[1])
    assert chats[0].cache_id != chats[1].cache_id
    assert chats[0].request.account != chats[1].request.account
    (reference,) = [body["messages"][0]["content"] for body in ours.bodies()[-1:]]
    assert str(chats[0].cache_id) not in reference
    assert ours.server.creates() == 2


# A variable in a system message, in front of our model alone --------------------


async def test_a_variable_in_the_system_message_is_answered_as_without_a_cache(
    ours: Bench, face: Face
) -> None:
    template = ChatPromptTemplate(
        [("system", f"{LORE} Speak {{language}}."), ("human", "{question}")]
    )
    inputs = [{"language": name, **QUESTION} for name in ("Latin", "Greek", "Latin")]
    answers = [
        [await face.invoke(template | llm, given) for given in inputs]
        for llm in (ours.plain(), ours.ours())
    ]
    assert list(map(answered, answers[1])) == list(map(answered, answers[0]))
    chats = ours.server.chats()
    assert list(map(what_counts, chats[3:])) == list(map(what_counts, chats[:3]))
    # Each text is a prefix of its own, which the outcome tells.
    outcomes = [a.response_metadata["moonshot_cache"]["outcome"] for a in answers[1]]
    assert outcomes == ["write", "write", "hit"]
    assert ours.server.creates() == 2
