"""The token estimate, which decides only whether caching is worth trying."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from langchain_moonshot_cache.prefix import Prefix, PrefixContent, estimate_tokens

DATA = Path(__file__).parents[1] / "data"


def said(text: str) -> dict[str, object]:
    return {"role": "system", "content": text}


def test_the_recorded_example_is_met_within_fifteen_per_cent() -> None:
    request = json.loads((DATA / "coderunner_create_request.json").read_text("utf-8"))
    answer = json.loads((DATA / "coderunner_create_response.json").read_text("utf-8"))
    estimate = estimate_tokens(request["messages"], request["tools"])
    assert abs(estimate - answer["tokens"]) <= 0.15 * answer["tokens"]


def test_english_counts_four_characters_a_token_and_chinese_two() -> None:
    assert estimate_tokens([said("word" * 100)]) == 100
    assert estimate_tokens([said("中文" * 100)]) == 100
    assert estimate_tokens([said("word中文" * 100)]) == 200


def test_nothing_is_no_token() -> None:
    assert estimate_tokens([]) == 0
    assert estimate_tokens([said("")]) == 0
    assert estimate_tokens([{"role": "assistant", "content": None}]) == 0


def test_tools_and_tool_calls_count() -> None:
    tool = {"type": "function", "function": {"name": "x", "description": "word" * 50}}
    call = {"id": "1", "function": {"name": "add", "arguments": "word" * 50}}
    assert estimate_tokens([], [tool]) >= 50
    assert estimate_tokens([{"role": "assistant", "tool_calls": [call]}]) >= 50


@pytest.mark.parametrize("text", ["\ud800", "😀" * 10, "\x00"])
def test_odd_text_breaks_nothing(text: str) -> None:
    assert estimate_tokens([said(text)]) >= 0


def test_a_prefix_never_shows_its_content() -> None:
    content = PrefixContent([said("a secret")], [{"name": "also secret"}])
    prefix = Prefix(key="k", model="m", tokens=1, content=lambda: content)
    assert "secret" not in repr(content) + repr(prefix)
