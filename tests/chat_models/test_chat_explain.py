"""``explain`` says what a call would do and why, and sends nothing."""

from __future__ import annotations

import copy
import json
import pickle
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from chat_kit import KEY, height, keeper, told
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_moonshot_cache import CachePolicy, ChatMoonshotCached, InvalidPromptError

if TYPE_CHECKING:
    from collections.abc import Callable

    from colour_kit import Face

    from langchain_moonshot_cache.chat_models.explanation import Explanation
    from langchain_moonshot_cache.testing import MoonshotServer

    Make = Callable[..., ChatMoonshotCached]

CANARY = "tweety"
TEXT = f"You know every lighthouse there is, and {CANARY}. " * 60
SYSTEM = SystemMessage(TEXT)
QUESTION = HumanMessage("How tall is the Pharos?")
LATER = HumanMessage("And who kept it?")
TOOLS = [height, keeper]
CALL = {"name": "height", "args": {"name": "Pharos"}, "id": "height:0"}


def turn(arguments: str = '{"name":"Pharos"}', **more: Any) -> AIMessage:
    """Make a turn as this package keeps it: with what was received."""
    call = {"index": 0, "id": "height:0", "name": "height", "arguments": arguments}
    kept = {"reasoning_content": "I look.", "moonshot_tool_calls": [call], **more}
    return AIMessage("", tool_calls=[CALL], additional_kwargs=kept)


RESULT = ToolMessage("100 m", tool_call_id="height:0")
HISTORY = [SYSTEM, QUESTION, turn(), RESULT, LATER]


def dated(day: str) -> SystemMessage:
    return SystemMessage(f"Today is {day}. {TEXT}")


async def explained(face: Face, llm: Any, *args: Any, **kwargs: Any) -> Explanation:
    if face.is_sync:
        return llm.explain(*args, **kwargs)  # type: ignore[no-any-return]  # any model
    return await llm.aexplain(*args, **kwargs)  # type: ignore[no-any-return]  # the same


@pytest.fixture
def kimi(make: Make) -> ChatMoonshotCached:
    """A model whose provider caches by itself."""
    return make(model="kimi-k3")


@pytest.fixture(autouse=True)
def _canary(caplog: pytest.LogCaptureFixture) -> Any:
    """Whatever is explained, no prompt is logged."""
    with caplog.at_level("DEBUG", logger="langchain_moonshot_cache"):
        yield
    assert CANARY not in caplog.text


async def test_explaining_sends_creates_and_changes_nothing(
    face: Face, server: MoonshotServer, make: Make
) -> None:
    llm = make()
    for model in (llm, make(model="kimi-k3"), make(caching="off")):
        await explained(face, model, HISTORY, tools=TOOLS)
    assert server.requests() == []
    assert list(llm._caching.shared.registry.entries()) == []


@pytest.mark.parametrize("model", ["moonshot-v1-8k", "kimi-k3"])
async def test_explaining_is_no_use_by_which_the_policy_decides(
    face: Face, make: Make, model: str
) -> None:
    llm = make(model=model, cache_policy=CachePolicy(least_tokens=0))
    advisor = llm._caching.shared.advisor

    def observed() -> dict[str, Any]:
        kept = {k: v for k, v in vars(advisor).items() if k != "_lock"}
        return copy.deepcopy(kept)

    await face.invoke(llm, HISTORY, tools=None)
    known = observed()
    assert known["_habits"]
    for asked in (HISTORY, [dated("2026-11-01"), QUESTION]):
        await explained(face, llm, asked)
    assert observed() == known


async def test_a_call_without_a_prefix_of_its_own_is_compared_with_none(
    face: Face, make: Make
) -> None:
    llm = make()
    await face.invoke(llm, [SYSTEM, QUESTION])
    seen = await explained(face, llm, [QUESTION])
    assert (seen.action, seen.drift, seen.compared_with) == ("leave", None, None)


