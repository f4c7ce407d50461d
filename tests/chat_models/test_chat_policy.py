"""What prices and observed pauses decide about the calls of a model."""

from __future__ import annotations

import time
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from chat_kit import KEY, QUESTION, bodies, reference, told
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
)

from langchain_moonshot_cache import MoonshotCachingClient
from langchain_moonshot_cache.manager import shared
from langchain_moonshot_cache.registry import MemoryRegistry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from colour_kit import Face

    from langchain_moonshot_cache import ChatMoonshotCached
    from langchain_moonshot_cache.lifecycle import Entry
    from langchain_moonshot_cache.testing import MoonshotServer

    Make = Callable[..., ChatMoonshotCached]

SMALL, LARGE, K3 = "moonshot-v1-8k", "moonshot-v1-128k", "kimi-k3"
MINUTE = 60.0


def lore(name: str, *, times: int = 500, **mark: Any) -> list[BaseMessage]:
    """Make a prompt with a long beginning of its own."""
    text = f"{name}: you know every lighthouse there ever was, and its keeper. " * times
    return [SystemMessage(text, additional_kwargs=mark), QUESTION]


class Clock:
    """One time for the server and for the models."""

    def __init__(self, server: MoonshotServer) -> None:
        server.clock.freeze()
        self._server = server
        self._waited = 0.0
        self.models: list[ChatMoonshotCached] = []

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self._waited += seconds
        self._server.clock.advance(seconds)
        offset = self._server.clock.now() - time.time()
        for llm in self.models:
            llm._caching.sync.client.server_time_offset = offset
            llm._caching.aio.client.server_time_offset = offset

    def time(self) -> float:
        """Stand in for ``time.time``: what is ahead is the server's clock."""
        return time.time()

    def monotonic(self) -> float:
        """Stand in for ``time.monotonic``."""
        return self._waited


