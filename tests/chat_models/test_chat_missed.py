"""A call that misses a cache that was due says what moved; a callback says it once."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from chat_kit import height, keeper, told
from langchain_core.language_models import FakeListChatModel, FakeListLLM
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.runnables import ConfigurableField
from langchain_core.tools import tool

from langchain_moonshot_cache.callbacks import CacheDriftHandler
from langchain_moonshot_cache.chat_models.recall import Asked
from langchain_moonshot_cache.prefix.drift import Drift

if TYPE_CHECKING:
    from collections.abc import Callable

    from colour_kit import Face

    from langchain_moonshot_cache import ChatMoonshotCached
    from langchain_moonshot_cache.testing import MoonshotServer

    Make = Callable[..., ChatMoonshotCached]

DRIFT = "moonshot_drift"
CANARY = "tweety"
TEXT = f"You know every lighthouse there is, and {CANARY}. " * 100
SYSTEM = SystemMessage(TEXT)
QUESTION = HumanMessage("How tall is the Pharos?")
LATER = HumanMessage("And who kept it?")


@tool
def tower(name: str) -> str:
    """Tell what the tower of a lighthouse is made of."""
    return f"{name}: stone"


drifting = pytest.mark.breaks_prefix("that is what is tried here")


def at(time: str) -> SystemMessage:
    return SystemMessage(f"It is {time}. {TEXT}")


@pytest.fixture
def kimi(make: Make) -> ChatMoonshotCached:
    """A model whose provider caches by itself."""
    return make(model="kimi-k3")


@drifting
async def test_an_automatic_miss_says_what_moved_and_what_it_came_to(
    talk: tuple[Face, str], kimi: ChatMoonshotCached
) -> None:
    face, style = talk
    first = await face.answer(kimi, [at("10:00"), QUESTION], style=style)
    second = await face.answer(kimi, [at("10:01"), QUESTION], style=style)

    assert DRIFT not in first.response_metadata
    drift = Drift.from_dict(second.response_metadata[DRIFT])
    assert (drift.cause, drift.place and drift.place.offset) == ("timestamp", 10)
    assert told(second)["outcome"] == "write"
    reason = "messages[0].content (system), from character 11 on: a time changed; about"
    assert reason in told(second)["reason"]
    assert CANARY not in json.dumps(second.response_metadata)
    asked = second.usage_metadata["input_tokens"]  # type: ignore[index]  # it is reported
    assert drift.lost_tokens == pytest.approx(asked, rel=0.2)


@drifting
async def test_a_named_cache_that_is_made_anew_says_what_moved(
    talk: tuple[Face, str], make: Make
) -> None:
    face, style = talk
    llm = make()
    one, other = (
        llm.bind_tools(tools) for tools in ([height, keeper], [keeper, height])
    )
    await face.answer(one, [SYSTEM, QUESTION], style=style)
    hit = await face.answer(one, [SYSTEM, LATER], style=style)
    made = await face.answer(other, [SYSTEM, LATER], style=style)
    assert told(hit)["outcome"] == "hit"
    assert DRIFT not in hit.response_metadata
    assert told(made)["outcome"] == "write"
    assert made.response_metadata[DRIFT]["cause"] == "tool_order"
    assert "the tools stand in another order" in told(made)["reason"]


async def test_calls_that_are_as_they_should_be_say_nothing(
    talk: tuple[Face, str], kimi: ChatMoonshotCached, make: Make
) -> None:
    face, style = talk
    for llm in (kimi, make()):
        answers = [await face.answer(llm, [SYSTEM, QUESTION], style=style)]
        grown = [SYSTEM, QUESTION, answers[0], LATER]
        other = SystemMessage("You count words. " * 100)
        asked = (grown, [SYSTEM, LATER], [other, QUESTION], [*grown, QUESTION])
        answers += [await face.answer(llm, each, style=style) for each in asked]
        assert not [a for a in answers if DRIFT in a.response_metadata]


async def test_a_provider_that_forgot_is_told_from_a_prompt_that_moved(
    face: Face, server: MoonshotServer, kimi: ChatMoonshotCached
) -> None:
    await face.invoke(kimi, [SYSTEM, QUESTION])
    server.clock.advance(301)
    answer = await face.invoke(kimi, [SYSTEM, QUESTION])
    assert answer.response_metadata[DRIFT]["cause"] == "gone"

    now = kimi._caching.recall.clock() + 301
    kimi._caching.recall.clock = lambda: now
    server.clock.advance(301)
    answer = await face.invoke(kimi, [SYSTEM, QUESTION])
    assert answer.response_metadata[DRIFT]["cause"] == "expired"


async def test_calls_that_run_at_once_cannot_have_missed_one_another(
    face: Face, make: Make
) -> None:
    llm = make(model="kimi-k3", cache_policy="economic")
    answers = await face.batch(llm, [[SYSTEM, QUESTION]] * 4)
    assert not [a for a in answers if DRIFT in a.response_metadata]


async def test_unreported_usage_is_no_miss(
    face: Face, server: MoonshotServer, kimi: ChatMoonshotCached
) -> None:
    server.configure(usage_fields="bare")
    await face.invoke(kimi, [SYSTEM, QUESTION])
    answer = await face.invoke(kimi, [SYSTEM, QUESTION])
    assert DRIFT not in answer.response_metadata


@drifting
async def test_without_caching_nothing_is_remembered(face: Face, make: Make) -> None:
    llm = make(model="kimi-k3", caching="off")
    for time in ("10:00", "10:01"):
        answer = await face.invoke(llm, [at(time), QUESTION])
        assert DRIFT not in answer.response_metadata
    assert llm._caching.recall._asked == []


@drifting
def test_what_is_remembered_is_bounded_in_calls_and_in_size(
    kimi: ChatMoonshotCached,
) -> None:
    recall = kimi._caching.recall
    for number in range(20):
        kimi.invoke(f"{number} is a number.")
    [first, *_] = asked = recall._asked
    assert len(asked) == 16
    for letter in "abc":
        long = Asked(
            [HumanMessage([{"type": "text", "text": letter * 5_000_000}])],
            {},
            build=kimi._as_sent,
            call=first[0].call,
            now=0.0,
        )
        recall.add(long, lifetime=None, tokens=None)
    assert [size for _, size in recall._asked] == [5_000_004] * 2


def test_a_conversation_that_grows_is_remembered_once(
    kimi: ChatMoonshotCached,
) -> None:
    messages: list[Any] = [SYSTEM, QUESTION]
    for _ in range(3):
        messages += [kimi.invoke(messages), LATER]
    assert len(kimi._caching.recall._asked) == 1


@drifting
async def test_models_that_are_configured_at_run_time_remember_together(
    face: Face, kimi: ChatMoonshotCached
) -> None:
    llm = kimi.configurable_fields(max_tokens=ConfigurableField(id="most"))
    for most, time in ((100, "10:00"), (200, "10:01")):
        config = {"configurable": {"most": most}}
        answer = await face.invoke(llm, [at(time), QUESTION], config=config)
    assert answer.response_metadata[DRIFT]["cause"] == "timestamp"


@drifting
async def test_trouble_with_explaining_is_no_trouble_of_the_call(
    face: Face,
    kimi: ChatMoonshotCached,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_args: Any, **_kwargs: Any) -> None:
        raise RuntimeError(CANARY)

    monkeypatch.setattr("langchain_moonshot_cache.chat_models.recall.nearest", broken)
    for time in ("10:00", "10:01"):
        answer = await face.invoke(kimi, [at(time), QUESTION])
    assert told(answer)["outcome"] == "write"
    assert DRIFT not in answer.response_metadata
    assert caplog.messages == [
        "misses go unexplained: caching is out of order: RuntimeError"
    ]


@drifting
async def test_the_callback_says_each_cause_once(
    talk: tuple[Face, str],
    kimi: ChatMoonshotCached,
    make: Make,
    caplog: pytest.LogCaptureFixture,
) -> None:
    face, style = talk
    heard: list[Drift] = []
    watch = CacheDriftHandler()
    own = CacheDriftHandler(tell=heard.append)
    config = {"callbacks": [watch, own]}
    with caplog.at_level(logging.WARNING, logger="langchain_moonshot_cache"):
        for minute in range(4):
            asked = [at(f"10:0{minute}"), QUESTION]
            await face.answer(kimi, asked, style=style, config=config)
        for llm in (make(model="kimi-k3"), make()):
            for tools in ([height], [keeper]):
                bound = llm.bind_tools(tools)
                await face.answer(bound, [SYSTEM, QUESTION], style=style, config=config)
    causes = [drift.cause for drift in watch.drifts]
    assert causes == ["timestamp", "tool_set"]
    assert heard == watch.drifts
    lines = [line for line in caplog.messages if line.startswith("calls miss")]
    assert len(lines) == 2
    assert "a time changed" in lines[0]
    assert heard[0].mend in lines[0]
    assert CANARY not in caplog.text


@drifting
async def test_tools_that_change_places_again_and_again_are_one_cause(
    face: Face, make: Make
) -> None:
    llm, watch = make(), CacheDriftHandler(tell=lambda _: None)
    config = {"callbacks": [watch]}
    lists = ([height, keeper], [keeper, height], [tower, keeper, height])
    for tools in (*lists, lists[2][::-1]):
        await face.invoke(llm.bind_tools(tools), [SYSTEM, QUESTION], config=config)
    assert [drift.cause for drift in watch.drifts] == ["tool_order", "tool_set"]


async def test_the_callback_leaves_other_models_answers_alone(
    face: Face, kimi: ChatMoonshotCached
) -> None:
    watch = CacheDriftHandler()
    config = {"callbacks": [watch]}
    await face.invoke(kimi, [SYSTEM, QUESTION], config=config)
    for model in (FakeListChatModel(responses=["so"]), FakeListLLM(responses=["so"])):
        await face.invoke(model, "How tall?", config=config)
    assert watch.drifts == []
