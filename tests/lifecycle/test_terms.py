"""The terms that a caller grants."""

from __future__ import annotations

import pytest

from langchain_moonshot_cache.errors import ConfigurationError
from langchain_moonshot_cache.lifecycle import Terms


def test_the_back_off_doubles_up_to_its_limit() -> None:
    terms = Terms(backoff=1.0, longest_backoff=10.0)
    assert [terms.backoff_after(n) for n in range(7)] == [1, 1, 2, 4, 8, 10, 10]


def test_a_thousand_failures_overflow_nothing() -> None:
    assert Terms().backoff_after(1_000) == 900.0


@pytest.mark.parametrize("field", ["wait", "margin", "backoff", "longest_backoff"])
def test_a_negative_time_is_refused(field: str) -> None:
    with pytest.raises(ConfigurationError, match="negative"):
        Terms(**{field: -1.0})  # type: ignore[arg-type]


@pytest.mark.parametrize("field", ["ttl", "lease", "first_pause", "longest_pause"])
def test_a_time_that_flows_wait_by_must_not_be_zero(field: str) -> None:
    with pytest.raises(ConfigurationError, match="exceed 0"):
        Terms(**{field: 0})


def test_no_patience_is_a_choice() -> None:
    assert Terms(wait=0.0, margin=0.0).wait == 0.0