async def test_a_named_cache_is_foretold_through_its_life(
    face: Face, make: Make
) -> None:
    llm, asked = make(cache_ttl=300), [SYSTEM, QUESTION]
    told_before = await explained(face, llm, asked)
    assert (told_before.action, told_before.mechanism) == ("create", "named")
    assert (told_before.prefix_messages, told_before.ttl) == (1, 300)
    assert told_before.prefix_tokens > 256
    assert told_before.drift is None

    answer = await face.invoke(llm, asked)
    told_after = await explained(face, llm, asked)
    assert told_after.action == "use"
    assert told_after.cache_id == told(answer)["cache_id"]
    assert told_after.seconds_left == pytest.approx(300, abs=60)

    other = make(registry=llm._caching.shared.registry)
    elsewhere = await explained(face, other, asked)
    assert (elsewhere.action, elsewhere.cache_id) == ("use", told_after.cache_id)


async def test_a_cache_that_is_being_made_is_waited_for(
    face: Face, server: MoonshotServer, make: Make
) -> None:
    server.configure(ready_after=60)
    llm = make(cache_wait=0)
    await face.invoke(llm, [SYSTEM, QUESTION])
    assert (await explained(face, llm, [SYSTEM, QUESTION])).action == "wait"


async def test_a_retired_endpoint_is_foretold(
    face: Face, server: MoonshotServer, make: Make
) -> None:
    server.retire(404)
    llm = make()
    await face.invoke(llm, [SYSTEM, QUESTION])
    seen = await explained(face, llm, [dated("2026-11-01"), QUESTION])
    assert (seen.action, seen.reason) == (
        "leave",
        "the endpoint does not offer /v1/caching",
    )


async def test_an_expired_cache_is_named_as_the_cause(
    face: Face, server: MoonshotServer, make: Make
) -> None:
    llm = make(cache_ttl=60)
    await face.invoke(llm, [SYSTEM, QUESTION])
    server.clock.advance(100)
    # Any answer of the server tells its time.
    await face.invoke(llm, [SystemMessage("Other."), QUESTION])
    seen = await explained(face, llm, [SYSTEM, QUESTION])
    assert seen.action == "create"
    assert seen.drift is not None
    assert seen.drift.cause == "expired"
    assert seen.drift.lost_tokens > 256
    assert seen.cost is not None


async def test_a_prefix_that_is_too_short_to_pay_is_named_as_such(
    face: Face, make: Make
) -> None:
    llm = make(cache_policy=CachePolicy(least_tokens=100_000))
    seen = await explained(face, llm, [SYSTEM, QUESTION])
    assert seen.action == "leave"
    assert seen.drift is not None
    assert seen.drift.cause == "too_short"
    short = await explained(face, make(model="kimi-k3"), "How tall?")
    assert short.drift is not None
    assert short.drift.cause == "too_short"


async def test_what_a_call_would_do_without_caching_is_told_too(
    face: Face, make: Make
) -> None:
    seen = await explained(face, make(caching="off"), [SYSTEM, QUESTION])
    assert (seen.action, seen.reason) == ("off", "caching is switched off")
    assert (seen.prefix_tokens, seen.drift) == (0, None)


CHANGED = {
    "type": "function",
    "function": {
        "name": "height",
        "description": "Tell the height of a lighthouse.",
        "parameters": {"type": "object", "properties": {"name": {"type": "integer"}}},
    },
}
MOVED: dict[str, tuple[list[Any], list[Any], list[Any], list[Any], str]] = {
    "date": (
        [dated("2026-11-01"), QUESTION],
        [dated("2026-11-02"), QUESTION],
        [],
        [],
        "messages[0].content",
    ),
    "tool_schema": (HISTORY, HISTORY, [height], [CHANGED], "tools[0].function"),
    "tool_set": (HISTORY, HISTORY, [height], [height, keeper], "tools[1]"),
    "rewritten_json": (
        HISTORY,
        [SYSTEM, QUESTION, turn('{"name": "Pharos"}'), RESULT, LATER],
        TOOLS,
        TOOLS,
        "messages[2].tool_calls[0].function.arguments",
    ),
    "reasoning_content": (
        HISTORY,
        [SYSTEM, QUESTION, turn(reasoning_content=""), RESULT, LATER],
        TOOLS,
        TOOLS,
        "messages[2].reasoning_content",
    ),
    "messages_removed": (
        [SYSTEM, LATER, AIMessage("Nobody."), *HISTORY[1:]],
        [SYSTEM, *HISTORY[1:]],
        TOOLS,
        TOOLS,
        "messages[1].content",
    ),
}


