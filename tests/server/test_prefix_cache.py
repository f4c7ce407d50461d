"""The automatic prefix cache of kimi models, over the wire."""

from __future__ import annotations

import json
from typing import Any

import pytest
from prefix_cache_kit import (
    BLOCK,
    KIMI,
    MANUAL,
    MORE,
    WRITE_1H,
    WRITE_5M,
    Json,
    ask,
    read,
    whole_blocks,
    with_ttl,
    written,
)
from server_kit import QUESTION, TOOL, Api


def test_a_first_prompt_is_written_in_whole_blocks_and_nothing_is_read(
    api: Api,
) -> None:
    usage = ask(api, MANUAL, QUESTION)
    assert read(usage) == 0
    assert written(usage) == whole_blocks(usage["prompt_tokens"]) > BLOCK


def test_an_exact_repeat_is_read_whole(kimi: Api) -> None:
    usage = ask(kimi, MANUAL, QUESTION)
    assert read(usage) == usage["prompt_tokens"]
    assert written(usage) == 0


def test_another_question_reads_the_blocks_before_it(kimi: Api) -> None:
    usage = ask(kimi, MANUAL, MORE)
    assert read(usage) == whole_blocks(ask(kimi, MANUAL)["prompt_tokens"])
    assert read(usage) + written(usage) == whole_blocks(usage["prompt_tokens"])


@pytest.mark.parametrize(("words", "cached"), [(500, False), (600, True)])
def test_a_prompt_of_one_block_or_less_is_not_cached(
    api: Api, words: int, *, cached: bool
) -> None:
    short = {"role": "user", "content": "ab" * words}
    first, second = ask(api, short), ask(api, short)
    assert (first["prompt_tokens"] > BLOCK) == cached
    assert (read(second) > 0) == (written(first) > 0) == cached


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "kimi-k3.1-pro"},
        {"reasoning_effort": "low"},
        {"tools": [TOOL]},
        {"messages": [{"role": "user", "content": MANUAL["content"]}, QUESTION]},
        {"messages": [{**MANUAL, "content": f"!{MANUAL['content']}"}, QUESTION]},
    ],
    ids=["model", "effort", "tools", "role", "first character"],
)
def test_what_stands_before_everything_else_ends_the_match_at_once(
    kimi: Api, changed: Json
) -> None:
    messages = changed.pop("messages", [MANUAL, QUESTION])
    assert read(ask(kimi, *messages, **changed)) == 0


def test_the_order_of_a_tools_keys_is_part_of_the_prompt(api: Api) -> None:
    function: Any = TOOL["function"]
    turned = {**TOOL, "function": dict(reversed(function.items()))}
    ask(api, MANUAL, tools=[TOOL])
    assert read(ask(api, MANUAL, tools=[turned])) == 0


@pytest.mark.parametrize(
    "same",
    [
        {"temperature": 1, "top_p": 0.5, "stop": ["x"], "max_completion_tokens": 9},
        {"stream": False, "tool_choice": "auto", "prompt_cache_key": "session"},
        {"prompt_cache_options": {"mode": "implicit", "ttl": "1h"}},
    ],
    ids=["sampling", "others", "another tier"],
)
def test_what_no_model_reads_does_not_end_the_match(kimi: Api, same: Json) -> None:
    usage = ask(kimi, MANUAL, QUESTION, **same)
    assert read(usage) == usage["prompt_tokens"]


def test_cache_control_has_no_effect_and_parts_read_like_a_text(kimi: Api) -> None:
    text = MANUAL["content"]
    hint = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    part = {"type": "text", "text": text, **hint}
    usage = ask(kimi, {"role": "system", "content": [part]}, QUESTION)
    assert read(usage) == usage["prompt_tokens"]


def test_cache_control_on_a_tool_has_no_effect_either(api: Api) -> None:
    plain = ask(api, MANUAL, tools=[TOOL])
    marked = {**TOOL, "cache_control": {"type": "ephemeral"}}
    usage = ask(api, MANUAL, tools=[marked])
    assert read(usage) == usage["prompt_tokens"] == plain["prompt_tokens"]


def test_saying_that_a_model_thinks_which_does_anyway_changes_nothing(
    kimi: Api,
) -> None:
    assert read(ask(kimi, MANUAL, QUESTION, thinking={"type": "enabled"})) > 0


def test_a_model_that_does_not_think_has_prefixes_of_its_own(api: Api) -> None:
    ask(api, MANUAL, QUESTION, model="kimi-k2.6")
    silent: Json = {"model": "kimi-k2.6", "thinking": {"type": "disabled"}}
    assert read(ask(api, MANUAL, QUESTION, **silent)) == 0


def test_another_picture_ends_the_match_where_it_stands(api: Api) -> None:
    def look(url: str) -> Json:
        picture = {"type": "image_url", "image_url": {"url": url}}
        return ask(api, MANUAL, {"role": "user", "content": [picture]})

    look("data:image/png;base64,AAAA")
    before = ask(api, MANUAL)["prompt_tokens"]
    assert read(look("data:image/png;base64,BBBB")) == whole_blocks(before)
    again = look("data:image/png;base64,AAAA")
    assert read(again) == again["prompt_tokens"]


def test_keys_of_one_account_share_prefixes_and_other_accounts_do_not(
    api: Api, stranger: Api
) -> None:
    ask(api, MANUAL, QUESTION)
    with Api(api.server, key=f"{api.server.api_key}:second") as sibling:
        assert read(ask(sibling, MANUAL, QUESTION)) > 0
    assert read(ask(stranger, MANUAL, QUESTION)) == 0


