"""The sketch of the gaps between uses."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_moonshot_cache.economics.gaps import EDGES, Gaps

SECONDS = st.floats(min_value=0, max_value=10_000)
MEMORY = 32


def sketch(gaps: list[float], *, memory: int = MEMORY) -> Gaps:
    seen = Gaps()
    for gap in gaps:
        seen = seen.seen(gap, memory=memory)
    return seen


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [(0, 0), (15, 0), (15.1, 1), (300, 7), (301, 8), (3600, 14), (3601, 15)],
)
def test_a_gap_counts_in_the_bucket_that_ends_with_or_after_it(
    seconds: float, bucket: int
) -> None:
    assert Gaps().seen(seconds, memory=MEMORY).counts[bucket] == 1


@given(st.lists(SECONDS, max_size=MEMORY), st.lists(SECONDS, max_size=MEMORY))
def test_two_sketches_merge_into_that_of_all_they_saw(
    mine: list[float], theirs: list[float]
) -> None:
    both = sketch(mine, memory=100).merged(sketch(theirs, memory=100), memory=100)
    assert both == sketch(mine + theirs, memory=100)


@given(st.lists(SECONDS, max_size=200))
def test_a_sketch_never_holds_more_than_it_remembers(gaps: list[float]) -> None:
    assert sketch(gaps).total <= MEMORY + 1e-9


def test_what_is_long_past_fades() -> None:
    changed = sketch([10.0] * 100 + [1000.0] * 100)
    assert changed.counts[0] < 0.05 * changed.total


@given(st.lists(SECONDS, max_size=200))
def test_a_sketch_survives_being_written_but_for_eighths(gaps: list[float]) -> None:
    seen = sketch(gaps)
    read = Gaps.from_text(seen.text())
    pairs = zip(read.counts, seen.counts, strict=True)
    assert all(math.isclose(a, b, abs_tol=0.126) for a, b in pairs)
    assert len(seen.text()) == 2 * (len(EDGES) + 1)


@pytest.mark.parametrize("text", ["", "zz", "00", "é" * 32])
def test_a_text_that_is_no_sketch_counts_as_nothing_seen(text: str) -> None:
    assert Gaps.from_text(text) == Gaps()


def test_what_is_expected_weighs_as_told() -> None:
    blended = sketch([10.0] * 6).blended(sketch([1000.0] * 20), weight=2)
    assert blended.total == pytest.approx(8)
    assert blended.counts[0] == pytest.approx(6)