@pytest.mark.parametrize("cause", MOVED)
async def test_what_moved_is_named_with_automatic_caching(
    face: Face, kimi: ChatMoonshotCached, cause: str
) -> None:
    before, after, tools_before, tools_after, path = MOVED[cause]
    await face.invoke(kimi.bind_tools(tools_before), before)
    same = await explained(
        face, kimi, [*before, AIMessage("So."), LATER], tools=tools_before
    )
    assert same.drift is None
    assert same.compared_with is not None
    assert same.seconds_left == pytest.approx(300, abs=60)

    seen = await explained(face, kimi, after, tools=tools_after)
    assert seen.action == "automatic"
    assert seen.drift is not None
    assert seen.drift.cause == cause
    assert seen.drift.place is not None
    assert seen.drift.place.path.startswith(path)
    assert seen.drift.mend in str(seen)
    if seen.drift.lost_tokens:
        assert seen.cost is not None
        assert seen.cost > 0
        assert f"{seen.cost.normalize():f} CNY" in str(seen)


PREFIXES = {
    "date": ([dated("2026-11-01")], [dated("2026-11-02")], TOOLS, TOOLS),
    "tool_order": ([SYSTEM], [SYSTEM], TOOLS, TOOLS[::-1]),
    "tool_schema": ([SYSTEM], [SYSTEM], [height], [CHANGED]),
    "messages_inserted": ([SYSTEM], [SYSTEM, SystemMessage("Be brief.")], TOOLS, TOOLS),
    "text": ([SYSTEM], [SystemMessage(TEXT + "Be brief.")], TOOLS, TOOLS),
}


@pytest.mark.parametrize("cause", PREFIXES)
async def test_what_moved_in_a_named_prefix_costs_another_cache(
    face: Face, make: Make, cause: str
) -> None:
    before, after, tools_before, tools_after = PREFIXES[cause]
    llm = make(cache_ttl=600)
    await face.invoke(llm.bind_tools(tools_before), [*before, QUESTION])
    same = await explained(face, llm, [*before, LATER], tools=tools_before)
    assert (same.action, same.drift) == ("use", None)

    seen = await explained(face, llm, [*after, LATER], tools=tools_after)
    assert seen.action == "create"
    assert seen.drift is not None
    assert seen.drift.cause == cause
    assert seen.drift.shared_tokens == 0
    # List prices of 2024, per million: 24 yuan to create, 5 a minute to keep.
    tokens = seen.prefix_tokens
    assert seen.cost == tokens * (24 + 10 * 5) / Decimal(1_000_000)


def test_the_order_of_tools_moves_nothing_on_models_that_get_them_sorted(
    kimi: ChatMoonshotCached,
) -> None:
    kimi.bind_tools(TOOLS).invoke(HISTORY)
    assert kimi.explain([*HISTORY, QUESTION], tools=TOOLS[::-1]).drift is None


def test_the_order_of_tools_counts_on_models_nobody_knows(make: Make) -> None:
    llm = make(model="a-local-model", caching="prefix")
    first = llm.explain(HISTORY, tools=TOOLS)
    drift = llm.explain(HISTORY, tools=TOOLS[::-1], against=first).drift
    assert drift is not None
    assert drift.cause == "tool_order"


async def test_calls_of_other_models_accounts_and_settings_can_be_compared(
    face: Face, make: Make, kimi: ChatMoonshotCached
) -> None:
    first = await explained(face, kimi, HISTORY)
    others = {
        "other_model": make(model="kimi-k2.6"),
        "other_account": make(model="kimi-k3", api_key="sk-somebody-else"),
    }
    for cause, llm in others.items():
        seen = await explained(face, llm, HISTORY, against=first)
        assert seen.drift is not None
        assert seen.drift.cause == cause
        assert seen.drift.lost_tokens > 256
    effort = await explained(face, kimi, HISTORY, against=first, reasoning_effort="low")
    assert effort.drift is not None
    assert (effort.drift.cause, effort.drift.detail) == (
        "other_settings",
        "reasoning_effort",
    )
    named = await explained(face, make(), HISTORY)
    other = await explained(
        face, make(api_key="sk-somebody-else"), HISTORY, against=named
    )
    assert other.drift is not None
    assert other.drift.cause == "other_account"


