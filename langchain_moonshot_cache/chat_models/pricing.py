"""What a drift costs, at list prices."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from langchain_moonshot_cache.economics import cache_cost, rereading_cost

if TYPE_CHECKING:
    from decimal import Decimal

    from langchain_moonshot_cache.chat_models.explanation import Explanation
    from langchain_moonshot_cache.economics import PriceBook

__all__ = ["drift_cost"]


def drift_cost(
    told: Explanation, *, prices: PriceBook, currency: str
) -> Decimal | None:
    """Price what a call pays because it cannot use what is in a cache already.

    With automatic caching the lost tokens are taken in again instead of read. With
    named caches another cache is made and kept for its lifetime, or the prefix is sent
    as plain input where none is made.

    Args:
        told: What is known about the call.
        prices: List prices.
        currency: Currency of the account.

    Returns:
        The amount, or None if nothing is lost or a price is not known.
    """
    lost = told.drift.lost_tokens if told.drift else 0
    if not lost:
        return None
    today, model = datetime.now(tz=UTC).date(), told.model
    if told.mechanism == "prefix" or told.action not in {"create", "wait"}:
        return rereading_cost(
            lost,
            model=model,
            prices=prices,
            currency=currency,
            on=today,
            named=told.mechanism == "named",
            tier=told.tier or "5m",
        )
    named = prices.named(model, currency=currency, on=today)
    if named is None:
        return None
    return cache_cost(told.prefix_tokens, seconds=told.ttl or 0, price=named)
