"""Reported tokens: the layouts that exist, and values that are none."""

from __future__ import annotations

from typing import Any

import pytest

from langchain_moonshot_cache.economics import Usage, read_usage

BASE = {"prompt_tokens": 100, "completion_tokens": 10}


@pytest.mark.parametrize(
    ("extra", "cached", "written"),
    [
        ({}, None, None),
        ({"cached_tokens": 40}, 40, None),
        ({"cached_tokens": 0}, 0, None),
        ({"prompt_tokens_details": {"cached_tokens": 40}}, 40, None),
        ({"prompt_tokens_details": {"cached_tokens": 0}, "cached_tokens": 7}, 0, None),
        ({"prompt_tokens_details": {}, "cached_tokens": 7}, 7, None),
        ({"prompt_tokens_details": None, "cached_tokens": 7}, 7, None),
        ({"prompt_tokens_details": {"cached_tokens": None}}, None, None),
        ({"prompt_tokens_details": {"cache_write_tokens": 60}}, None, 60),
        ({"cached_tokens": 101}, 100, None),
    ],
)
def test_each_layout_is_read_and_a_missing_figure_is_unknown(
    extra: dict[str, Any], cached: int | None, written: int | None
) -> None:
    usage = read_usage({**BASE, **extra})
    assert (usage.prompt, usage.output) == (100, 10)
    assert (usage.cached, usage.written) == (cached, written)
    assert usage.uncached == (None if cached is None else 100 - cached)


def test_two_figures_for_the_same_tokens_are_a_contradiction_unless_equal() -> None:
    details = {"prompt_tokens_details": {"cached_tokens": 40}}
    assert not read_usage({**BASE, **details, "cached_tokens": 40}).contradictory
    assert not read_usage({**BASE, **details, "cached_tokens": None}).contradictory
    assert read_usage({**BASE, **details, "cached_tokens": 7}).contradictory


@pytest.mark.parametrize("value", [None, -1, 1.0, "7", True, False, [], {}])
@pytest.mark.parametrize("name", ["prompt_tokens", "completion_tokens"])
def test_a_value_that_is_no_count_is_unknown(name: str, value: Any) -> None:
    usage = read_usage({**BASE, "cached_tokens": value, name: value})
    assert usage.cached is None
    assert usage.uncached is None
    assert (usage.prompt, usage.output).count(None) == 1


@pytest.mark.parametrize("value", [None, {}, [], "usage", 7])
def test_no_usage_at_all_is_unknown_throughout(value: Any) -> None:
    assert read_usage(value) == Usage(
        prompt=None, output=None, cached=None, written=None
    )


def test_cached_tokens_of_an_unknown_prompt_are_kept_as_reported() -> None:
    usage = read_usage({"cached_tokens": 7})
    assert (usage.cached, usage.uncached) == (7, None)
