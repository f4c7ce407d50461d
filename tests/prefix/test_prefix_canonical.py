"""Canonical bytes: one form for one meaning on the wire."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from langchain_moonshot_cache.prefix import canonical_bytes

TEXT = st.text(st.characters(exclude_categories=[]), max_size=8)
NUMBERS = st.one_of(
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([0.0, -0.0, 1.0, 0.1, 1e22, 2.0**53]),
)
LEAVES = st.one_of(st.none(), NUMBERS, TEXT)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)
    ),
    max_leaves=8,
)
SOME = settings(
    max_examples=500,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def meaning(value: Any) -> Any:
    """Say what a value means on the wire, by a way of our own."""
    if isinstance(value, dict):
        return ("object", frozenset((k, meaning(v)) for k, v in value.items()))
    if isinstance(value, list | tuple):
        return ("array", tuple(meaning(item) for item in value))
    # Numbers by how they are written: 1, 1.0 and true are three things.
    return (type(value).__name__, repr(value))


def reordered(value: Any) -> Any:
    """Write the same value with all keys the other way round."""
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    if isinstance(value, list):
        return [reordered(item) for item in value]
    return value


@SOME
@given(one=VALUES, other=VALUES)
def test_bytes_are_equal_exactly_where_the_meaning_is(one: Any, other: Any) -> None:
    same = canonical_bytes(one) == canonical_bytes(other)
    assert same == (meaning(one) == meaning(other))


@SOME
@given(value=VALUES)
def test_the_order_of_keys_means_nothing(value: Any) -> None:
    assert canonical_bytes(value) == canonical_bytes(reordered(value))


@SOME
@given(value=VALUES)
def test_what_was_written_can_be_read_again(value: Any) -> None:
    text = canonical_bytes(value).decode("utf-8", "surrogatepass")
    assert meaning(json.loads(text)) == meaning(value)


def grown(chance: random.Random, depth: int = 3) -> Any:
    """Make a random value, small and of few different parts, so that some are equal."""
    kind = chance.randrange(4 if depth else 2)
    if kind < 2:
        return chance.choice([None, True, False, 0, 1, 1.0, -0.0, "", "1", "a", "中"])
    children = [grown(chance, depth - 1) for _ in range(chance.randrange(4))]
    if kind == 2:
        return children
    return {chance.choice("abc"): child for child in children}


def test_twenty_thousand_values_have_as_many_forms_as_meanings() -> None:
    chance = random.Random(4711)  # noqa: S311 - repeatable on purpose
    forms: dict[Any, set[bytes]] = {}
    for _ in range(20_000):
        value = grown(chance)
        forms.setdefault(meaning(value), set()).add(canonical_bytes(value))
    assert len(forms) > 4_000
    assert all(len(written) == 1 for written in forms.values())
    assert len(set().union(*forms.values())) == len(forms)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_does_not_have_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical_bytes({"temperature": number})


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", object()])
def test_a_value_that_is_not_json_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        canonical_bytes([value])


def test_keys_that_are_no_text_are_refused() -> None:
    with pytest.raises(TypeError):
        canonical_bytes({1: "a", "1": "b"})


def test_composed_and_decomposed_letters_stay_two_texts() -> None:
    assert canonical_bytes("\u00e9") != canonical_bytes("e\u0301")


@pytest.mark.parametrize("seed", ["0", "1", "4711"])
def test_every_process_writes_the_same_bytes(seed: str) -> None:
    code = (
        "from langchain_moonshot_cache.prefix import canonical_bytes;"
        "print(canonical_bytes({'b': [1, True, None], 'a': {'d': 1.5, 'c': '中'}}))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    written = canonical_bytes({"a": {"c": "中", "d": 1.5}, "b": [1, True, None]})
    assert ran.stdout.strip() == repr(written)