@pytest.fixture
def clock(server: MoonshotServer, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Time that only passes when it is told to."""
    clock = Clock(server)
    monkeypatch.setattr(shared, "time", clock)
    return clock


@pytest.fixture
def wait(clock: Clock) -> Callable[[float], None]:
    """Lets time pass, for the server and for the client."""
    return clock.wait


@pytest.fixture
def economic(make: Make, clock: Clock) -> Make:
    """Makes models with the default policy."""

    def economic(**options: Any) -> ChatMoonshotCached:
        clock.models.append(make(**{"cache_policy": "economic", **options}))
        return clock.models[-1]

    return economic


async def test_one_beginning_at_a_time_is_tried_before_it_is_earned(
    economic: Make, server: MoonshotServer, face: Face
) -> None:
    llm = economic(model=SMALL)
    prompts = [lore("first", times=400), lore("second", times=400)]
    tried = await face.invoke(llm, prompts[0])
    waits = await face.invoke(llm, prompts[1])
    assert told(tried)["outcome"] == "write"
    assert told(waits)["outcome"] == "bypassed"
    assert "yet to earn" in told(waits)["reason"]
    for _ in range(6):
        await face.invoke(llm, prompts[0])
    assert told(await face.invoke(llm, prompts[1]))["outcome"] == "write"
    assert server.creates() == 2


async def test_a_mark_needs_no_credit(economic: Make, face: Face) -> None:
    llm = economic(model=SMALL)
    answers = [
        await face.invoke(llm, lore(name, times=400, cache=True))
        for name in ("first", "second")
    ]
    assert [told(answer)["outcome"] for answer in answers] == ["write", "write"]


async def test_a_prefix_that_comes_too_rarely_is_left_alone(
    economic: Make,
    server: MoonshotServer,
    face: Face,
    wait: Callable[[float], None],
) -> None:
    llm = economic(model=SMALL)
    answers = []
    for _ in range(8):
        answers.append(await face.invoke(llm, lore("rare", times=400, cache=True)))
        wait(40 * MINUTE)
    assert told(answers[-1])["outcome"] == "bypassed"
    assert "too few uses are expected" in told(answers[-1])["reason"]
    assert server.creates() <= 2


async def test_a_cache_is_kept_for_as_long_as_its_uses_are_apart(
    economic: Make,
    server: MoonshotServer,
    face: Face,
    wait: Callable[[float], None],
) -> None:
    llm = economic(model=LARGE)
    answers = []
    for _ in range(30):
        answers.append(await face.invoke(llm, lore("steady")))
        wait(20.0)
    assert [told(answer)["outcome"] for answer in answers[1:]] == ["hit"] * 29
    assert server.creates() == 1
    [cache] = server.caches(status="ready")
    assert cache["expired_at"] - cache["created_at"] <= 14 * MINUTE


async def test_any_traffic_on_a_dear_model_costs_less_than_none_would(
    economic: Make,
    server: MoonshotServer,
    face: Face,
    wait: Callable[[float], None],
) -> None:
    """By the server's own bill, at any time."""
    chance, llm = Random(7), economic(model=LARGE)  # noqa: S311 - drawn once
    uncached = Decimal(0)
    for _ in range(60):
        prompt = lore(chance.choice("abc"), times=chance.choice([50, 200, 400]))
        answer = await face.invoke(llm, prompt)
        uncached += Decimal(told(answer)["cost_uncached"])
        wait(chance.expovariate(1 / chance.choice([5.0, 60.0, 600.0])))
        assert server.bill(KEY).total <= uncached
    assert server.bill(KEY).total < uncached / 2


async def test_a_lifetime_of_the_users_own_is_not_decided_about(
    economic: Make, server: MoonshotServer, face: Face
) -> None:
    llm = economic(model=SMALL, cache_ttl=1800)
    for name in ("first", "second"):
        await face.invoke(llm, lore(name, times=400))
    assert [cache["expired_at"] - cache["created_at"] for cache in server.caches()] == [
        1800,
        1800,
    ]


async def test_explaining_a_call_spends_nothing_and_notes_no_use(
    economic: Make, server: MoonshotServer, face: Face
) -> None:
    llm = economic(model=SMALL)
    for _ in range(3):
        assert llm.explain(lore("first", times=400)).action == "create"
    answer = await face.invoke(llm, lore("first", times=400))
    assert told(answer)["outcome"] == "write"
    assert server.creates() == 1


class CountingRegistry(MemoryRegistry):
    """Counts what is written about caches."""

    def __init__(self) -> None:
        super().__init__()
        self.records = 0

    def record(self, entry: Entry) -> bool:
        self.records += 1
        return super().record(entry)


async def test_renewing_by_the_minute_tells_the_registry_twice_in_five_minutes(
    economic: Make, face: Face, wait: Callable[[float], None]
) -> None:
    registry = CountingRegistry()
    llm = economic(model=LARGE, registry=registry)
    await face.invoke(llm, lore("steady"))
    made = registry.records
    for _ in range(60):
        wait(10.0)
        await face.invoke(llm, lore("steady"))
    assert registry.records - made <= 5


async def test_what_one_client_observed_another_one_begins_with(
    economic: Make,
    face: Face,
    wait: Callable[[float], None],
    tmp_path: Path,
) -> None:
    registry = f"sqlite:///{tmp_path}/registry.sqlite"
    prompt = lore("rare", times=400, cache=True)
    dear = economic(model=LARGE, registry=registry)
    for _ in range(12):
        await face.invoke(dear, prompt)
        wait(20 * MINUTE)
    cheap = economic(model=SMALL, registry=registry)
    wait(0)  # tells it the time
    answer = await face.invoke(cheap, prompt)
    assert "too few uses are expected" in told(answer)["reason"]
    stranger = await face.invoke(economic(model=SMALL), prompt)
    assert told(stranger)["outcome"] == "write"


async def test_a_cache_that_another_client_pays_for_needs_no_earning(
    economic: Make, server: MoonshotServer, face: Face
) -> None:
    registry = MemoryRegistry()
    prompt = lore("shared", times=400)
    await face.invoke(economic(model=SMALL, registry=registry), prompt)
    other = economic(model=SMALL, registry=registry)
    owing = await face.invoke(other, lore("own", times=400))
    answer = await face.invoke(other, prompt)
    assert told(owing)["outcome"] == "write"
    assert told(answer)["outcome"] == "hit"
    assert server.creates() == 2


# Conversations that grow -------------------------------------------------------------


async def converse(
    llm: ChatMoonshotCached, face: Face, turns: int, *, style: str = "invoke"
) -> list[AIMessage]:
    """Tell and ask, a long message at a time."""
    talk, answers = lore("talk")[:1], []
    for number in range(turns):
        talk.append(HumanMessage(f"{number}: the keeper wrote in his book. " * 300))
        answers.append(await face.answer(llm, talk, style=style))
        talk.append(answers[-1])
    return answers


async def test_a_conversation_is_cached_further_as_it_grows(
    economic: Make, server: MoonshotServer, face: Face, style: str
) -> None:
    answers = await converse(economic(model=LARGE), face, 8, style=style)
    cached = [told(answer)["tokens_cached"] for answer in answers]
    assert cached == sorted(cached)
    assert cached[-1] > 2 * cached[0]
    assert not any("moonshot_drift" in each.response_metadata for each in answers)
    costs = [Decimal(told(answer)["cost"]) for answer in answers]
    uncached = sum(Decimal(told(answer)["cost_uncached"]) for answer in answers)
    assert server.bill(KEY).total < uncached
    assert costs[-1] < Decimal(told(answers[-1])["cost_uncached"]) / 2


async def test_what_is_said_of_a_growing_conversation_is_what_is_done(
    economic: Make, face: Face
) -> None:
    llm, talk = economic(model=LARGE), lore("talk")[:1]
    done = {"write": "create", "hit": "use"}
    for number in range(6):
        talk.append(HumanMessage(f"{number}: the keeper wrote in his book. " * 300))
        said = llm.explain(talk)
        answer = await face.invoke(llm, talk)
        assert said.action == done[told(answer)["outcome"]]
        assert said.drift is None
        talk.append(answer)


@pytest.mark.parametrize(
    "fixed", [{"cache_ttl": 600}, {"cache_policy": "always"}, {"model": SMALL}]
)
async def test_a_conversation_is_not_cached_further_unasked_where_that_must_be_earned(
    economic: Make, server: MoonshotServer, face: Face, fixed: dict[str, Any]
) -> None:
    await converse(economic(**{"model": LARGE, **fixed}), face, 3)
    assert server.creates() == 1


async def test_a_mark_says_where_a_conversation_s_cache_ends(
    economic: Make, server: MoonshotServer, face: Face
) -> None:
    llm = economic(model=LARGE)
    talk = lore("talk", cache=True)[:1]
    for number in range(4):
        talk.append(HumanMessage(f"{number}: the keeper wrote in his book. " * 300))
        talk.append(await face.invoke(llm, talk))
    assert server.creates() == 1


async def test_a_longer_cache_that_fails_leaves_the_shorter_one(
    economic: Make, server: MoonshotServer, face: Face
) -> None:
    llm = economic(model=LARGE)
    await face.invoke(llm, lore("talk"))
    server.fail("status", path="/v1/caching", status=503, times=20)
    answers = await converse(llm, face, 3)
    assert [told(answer)["outcome"] for answer in answers] == ["hit"] * 3
    assert server.creates() == 1


# Five minutes or an hour -------------------------------------------------------------


def tiers(server: MoonshotServer) -> list[str | None]:
    """Return the lifetimes that requests asked for."""
    return [body.get("prompt_cache_options", {}).get("ttl") for body in bodies(server)]


async def test_pauses_of_twenty_minutes_make_kimi_ask_for_an_hour(
    economic: Make,
    server: MoonshotServer,
    face: Face,
    style: str,
    wait: Callable[[float], None],
) -> None:
    llm = economic(model=K3)
    answers = []
    for _ in range(4):
        answers.append(await face.answer(llm, lore("rare"), style=style))
        wait(20 * MINUTE)
    assert tiers(server) == [None, "1h", "1h", "1h"]
    assert "asked for 1h: 1h is expected to save" in told(answers[1])["reason"]
    outcomes = [told(answer)["outcome"] for answer in answers]
    assert outcomes == ["write", "write", "hit", "hit"]


async def test_pauses_of_two_minutes_leave_kimi_its_default(
    economic: Make,
    server: MoonshotServer,
    face: Face,
    wait: Callable[[float], None],
) -> None:
    llm = economic(model=K3)
    for _ in range(5):
        await face.invoke(llm, lore("often"))
        wait(2 * MINUTE)
    assert tiers(server) == [None] * 5


async def test_a_tier_of_the_users_own_is_not_decided_about(
    economic: Make,
    server: MoonshotServer,
    face: Face,
    wait: Callable[[float], None],
) -> None:
    llm = economic(model=K3, cache_ttl="5m")
    for _ in range(4):
        await face.invoke(llm, lore("rare"))
        wait(20 * MINUTE)
    assert tiers(server) == ["5m"] * 4


@pytest.mark.parametrize("model", ["kimi-k2.6", "qwen-max"])
async def test_a_model_that_bills_no_writes_is_asked_for_no_lifetime(
    economic: Make,
    server: MoonshotServer,
    face: Face,
    wait: Callable[[float], None],
    model: str,
) -> None:
    server.answer_next(*["so"] * 4)
    llm = economic(model=model, caching="prefix")
    for _ in range(3):
        try:
            await face.invoke(llm, lore("rare"))
        except Exception:  # noqa: BLE001 - the stand-in may not know the model
            assert model == "qwen-max"
        wait(20 * MINUTE)
    assert tiers(server) == [None] * 3


async def test_a_refused_cache_is_made_anew_if_that_was_earned(
    economic: Make, server: MoonshotServer, face: Face
) -> None:
    llm = economic(model=LARGE)
    for _ in range(3):
        await face.invoke(llm, lore("first"))
    with MoonshotCachingClient(api_key=KEY, base_url=server.base_url) as client:
        [cache] = server.caches()
        client.delete(cache["id"])
    again = await face.invoke(llm, lore("first"))
    assert told(again)["outcome"] == "write"
    assert server.creates() == 2
    assert reference(bodies(server)[-1]) is None
