"""When a prefix gets a cache, and when a call prolongs it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from langchain_moonshot_cache import ConfigurationError
from langchain_moonshot_cache.economics import CachePolicy, PriceBook


@pytest.mark.parametrize(("tokens", "yes"), [(0, False), (2047, False), (2048, True)])
def test_economic_asks_for_a_length_that_can_pay(
    tokens: int,
    yes: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    decision = CachePolicy.economic().create(tokens=tokens)
    assert decision.yes is yes
    assert str(tokens) in decision.reason


def test_below_the_threshold_even_a_free_cache_would_lose() -> None:
    book = PriceBook.builtin()
    policy = CachePolicy.economic()
    for currency, day in (("CNY", date(2026, 1, 1)),):
        named = book.named("moonshot-v1", currency=currency, on=day)
        chat = book.chat("moonshot-v1-8k", currency=currency)
        assert named is not None
        assert chat is not None
        break_even = named.call / chat.input * 1_000_000
        assert not policy.create(tokens=int(break_even)).yes


@pytest.mark.parametrize("tokens", [0, 1, 10_000_000])
def test_always_caches_every_prefix_for_an_hour(tokens: int) -> None:
    policy = CachePolicy.always()
    assert policy.create(tokens=tokens).yes
    assert policy.ttl == 3600
    assert policy.renew(remaining=3600, ttl=3600).yes


@pytest.mark.parametrize(
    ("below", "remaining", "yes"),
    [
        (0.5, 301, False),
        (0.5, 300, True),
        (0.5, 1, True),
        (1.0, 600, True),
        (0.0, 1, False),
        (0.0, 0.5, False),
    ],
)
def test_a_call_renews_once_the_share_that_is_left_has_fallen(
    below: float,
    remaining: float,
    yes: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    decision = CachePolicy(renew_below=below).renew(remaining=remaining, ttl=600)
    assert decision.yes is yes
    assert "s" in decision.reason


@pytest.mark.parametrize(
    "wrong",
    [
        {"least_tokens": -1},
        {"least_tokens": "2048"},
        {"least_tokens": 0.5},
        {"renew_below": 7},
        {"renew_below": float("nan")},
        {"renew_below": "half"},
    ],
)
def test_a_policy_that_could_not_decide_is_refused_by_name(
    wrong: dict[str, Any],
) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        CachePolicy(**wrong)
