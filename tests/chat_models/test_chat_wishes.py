"""One model, several wishes: what ``with_caching`` changes and what stays shared."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest
from chat_kit import KEY, QUESTION, SYSTEM, bodies, height, model_of, told

from langchain_moonshot_cache import ConfigurationError, MoonshotCachingClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from colour_kit import Face

    from langchain_moonshot_cache import ChatMoonshotCached
    from langchain_moonshot_cache.testing import MoonshotServer

    Make = Callable[..., ChatMoonshotCached]

PROMPT = [SYSTEM, QUESTION]


async def test_the_wished_lifetime_is_that_of_the_cache(
    llm: ChatMoonshotCached, server: MoonshotServer, face: Face
) -> None:
    await face.invoke(llm.with_caching(ttl="5m"), PROMPT)
    (made,) = server.requests(method="POST", path="/v1/caching")
    assert made.body["ttl"] == 300
    await face.invoke(llm.with_caching(ttl=600), PROMPT)
    assert bodies(server)[-1]["messages"][0]["content"].endswith(";reset_ttl=600")


async def test_a_least_size_takes_the_place_of_the_policys(
    make: Make, server: MoonshotServer, face: Face
) -> None:
    economic = make(cache_policy="economic")
    answer = await face.invoke(economic.with_caching(min_tokens=1000), PROMPT)
    assert "a cache pays from 1000" in told(answer)["reason"]
    assert server.creates() == 0
    await face.invoke(economic.with_caching(min_tokens=0), PROMPT)
    assert server.creates() == 1


async def test_the_model_itself_stays_as_it_was(
    make: Make, server: MoonshotServer, face: Face
) -> None:
    llm = make(cache_ttl=900)
    other = llm.with_caching(ttl="5m", min_tokens=1_000_000)
    await face.invoke(llm, PROMPT)
    (made,) = server.requests(method="POST", path="/v1/caching")
    assert made.body["ttl"] == 900
    assert (llm.cache_ttl, other.cache_ttl) == (900, "5m")


def test_wishes_go_along_to_another_process(
    server: MoonshotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOONSHOT_API_KEY", KEY)
    wishing = model_of(server).with_caching(ttl="5m", min_tokens=7)
    there = pickle.loads(pickle.dumps(wishing))  # noqa: S301 - our own bytes
    assert (there.cache_ttl, there.cache_policy.least_tokens) == ("5m", 7)


async def test_both_use_one_cache_and_either_releases_it(
    llm: ChatMoonshotCached, server: MoonshotServer, face: Face
) -> None:
    await face.invoke(llm.with_caching(ttl="5m"), PROMPT)
    answer = await face.invoke(llm, PROMPT)
    assert told(answer)["outcome"] == "hit"
    assert server.creates() == 1
    assert await face.release(llm) == 1
    assert server.caches() == []


async def test_what_comes_of_a_model_outlives_it(make: Make, face: Face) -> None:
    other = make().with_caching(ttl="5m").with_caching(min_tokens=0)
    assert told(await face.invoke(other, PROMPT))["outcome"] == "write"
    assert await face.release(other) == 1


async def test_warming_goes_by_the_wish_too(
    llm: ChatMoonshotCached, server: MoonshotServer, face: Face
) -> None:
    await face.warm(llm.with_caching(ttl="5m"), [SYSTEM])
    (made,) = server.requests(method="POST", path="/v1/caching")
    assert made.body["ttl"] == 300


async def test_a_mark_in_the_messages_wins_over_the_wish(
    llm: ChatMoonshotCached, server: MoonshotServer, face: Face
) -> None:
    marked = SYSTEM.model_copy(update={"additional_kwargs": {"cache": {"ttl": 120}}})
    await face.invoke(llm.with_caching(ttl="1h"), [marked, QUESTION])
    (made,) = server.requests(method="POST", path="/v1/caching")
    assert made.body["ttl"] == 120


async def test_a_refused_cache_is_made_anew_with_the_wished_lifetime(
    llm: ChatMoonshotCached, server: MoonshotServer, face: Face
) -> None:
    wishing = llm.with_caching(ttl=240)
    await face.invoke(wishing, PROMPT)
    with MoonshotCachingClient(api_key=KEY, base_url=server.base_url) as another:
        another.delete(server.caches()[0]["id"])
    await face.invoke(wishing, PROMPT)
    made = server.requests(method="POST", path="/v1/caching")
    assert [request.body["ttl"] for request in made] == [240, 240]


@pytest.mark.parametrize(("least", "tier"), [(10, "1h"), (100_000, None)])
async def test_a_tier_is_asked_for_from_the_least_size_on(
    make: Make, server: MoonshotServer, face: Face, least: int, tier: str | None
) -> None:
    llm = make(model="kimi-k3").with_caching(ttl="1h", min_tokens=least)
    answer = await face.invoke(llm.bind_tools([height]), PROMPT)
    options = bodies(server)[-1].get("prompt_cache_options", {})
    assert options.get("ttl") == tier
    assert ("asked for from 100000" in told(answer)["reason"]) is (tier is None)


@pytest.mark.parametrize(
    "wish", [{"ttl": "2h"}, {"ttl": 5}, {"min_tokens": -1}, {"min_tokens": 2.5}]
)
def test_a_wish_out_of_range_is_refused(
    llm: ChatMoonshotCached, wish: dict[str, float | str]
) -> None:
    with pytest.raises(ConfigurationError, match=r"use|lives from"):
        llm.with_caching(**wish)  # type: ignore[arg-type]  # that is the point
