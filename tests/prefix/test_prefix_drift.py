"""Each cause of a drift is told by its name, with the place and what it costs."""

from __future__ import annotations

import pickle
from copy import deepcopy
from typing import Any

import pytest
from drift_kit import (
    ANSWER,
    CONVERSATION,
    LATER,
    PICTURE,
    QUESTION,
    RESULT,
    SYSTEM,
    TOOLS,
    TURN,
    asked,
    called,
    opened,
    tool,
    with_arguments,
)

from langchain_moonshot_cache import InvalidPromptError
from langchain_moonshot_cache.prefix.drift import (
    Cause,
    Drift,
    Request,
    compare,
    nearest,
)
from langchain_moonshot_cache.prefix.drift.words import MENDING, WORDS

BEFORE = asked(*CONVERSATION)


def drift_of(before: Request, after: Request, **options: Any) -> Drift:
    drift = compare(before, after, **options)
    assert drift is not None
    return drift


@pytest.mark.parametrize(
    ("cause", "one", "other"),
    [
        ("timestamp", "It is 2026-11-01T10:00:00Z", "It is 2026-11-01T10:00:07Z"),
        ("timestamp", "It is 2026-11-01 10:00", "It is 2026-12-01 09:30"),
        ("timestamp", "It is 12:59 pm", "It is 1:00 pm"),
        (
            "timestamp",
            "At Sun, 1 Nov 2026 10:00:00 GMT",
            "At Mon, 2 Nov 2026 10:00:00 GMT",
        ),
        ("timestamp", "ts=1790000000.25", "ts=1790000061.5"),
        ("date", "Today is 2026-11-01", "Today is 2026-11-02"),
        (
            "date",
            "Today is Sunday, November 1st, 2026",
            "Today is Monday, November 2nd, 2026",
        ),
        ("date", "今天是2026年11月1日", "今天是2026年11月2日"),
        (
            "identifier",
            "run 6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
            "run 6f9619ff-8b86-4d01-b42d-00cf4fc96400",
        ),
        ("identifier", "<Keeper at 0x7f3a2c10>", "<Keeper at 0x7f3a2d90>"),
        ("identifier", "request req8f2k1m9x", "request reqz77k1m9x"),
        ("counter", "This is step 9 of 30", "This is step 10 of 30"),
        ("whitespace", "a  keeper", "a keeper"),
        ("text", "the keeper is Anna", "the keeper is Ben"),
    ],
)
def test_what_moved_in_a_prompt_is_named(cause: str, one: str, other: str) -> None:
    drift = drift_of(opened(one), opened(other))
    assert drift.cause == cause
    assert drift.place is not None
    assert (drift.place.message, drift.place.role) == (0, "system")
    assert drift.place.path == "messages[0].content"
    assert drift.matters
    assert drift.shared_tokens > 250 < drift.lost_tokens


def test_several_times_in_one_prompt_are_one_time_that_changed() -> None:
    drift = drift_of(opened("From 10:00 to 10:30"), opened("From 10:05 to 10:35"))
    assert drift.cause is Cause.TIMESTAMP


def test_a_number_before_another_text_is_no_counter() -> None:
    drift = drift_of(opened("Chapter 1: Storms"), opened("Chapter 2: Lamps and oil"))
    assert drift.cause is Cause.TEXT


@pytest.mark.parametrize(
    ("how", "arguments"),
    [
        ("spaces", '{"name":"Phårøs","unit":"m"}'),
        ("order of keys", '{"unit": "m", "name": "Phårøs"}'),
        ("escapes or numbers", '{ "name":"Ph\\u00e5r\\u00f8s", "unit": "m"}'),
    ],
)
def test_arguments_written_anew_are_told_from_other_ones(
    how: str, arguments: str
) -> None:
    drift = drift_of(BEFORE, with_arguments(arguments))
    assert (drift.cause, drift.detail) == (Cause.REWRITTEN, how)
    assert drift.place is not None
    assert drift.place.path == "messages[2].tool_calls[0].function.arguments"


def test_other_arguments_are_another_text() -> None:
    assert drift_of(BEFORE, with_arguments('{"name":"Eddystone"}')).cause is Cause.TEXT


def test_another_id_of_a_tool_call_is_named() -> None:
    drift = drift_of(BEFORE, called(id="call_1"))
    assert drift.cause is Cause.CALL_ID
    assert str(drift.place).startswith("messages[2].tool_calls[0].id (assistant)")


