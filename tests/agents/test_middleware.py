"""The middleware: wishes of one agent, models of others, and prefixes that drift."""

from __future__ import annotations

import subprocess
import sys
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from agent_kit import agent_of, asked, bodies, chat_requests, shape
from langchain.agents.middleware import (
    ModelFallbackMiddleware,
)
from langgraph.checkpoint.memory import InMemorySaver

from langchain_moonshot_cache import ConfigurationError
from langchain_moonshot_cache.middleware import MoonshotPromptCachingMiddleware

if TYPE_CHECKING:
    from agent_kit import Bench
    from colour_kit import Face

CHAT = "/v1/chat/completions"


def creates(bench: Bench) -> list[Any]:
    return bench.server.requests(method="POST", path="/v1/caching")


@pytest.mark.parametrize(("ttl", "seconds"), [("5m", 300), ("1h", 3600), (600, 600)])
async def test_the_agents_lifetime_is_that_of_its_cache(
    bench: Bench, face: Face, ttl: Any, seconds: int
) -> None:
    caching = MoonshotPromptCachingMiddleware(ttl=ttl)
    await face.invoke(agent_of(bench.ours(cache_ttl=900), caching), asked())
    assert [request.body["ttl"] for request in creates(bench)] == [seconds]


async def test_on_kimi_the_agents_lifetime_is_the_tier_that_is_asked_for(
    bench: Bench, face: Face
) -> None:
    caching = MoonshotPromptCachingMiddleware(ttl="1h")
    await face.invoke(agent_of(bench.ours(model="kimi-k3"), caching), asked())
    wishes = [body["prompt_cache_options"] for body in bodies(bench.server)]
    assert len(wishes) == 2
    assert all(wish == {"mode": "implicit", "ttl": "1h"} for wish in wishes)


@pytest.mark.parametrize(("least", "made"), [(20, 1), (5000, 0)])
async def test_a_prefix_below_the_least_size_gets_no_cache(
    bench: Bench, face: Face, least: int, made: int
) -> None:
    caching = MoonshotPromptCachingMiddleware(min_tokens=least)
    await face.invoke(agent_of(bench.ours(), caching), asked())
    assert bench.server.creates() == made


async def test_the_state_of_an_agent_is_as_it_is_without(
    bench: Bench, face: Face
) -> None:
    config = {"configurable": {"thread_id": "one"}}

    async def state(*middleware: Any) -> list[Any]:
        agent = agent_of(bench.ours(), *middleware, checkpointer=InMemorySaver())
        await face.invoke(agent, asked(), config=config)
        values = agent.get_state(config).values
        assert values.keys() == {"messages"}
        return [
            (*shape(message), message.additional_kwargs)
            for message in values["messages"]
        ]

    caching = MoonshotPromptCachingMiddleware(ttl="1h", min_tokens=1)
    assert await state(caching) == await state()


async def test_the_model_that_was_given_stays_as_it_was(
    bench: Bench, face: Face
) -> None:
    llm = bench.ours(cache_ttl=900)
    before = llm.model_dump()
    caching = MoonshotPromptCachingMiddleware(ttl="5m", min_tokens=1)
    await face.invoke(agent_of(llm, caching), asked())
    assert llm.model_dump() == before
    assert await face.release(llm) == 1
    assert bench.server.caches() == []


@pytest.mark.parametrize("caching_first", [True, False])
async def test_a_fallback_to_another_vendor_receives_none_of_our_settings(
    bench: Bench,
    face: Face,
    caching_first: bool,  # noqa: FBT001 - pytest hands it over
) -> None:
    other = bench.plain(model="moonshot-v1-32k")
    caching = MoonshotPromptCachingMiddleware(
        ttl="1h", min_tokens=1, unsupported_model_behavior="ignore"
    )
    middleware = [caching, ModelFallbackMiddleware(other)]
    if not caching_first:
        middleware.reverse()
    await face.invoke(agent_of(other), asked())
    expected = bodies(bench.server)
    bench.server.clear()

    agent = agent_of(bench.ours(model="kimi-k3"), *middleware)
    await face.invoke(agent, asked())
    assert bodies(bench.server)[0]["prompt_cache_options"]["ttl"] == "1h"
    bench.server.clear()

    # Every other request fails: those to our model, each before one to the fallback.
    for nth in (1, 3):
        bench.server.fail("status", path=CHAT, status=500, nth=nth)
    await face.invoke(agent, asked())
    answered = [r.body for r in chat_requests(bench.server) if r.status == 200]
    assert answered == expected


async def test_a_fallback_from_another_vendor_to_our_model_is_cached(
    bench: Bench, face: Face
) -> None:
    bench.server.fail("status", path=CHAT, status=500, nth=1)
    caching = MoonshotPromptCachingMiddleware(
        ttl="5m", unsupported_model_behavior="ignore"
    )
    fallback = ModelFallbackMiddleware(bench.ours())
    agent = agent_of(bench.plain(model="moonshot-v1-32k"), fallback, caching)
    await face.invoke(agent, asked())
    assert [request.body["ttl"] for request in creates(bench)] == [300]


async def test_a_model_behind_a_binding_is_ours_all_the_same(
    bench: Bench, face: Face
) -> None:
    caching = MoonshotPromptCachingMiddleware(
        ttl="5m", unsupported_model_behavior="raise"
    )
    llm: Any = bench.ours().with_config(tags=["bound"])
    await face.invoke(agent_of(llm, caching), asked())
    assert [request.body["ttl"] for request in creates(bench)] == [300]


async def test_a_model_with_fallbacks_is_ours_where_its_first_one_is(
    bench: Bench, face: Face
) -> None:
    caching = MoonshotPromptCachingMiddleware(
        ttl="5m", unsupported_model_behavior="raise"
    )
    other = bench.plain(model="moonshot-v1-32k")
    agent = agent_of(bench.ours().with_fallbacks([other]), caching)
    await face.invoke(agent, asked())
    assert [request.body["ttl"] for request in creates(bench)] == [300]
    refusing = agent_of(other.with_fallbacks([bench.ours()]), caching)
    with pytest.raises(ConfigurationError, match="RunnableWithFallbacks"):
        await face.invoke(refusing, asked())


async def test_a_model_of_another_vendor_is_ignored_warned_of_or_refused(
    bench: Bench, face: Face
) -> None:
    ignoring, warning, refusing = (
        agent_of(
            bench.plain(),
            MoonshotPromptCachingMiddleware(unsupported_model_behavior=behaviour),
        )
        for behaviour in ("ignore", "warn", "raise")
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        await face.invoke(ignoring, asked())
        assert not caught
    with pytest.warns(UserWarning, match="does nothing for ChatOpenAI"):
        await face.invoke(warning, asked())
    bench.server.clear()
    with pytest.raises(ConfigurationError, match="use it with ChatMoonshotCached"):
        await face.invoke(refusing, asked())
    assert bodies(bench.server) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ttl": "2h"}, "use '5m', '1h'"),
        ({"ttl": 7200}, "from 30 to 3600 seconds"),
        ({"min_tokens": -1}, "min_tokens is -1"),
        ({"unsupported_model_behavior": "shout"}, "use one of ignore, warn, raise"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        MoonshotPromptCachingMiddleware(**options)


def test_without_langchain_the_import_names_the_extra() -> None:
    program = (
        "import sys; sys.modules['langchain'] = None;"
        "import langchain_moonshot_cache.middleware"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "pip install 'langchain-moonshot-cache[middleware]'" in run.stderr
