"""What a drift costs: writing in place of reading."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from langchain_moonshot_cache import PriceBook
from langchain_moonshot_cache.economics import rereading_cost

TODAY = date(2026, 11, 22)


def cost(
    tokens: int, *, model: str = "kimi-k3", currency: str = "CNY", **how: object
) -> Decimal | None:
    return rereading_cost(
        tokens,
        model=model,
        prices=PriceBook.builtin(),
        currency=currency,
        on=TODAY,
        named=bool(how.get("named")),
        tier=str(how.get("tier", "5m")),
    )


def test_tokens_are_written_again_at_the_price_of_their_tier() -> None:
    assert cost(1_000_000) == 20 - 2
    assert cost(1_000_000, tier="1h") == 40 - 2


def test_where_writing_is_not_billed_plain_input_is() -> None:
    expected = Decimal("6.50") - Decimal("1.10")
    assert cost(500_000, model="kimi-k2.6", tier="1h") == expected / 2


def test_a_named_cache_would_have_given_them_for_nothing() -> None:
    assert cost(500_000, model="moonshot-v1-8k", named=True) == 6


def test_without_a_price_it_is_not_known() -> None:
    assert cost(1, model="a-model-of-mine") is None
    assert cost(1, model="moonshot-v1-8k") is None


def test_losing_what_was_cached_costs_money_at_every_list_price() -> None:
    for model in ("kimi-k3", "kimi-k2.6"):
        for currency in ("CNY", "USD"):
            assert (cost(1, model=model, currency=currency) or 0) > 0