@pytest.mark.parametrize(
    ("reasoning", "detail"), [(None, "left out"), ("", "left out"), ("So.", "")]
)
def test_reasoning_that_was_dropped_or_changed_is_named(
    reasoning: str | None, detail: str
) -> None:
    turn = {**TURN, "reasoning_content": reasoning}
    drift = drift_of(BEFORE, asked(SYSTEM, QUESTION, turn, RESULT, ANSWER, LATER))
    assert (drift.cause, drift.detail) == (Cause.REASONING, detail)


def test_another_reference_to_an_image_is_named() -> None:
    words = {"type": "text", "text": "Which one is this?"}
    other = {"type": "image_url", "image_url": {"url": "ms://second"}}
    one, two = (
        asked(SYSTEM, {"role": "user", "content": [words, picture]}, ANSWER, LATER)
        for picture in (PICTURE, other)
    )
    drift = drift_of(one, two)
    assert drift.cause is Cause.IMAGE
    assert drift.place is not None
    assert drift.place.path == "messages[1].content[1].image_url.url"


@pytest.mark.parametrize(
    ("cause", "detail", "messages"),
    [
        ("messages_removed", "2 before", [SYSTEM, QUESTION, ANSWER, LATER]),
        ("messages_inserted", "1 before", [SYSTEM, LATER, *CONVERSATION[1:]]),
        (
            "other_question",
            "",
            [SYSTEM, {"role": "user", "content": "Who lives there?"}],
        ),
        (
            "other_question",
            "",
            [*CONVERSATION[:-1], {"role": "user", "content": "Why?"}],
        ),
        ("other_prompt", "", [{"role": "system", "content": "Be brief."}, QUESTION]),
    ],
)
def test_another_course_of_the_conversation_is_named(
    cause: str, detail: str, messages: list[Any]
) -> None:
    drift = drift_of(BEFORE, asked(*messages))
    assert drift.cause == cause
    assert drift.detail.startswith(detail)
    assert drift.matters is False


CHANGED = deepcopy(TOOLS[1])
CHANGED["function"]["parameters"]["properties"]["name"]["type"] = "integer"
TURNED = {"function": TOOLS[1]["function"], "type": "function"}


@pytest.mark.parametrize(
    ("cause", "detail", "path", "tools"),
    [
        ("tool_order", "", "tools[0].function.parameters", TOOLS[::-1]),
        ("tool_set", "added: lamp", "tools[3]", [*TOOLS, tool("lamp")]),
        ("tool_set", "removed: range", "tools[2]", TOOLS[:2]),
        (
            "tool_set",
            "added: lamp; removed: height",
            "tools[0]",
            [tool("lamp"), *TOOLS[1:]],
        ),
        (
            "tool_schema",
            "",
            "tools[1].function.parameters.properties.name.type",
            [TOOLS[0], CHANGED, TOOLS[2]],
        ),
        (
            "counter",
            "",
            "tools[1].function.description",
            [TOOLS[0], tool("keeper", description="Run 2."), TOOLS[2]],
        ),
        ("rewritten_json", "order of keys", "tools[1]", [TOOLS[0], TURNED, TOOLS[2]]),
    ],
)
def test_what_moved_among_the_tools_is_named(
    cause: str, detail: str, path: str, tools: list[Any]
) -> None:
    first = TOOLS
    if cause == "counter":
        first = [TOOLS[0], tool("keeper", description="Run 1."), TOOLS[2]]
    drift = drift_of(
        asked(*CONVERSATION, tools=first), asked(*CONVERSATION, tools=tools)
    )
    assert (drift.cause, drift.detail) == (cause, detail)
    assert drift.place is not None
    assert drift.place.path.startswith(path)
    assert drift.place.path.startswith(f"tools[{drift.place.tool_index}]")
    assert drift.matters


@pytest.mark.parametrize(
    ("cause", "changes"),
    [
        ("other_account", {"account": "b"}),
        ("other_model", {"model": "kimi-k2.6"}),
        ("other_settings", {"settings": {"reasoning_effort": '"low"'}}),
    ],
)
def test_what_a_prefix_is_held_under_comes_before_what_it_says(
    cause: str, changes: Any
) -> None:
    held = {"account": "a", "model": "kimi-k3", "settings": {}}
    before = asked(*CONVERSATION, **held)
    drift = drift_of(before, asked(LATER, **{**held, **changes}))
    assert drift.cause == cause
    assert drift.place is None
    assert drift.shared_tokens == 0


def test_a_prompt_below_the_minimum_is_too_short_and_loses_nothing() -> None:
    drift = drift_of(asked(QUESTION), asked(QUESTION, ANSWER, LATER))
    assert drift.cause is Cause.TOO_SHORT
    assert drift.lost_tokens == 0


