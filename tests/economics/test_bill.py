"""Costs, by examples that were computed by hand."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from langchain_moonshot_cache import MixedCurrenciesError
from langchain_moonshot_cache.economics import (
    Bill,
    ChatPrice,
    PriceBook,
    Usage,
    cache_bill,
    cache_cost,
    call_bill,
    currency_of,
)

BOOK = PriceBook.builtin()
LAUNCH, LATER = date(2024, 7, 1), date(2026, 1, 1)


def usage(prompt: int | None, output: int | None, cached: int | None) -> Usage:
    return Usage(prompt=prompt, output=output, cached=cached, written=None)


def price(model: str, currency: str = "CNY") -> ChatPrice:
    found = BOOK.chat(model, currency=currency)
    assert found is not None
    return found


def test_without_a_cache_all_input_and_output_is_paid() -> None:
    # 1,000 x 12 + 100 x 12 yuan per million
    cost = call_bill(
        usage(1000, 100, None), chat=price("moonshot-v1-8k"), currency="CNY"
    )
    assert cost is not None
    assert cost.total == cost.uncached == Decimal("0.0132")


def test_with_a_named_cache_matched_input_costs_only_the_fee() -> None:
    named = BOOK.named("moonshot-v1-8k", currency="CNY", on=LAUNCH)
    cost = call_bill(
        usage=usage(10_000, 100, 9_900),
        chat=price("moonshot-v1-8k"),
        currency="CNY",
        named=named,
    )
    assert cost is not None
    # 0.02 + 100 x 12 + 100 x 12 per million, against 10,000 x 12 + 100 x 12
    assert cost.total == Decimal("0.0224")
    assert cost.uncached == Decimal("0.1212")


def test_the_announced_example_loses_money_when_cached() -> None:
    named = BOOK.named("moonshot-v1-8k", currency="CNY", on=LAUNCH)
    cost = call_bill(
        usage(92, 10, 72), chat=price("moonshot-v1-8k"), currency="CNY", named=named
    )
    assert cost is not None
    assert cost.total - cost.uncached == Decimal("0.02") - 72 * Decimal("0.000012")


def test_automatic_caching_reads_at_a_price_of_its_own() -> None:
    automatic = BOOK.automatic("kimi-k2.6", currency="USD")
    chat = price("kimi-k2.6", "USD")
    cost = call_bill(
        usage(1_000_000, 0, 400_000), chat=chat, automatic=automatic, currency="USD"
    )
    assert cost is not None
    # 600,000 at 0.95 and 400,000 at 0.16 dollars per million
    assert cost.total == Decimal("0.634")
    assert cost.uncached == Decimal("0.95")


@pytest.mark.parametrize(
    "reported",
    [usage(None, 1, 1), usage(1, None, 1), usage(1, 1, None), usage(None, None, None)],
)
def test_what_was_not_reported_has_no_price(reported: Usage) -> None:
    named = BOOK.named("moonshot-v1", currency="CNY", on=LATER)
    assert (
        call_bill(reported, chat=price("moonshot-v1-8k"), currency="CNY", named=named)
        is None
    )


@pytest.mark.parametrize(
    ("seconds", "minutes"),
    [(0.5, 1), (1, 1), (59, 1), (60, 1), (61, 2), (600, 10), (3600, 60), (3601, 61)],
)
def test_a_cache_costs_its_creation_and_each_started_minute(
    seconds: float, minutes: int
) -> None:
    named = BOOK.named("moonshot-v1", currency="CNY", on=LAUNCH)
    assert named is not None
    expected = (24 + 10 * minutes) * Decimal("0.064")
    assert cache_cost(64_000, seconds=seconds, price=named) == expected


@pytest.mark.parametrize(
    ("day", "storage"),
    [(LAUNCH, "10"), (date(2024, 8, 6), "10"), (date(2024, 8, 7), "5"), (LATER, "5")],
)
def test_the_price_of_a_cache_is_that_of_its_day(day: date, storage: str) -> None:
    named = BOOK.named("moonshot-v1-128k", currency="CNY", on=day)
    assert named is not None
    assert named.storage_minute == Decimal(storage)
    assert (named.create, named.call) == (Decimal(24), Decimal("0.02"))


def test_each_currency_has_its_own_list() -> None:
    dollars = BOOK.named("moonshot-v1", currency="USD", on=LATER)
    assert dollars is not None
    assert dollars.call == Decimal("0.0015")
    assert price("moonshot-v1-8k", "USD").output == Decimal("2.00")
    assert BOOK.named("moonshot-v1", currency="USD", on=date(2024, 12, 31)) is None
    assert BOOK.named("moonshot-v1", currency="EUR", on=LATER) is None


def test_a_model_that_the_book_does_not_have_has_no_price() -> None:
    assert BOOK.chat("gpt-9", currency="CNY") is None
    assert BOOK.automatic("moonshot-v1-8k", currency="CNY") is None
    assert BOOK.named("kimi-k3", currency="CNY", on=LATER) is None


def test_a_price_that_was_not_published_is_none_and_not_zero() -> None:
    automatic = BOOK.automatic("kimi-k2.7-code", currency="USD")
    assert automatic is not None
    assert automatic.cache_read == Decimal("0.19")
    assert automatic.cache_write_5m is None


def test_prices_of_ones_own_take_the_place_of_the_list() -> None:
    row = {"model": "mine", "currency": "CNY", "input": "0.1", "output": "0.2"}
    table = {"checked": "2026-01-01", "automatic": [], "named": [], "named_chat": [row]}
    book = PriceBook.from_table(table)
    assert book.checked == date(2026, 1, 1)
    chat = book.chat("mine", currency="CNY")
    assert chat is not None
    cost = call_bill(usage(3, 0, None), chat=chat, currency="CNY")
    assert cost is not None
    assert cost.total == Decimal("0.0000003")  # exact, where a float would not be


@pytest.mark.parametrize(
    ("host", "currency"),
    [
        ("https://api.moonshot.ai/v1", "USD"),
        ("https://API.MOONSHOT.AI:443/v1", "USD"),
        ("https://api.moonshot.cn/v1", "CNY"),
        ("http://127.0.0.1:8000/v1", "CNY"),
        ("https://notmoonshot.ai/v1", "CNY"),
        ("https://api.moonshot.ai.example/v1", "CNY"),
    ],
)
def test_the_currency_follows_the_host(host: str, currency: str) -> None:
    assert currency_of(host) == currency


def test_the_published_calculators_saving_is_met() -> None:
    """Ten calls within a minute; 99.5 % of 117,965 input tokens are the same."""
    model, prompt, output, calls = "moonshot-v1-128k", 117_965, 13_107, 10
    cached = int(prompt * Decimal("0.995"))
    named = BOOK.named(model, currency="USD", on=date(2025, 1, 1))
    assert named is not None
    bill = cache_bill(cached, seconds=60, price=named, currency="USD")
    for _ in range(calls):
        call = call_bill(
            usage(prompt, output, cached),
            currency="USD",
            chat=price(model, "USD"),
            named=named,
        )
        assert call is not None
        bill += call
    assert round(bill.uncached, 2) == Decimal("3.01")
    assert bill.saved_share is not None
    assert round(bill.saved_share * 100, 2) == Decimal("72.89")
    assert bill.fees == calls * Decimal("0.0015")
    assert bill.total == bill.uncached - bill.saved


def test_the_launch_posts_price_without_a_cache_is_met() -> None:
    """Forty questions of 100 tokens on a manual of 64,000; input alone."""
    bill = Bill(currency="CNY")
    for _ in range(40):
        call = call_bill(
            usage(64_000 + 100, 0, None),
            currency="CNY",
            chat=price("moonshot-v1-128k"),
        )
        assert call is not None
        bill += call
    assert bill.uncached == bill.total == Decimal("153.84")


def test_bills_of_different_currencies_are_not_added() -> None:
    with pytest.raises(MixedCurrenciesError, match="CNY and USD"):
        Bill(currency="CNY") + Bill(currency="USD")


def test_a_bill_of_nothing_saved_no_share() -> None:
    assert Bill(currency="CNY").saved_share is None


def test_a_batch_has_prices_of_its_own_or_none() -> None:
    chat = ChatPrice(Decimal(10), Decimal(20), Decimal(6), Decimal(12))
    bill = call_bill(usage(1000, 100, None), currency="CNY", chat=chat, batch=True)
    assert bill is not None
    assert bill.total == Decimal("0.0072")
    plain = ChatPrice(Decimal(10), Decimal(20))
    reported = usage(1000, 100, None)
    assert call_bill(reported, currency="CNY", chat=plain, batch=True) is None