def test_sizes_of_one_family_share_named_caches(make: Make) -> None:
    small, large = make(), make(model="moonshot-v1-128k")
    assert large.explain(HISTORY, against=small.explain(HISTORY)).drift is None


def test_messages_can_be_compared_without_having_been_sent(
    kimi: ChatMoonshotCached,
) -> None:
    before, after = ([dated(day), QUESTION] for day in ("2026-11-01", "2026-11-02"))
    drift = kimi.explain(after, tools=TOOLS, against=before).drift
    assert drift is not None
    assert (drift.cause, drift.place and drift.place.offset) == ("date", 18)


def test_a_pause_beyond_the_lifetime_is_an_expiry(kimi: ChatMoonshotCached) -> None:
    now = [1_800_000_000.0]
    kimi._caching.recall.clock = lambda: now[0]
    kimi.invoke([SYSTEM, QUESTION])
    now[0] += 299
    assert kimi.explain([SYSTEM, QUESTION]).drift is None
    now[0] += 2
    seen = kimi.explain([SYSTEM, QUESTION])
    assert seen.drift is not None
    assert seen.drift.cause == "expired"
    assert seen.drift.detail == "last used 301 s ago, and kept for 300 s"


def test_an_unknown_price_is_unknown(make: Make) -> None:
    llm = make(model="a-local-model", caching="prefix")
    first = llm.explain([dated("2026-11-01"), QUESTION])
    seen = llm.explain([dated("2026-11-02"), QUESTION], against=first)
    assert seen.drift is not None
    assert (seen.cost, seen.currency) == (None, None)
    assert "What that costs is not known" in str(seen)


def test_an_explanation_is_json_and_quotes_only_when_told(
    kimi: ChatMoonshotCached,
) -> None:
    first = kimi.explain([SYSTEM, QUESTION], tools=TOOLS)
    moved = SystemMessage(TEXT.replace(CANARY, f"{CANARY} 2", 1))
    seen = kimi.explain([moved, QUESTION], tools=TOOLS, against=first)
    again = pickle.loads(pickle.dumps(seen))  # noqa: S301 - our own
    shown = [str(seen), repr(seen), json.dumps(seen.to_dict()), repr(again)]
    shown.append(repr(again.__getstate__()))
    assert not [text for text in shown if CANARY in text or KEY in text]
    assert again == seen
    assert json.loads(shown[2])["drift"]["cause"] == "text"
    assert Decimal(seen.to_dict()["cost"]) == seen.cost
    assert CANARY in json.dumps(seen.to_dict(show_text=True))
    with pytest.raises(InvalidPromptError, match="pickled"):
        kimi.explain([SYSTEM, QUESTION], against=again)


def test_what_is_told_reads_like_a_text(kimi: ChatMoonshotCached) -> None:
    first = kimi.explain([dated("2026-11-01"), QUESTION])
    seen = kimi.explain([dated("2026-11-02"), QUESTION], against=first)
    tokens = seen.prefix_tokens
    assert str(seen) == (
        "A call of kimi-k3 would leave caching to the provider: the provider caches "
        "prefixes by itself.\n"
        f"What can be cached: 2 messages and 0 tools, about {tokens} tokens.\n"
        "messages[0].content (system), from character 19 on: a date changed. About 4 "
        f"tokens can still be read from the cache, {tokens - 4} are lost. "
        "Move what changes behind what stays the same, best into the last message.\n"
        f"That costs {seen.to_dict()['cost']} CNY."
    )


def test_one_message_is_no_plural(llm: ChatMoonshotCached) -> None:
    assert "1 message and 0 tools" in str(llm.explain([SYSTEM, QUESTION]))