def test_a_pause_beyond_the_lifetime_is_an_expiry() -> None:
    before, after = asked(*CONVERSATION, at=1000.0), asked(*CONVERSATION, at=1301.0)
    drift = drift_of(before, after, lifetime=300)
    assert drift.cause is Cause.EXPIRED
    assert drift.detail == "last used 301 s ago, and kept for 300 s"
    assert drift.lost_tokens == before.tokens
    assert compare(before, after, lifetime=301) is None
    assert compare(before, asked(*CONVERSATION), lifetime=300) is None


def test_a_cache_that_is_used_whole_is_lost_whole() -> None:
    drift = drift_of(asked(SYSTEM), asked(SYSTEM, QUESTION), whole=True, least_tokens=0)
    assert drift.cause is Cause.INSERTED
    assert drift.shared_tokens == 0
    assert drift.lost_tokens == asked(SYSTEM).tokens


@pytest.mark.parametrize(
    "after",
    [
        BEFORE,
        asked(*CONVERSATION, ANSWER, QUESTION),
        asked(*CONVERSATION[:3]),
        asked({**SYSTEM, "content": [{"type": "text", "text": SYSTEM["content"]}]}),
        asked({**SYSTEM, "name": None, "tool_calls": []}, *CONVERSATION[1:]),
    ],
)
def test_going_on_going_back_and_leaving_out_nothing_are_no_drift(
    after: Request,
) -> None:
    assert compare(BEFORE, after) is None


def test_a_turn_that_was_to_be_continued_may_be() -> None:
    begun = {"role": "assistant", "content": "A hundred ", "partial": True}
    before = asked(SYSTEM, QUESTION, begun)
    assert compare(before, asked(SYSTEM, QUESTION, ANSWER, LATER)) is None
    other = {**ANSWER, "content": "A thousand metres."}
    assert drift_of(before, asked(SYSTEM, QUESTION, other)).cause is Cause.TEXT


def test_the_request_that_is_carried_on_is_found_among_others() -> None:
    other = asked({"role": "system", "content": "Count words."}, QUESTION)
    earlier = [other, asked(SYSTEM, QUESTION), BEFORE, other]
    assert nearest(earlier, asked(*CONVERSATION, ANSWER, QUESTION)) == 2
    assert nearest(earlier, opened("It is 10:00")) in {1, 2}
    assert nearest([], BEFORE) is None
    moved = [asked(*CONVERSATION, model=model) for model in ("a", "b", "a")]
    assert nearest(moved, asked(*CONVERSATION, LATER, model="b")) == 1


def test_nothing_that_is_shown_or_sent_on_quotes_the_prompt() -> None:
    one, other = opened("canary 10:00 tweety"), opened("canary 11:00 tweety")
    drift = drift_of(one, other)
    again = pickle.loads(pickle.dumps(drift))  # noqa: S301 - our own
    shown = [repr(drift), str(drift), str(drift.to_dict()), repr(one), repr(again)]
    assert not [text for text in shown if "canary" in text or "tweety" in text]
    assert again == drift
    assert again.texts is None
    texts = drift.to_dict(show_text=True)["texts"]
    assert ["tweety" in text for text in texts] == [True, True]
    with pytest.raises(TypeError, match="secret"):
        pickle.dumps(one)


def test_a_request_is_read_from_the_body_that_is_sent() -> None:
    body = {
        "model": "kimi-k3",
        "messages": [QUESTION],
        "tools": None,
        "reasoning_effort": "low",
        "temperature": 1,
    }
    request = Request.of(body, account="a", at=5.0)
    assert request.settings == {"reasoning_effort": '"low"'}
    assert (request.model, list(request.messages), request.at) == (
        "kimi-k3",
        [QUESTION],
        5.0,
    )


@pytest.mark.parametrize(
    "body",
    [[], {}, {"messages": "tweety"}, {"messages": [1]}, {"messages": [], "tools": {}}],
)
def test_what_is_no_request_is_refused_without_quoting_it(body: Any) -> None:
    with pytest.raises(InvalidPromptError) as caught:
        Request.of(body)
    assert "tweety" not in str(caught.value)


def test_what_json_does_not_know_is_refused_without_quoting_it() -> None:
    odd = asked(*CONVERSATION, tools=[tool("height", canary=float("nan"))])
    with pytest.raises(InvalidPromptError) as caught:
        compare(odd, BEFORE)
    assert "canary" not in str(caught.value)


def test_every_cause_has_words_and_a_way_to_mend_it() -> None:
    causes = set(map(str, Cause))
    assert set(WORDS) == set(MENDING) == causes