def test_prefixes_can_be_lost(kimi: Api) -> None:
    kimi.server.forget_prefixes()
    assert read(ask(kimi, MANUAL, QUESTION)) == 0


# --- Turns that were generated ------------------------------------------------------
def odd_arguments(number: int) -> str:
    """Return JSON as no serialiser writes it."""
    return f'{{ "what":"灯塔 \\u706f {number}",\t"deep" : [1,2 ,3 ] , "a":1.0}}'


def act(api: Api, conversation: list[Json], number: int) -> tuple[Json, Json]:
    """Have one tool call made; return the usage and the turn, and note its result."""
    call = {"name": "lookup", "arguments": odd_arguments(number)}
    thought = f"I look up number {number}. " * 9
    api.server.answer_next({"tool_calls": [call], "reasoning_content": thought})
    reply = api.chat(*conversation, model=KIMI, tools=[TOOL]).json()
    turn = reply["choices"][0]["message"]
    result = {"role": "tool", "tool_call_id": turn["tool_calls"][0]["id"]}
    conversation += [turn, {**result, "content": f"result {number} " * 20}]
    return reply["usage"], turn


def test_thirty_tool_calls_read_every_whole_block_of_all_turns_before(
    api: Api,
) -> None:
    conversation: list[Json] = [MANUAL, QUESTION]
    earlier = 0
    for number in range(30):
        usage, _ = act(api, conversation, number)
        assert read(usage) == whole_blocks(earlier)
        earlier = usage["total_tokens"]
    assert earlier > 30 * 100


def reserialised(turn: Json) -> None:
    function = turn["tool_calls"][0]["function"]
    function["arguments"] = json.dumps(json.loads(function["arguments"]))


def renamed(turn: Json) -> None:
    turn["tool_calls"][0]["id"] = "call_1"


def unreasoned(turn: Json) -> None:
    turn.pop("reasoning_content")


@pytest.mark.parametrize("change", [reserialised, renamed, unreasoned])
def test_a_turn_sent_back_otherwise_than_generated_ends_the_match_there(
    api: Api, change: Any
) -> None:
    api.server.configure(require_reasoning=False)
    conversation: list[Json] = [MANUAL, QUESTION]
    before, turn = act(api, conversation, 0)
    for number in range(1, 9):
        after, _ = act(api, conversation, number)
    change(turn)
    conversation[-1]["tool_call_id"] = conversation[-2]["tool_calls"][0]["id"]
    if change is renamed:
        conversation[3]["tool_call_id"] = "call_1"
    usage = ask(api, *conversation, tools=[TOOL])
    assert whole_blocks(before["prompt_tokens"]) <= read(usage)
    assert read(usage) <= before["total_tokens"] < whole_blocks(after["prompt_tokens"])


def test_a_continued_turn_is_held_as_one(api: Api) -> None:
    text = "The light is " * 50
    begun = {"role": "assistant", "content": text, "partial": True}
    api.server.answer_next({"content": "very bright " * 100, "reasoning_content": ""})
    first = ask(api, MANUAL, QUESTION, begun)
    whole = {"role": "assistant", "content": text + "very bright " * 100}
    usage = ask(api, MANUAL, QUESTION, whole, QUESTION)
    assert read(usage) == whole_blocks(first["total_tokens"]) > first["prompt_tokens"]


def test_a_continued_turn_may_begin_as_parts(api: Api) -> None:
    text = "The light is " * 50
    parts = [{"type": "text", "text": text}]
    api.server.answer_next({"content": "very bright " * 100, "reasoning_content": ""})
    begun = {"role": "assistant", "content": parts, "partial": True}
    first = ask(api, MANUAL, QUESTION, begun)
    whole = {"role": "assistant", "content": text + "very bright " * 100}
    usage = ask(api, MANUAL, QUESTION, whole, QUESTION)
    assert read(usage) == whole_blocks(first["total_tokens"])


# --- Lives --------------------------------------------------------------------------
@pytest.mark.parametrize(("ttl", "seconds"), [("5m", 300), ("1h", 3600)])
def test_a_prefix_lives_its_tier_and_every_hit_renews_it(
    api: Api, ttl: str, seconds: int
) -> None:
    ask(api, MANUAL, QUESTION, **with_ttl(ttl))
    for _ in range(3):
        api.server.clock.advance(seconds - 1)
        assert read(ask(api, MANUAL, QUESTION)) > 0
    api.server.clock.advance(seconds)
    assert read(ask(api, MANUAL, QUESTION)) == 0


def test_the_tier_first_written_stays_whatever_is_asked_for_later(kimi: Api) -> None:
    reply = kimi.chat(MANUAL, MORE, model=KIMI, **with_ttl("1h"))
    assert int(reply.headers[WRITE_5M]) == written(reply.json()["usage"]) > 0
    assert reply.headers[WRITE_1H] == "0"
    kimi.server.clock.advance(300)
    assert read(ask(kimi, MANUAL, MORE)) == 0


def test_after_its_expiry_a_prefix_may_be_written_at_another_tier(kimi: Api) -> None:
    kimi.server.clock.advance(300)
    reply = kimi.chat(MANUAL, MORE, model=KIMI, **with_ttl("1h"))
    assert int(reply.headers[WRITE_1H]) == written(reply.json()["usage"]) > 0
    assert reply.headers[WRITE_5M] == "0"
