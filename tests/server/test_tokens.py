from __future__ import annotations

import math
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from server_kit import example

from langchain_moonshot_cache.server.rendering import count_message, count_prompt
from langchain_moonshot_cache.server.tokens import count_text

ANNOUNCED = example("create_request")
(ANNOUNCED_TOOL,) = ANNOUNCED["tools"]
RECORDED = 72
"""Tokens of the announced example: the one prompt whose count is known."""


def test_the_announced_example_counts_its_recorded_72_tokens_within_15_percent() -> (
    None
):
    counted = count_prompt(ANNOUNCED["messages"], ANNOUNCED["tools"])
    assert counted == pytest.approx(RECORDED, rel=0.15)


def test_four_english_characters_make_a_token() -> None:
    assert count_text("abcd" * 100) == 100


def test_two_chinese_characters_make_a_token() -> None:
    assert count_text("缓存" * 100) == 100


def test_only_the_empty_text_has_no_tokens() -> None:
    assert count_text("") == 0
    assert count_text("a") == 1


@given(st.text(), st.text())
def test_splitting_a_text_costs_at_most_one_token(one: str, other: str) -> None:
    whole, parts = count_text(one + other), count_text(one) + count_text(other)
    assert whole <= parts <= whole + 1


@given(st.text(alphabet=st.characters(), max_size=50))
def test_any_text_counts_even_with_lone_surrogates(text: str) -> None:
    assert math.ceil(len(text) / 4) <= count_text(text + "") <= len(text)


def test_a_prompt_counts_the_sum_of_its_messages_and_tools() -> None:
    first = {"role": "system", "content": "You are kind."}
    second = {"role": "user", "content": "你好"}
    whole = count_prompt([first, second], [ANNOUNCED_TOOL])
    assert whole == count_prompt([first], [ANNOUNCED_TOOL]) + count_message(second)


def test_the_order_of_a_tools_keys_does_not_change_its_count() -> None:
    function = ANNOUNCED_TOOL["function"]
    turned = {"function": dict(reversed(function.items())), "type": "function"}
    assert count_prompt([], [turned]) == count_prompt([], [ANNOUNCED_TOOL])


def test_tool_calls_reasoning_and_names_count_too() -> None:
    plain = {"role": "assistant", "content": "x"}
    call = {
        "id": "CodeRunner:0",
        "type": "function",
        "function": {"name": "CodeRunner", "arguments": '{"code": "print(1)"}'},
    }
    for more in (
        {"tool_calls": [call]},
        {"reasoning_content": "Hm, let me see."},
        {"name": "Bartholomew"},
    ):
        assert count_message({**plain, **more}) > count_message(plain)


def test_text_parts_count_as_their_text_does() -> None:
    parts = [{"type": "text", "text": "缓存"}, {"type": "text", "text": "cache"}]
    joined = {"role": "user", "content": "缓存cache"}
    assert count_message({"role": "user", "content": parts}) == count_message(joined)


def test_the_bytes_of_an_image_are_not_counted_as_text() -> None:
    def message(size: int) -> dict[str, Any]:
        url = "data:image/png;base64," + "A" * size
        return {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": url}}],
        }

    assert count_message(message(10)) == count_message(message(100_000)) > 0


def test_a_tool_nested_deeper_than_the_stack_is_counted() -> None:
    schema: dict[str, Any] = {"title": "bottom"}
    for _ in range(5000):
        schema = {"items": schema}
    assert count_prompt([], [{"function": {"parameters": schema}}]) > 0


def test_two_megabytes_take_milliseconds_of_computing() -> None:
    text = "The quick brown fox 敏捷的棕色狐狸。" * 60_000
    assert len(text.encode()) > 2_000_000
    started = time.process_time()
    count_text(text)
    # Measured: 3 ms. A loop over the characters would take a second.
    assert time.process_time() - started < 0.1
