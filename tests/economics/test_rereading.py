"""What a drift costs: writing in place of reading."""

from __future__ import annotations

from decimal import Decimal

from langchain_moonshot_cache import PriceBook
from langchain_moonshot_cache.economics import (
    AutomaticPrice,
    ChatPrice,
    rereading_cost,
)

CHAT = ChatPrice(input=Decimal(20), output=Decimal(100))
BILLED = AutomaticPrice(Decimal(2), Decimal(20), Decimal(40))
UNBILLED = AutomaticPrice(Decimal(2), None, None)


def test_tokens_are_written_again_at_the_price_of_their_tier() -> None:
    def cost(tier: str) -> Decimal:
        return rereading_cost(1_000_000, chat=CHAT, automatic=BILLED, tier=tier)

    assert (cost("5m"), cost("1h")) == (Decimal(18), Decimal(38))


def test_where_writing_is_not_billed_plain_input_is() -> None:
    cost = rereading_cost(500_000, chat=CHAT, automatic=UNBILLED, tier="1h")
    assert cost == Decimal(9)


def test_losing_what_was_cached_costs_money_at_every_list_price() -> None:
    book = PriceBook.builtin()
    for model in ("kimi-k3", "kimi-k2.6"):
        for currency in ("CNY", "USD"):
            chat = book.chat(model, currency=currency)
            automatic = book.automatic(model, currency=currency)
            assert chat is not None
            assert automatic is not None
            assert rereading_cost(1, chat=chat, automatic=automatic) > 0
