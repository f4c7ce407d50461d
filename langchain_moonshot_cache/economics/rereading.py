"""What it costs that tokens are not read from a cache."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

    from langchain_moonshot_cache.economics.prices import PriceBook

__all__ = ["rereading_cost"]

_MILLION = Decimal(1_000_000)


def rereading_cost(
    tokens: int,
    *,
    model: str,
    prices: PriceBook,
    currency: str,
    on: date,
    named: bool = False,
    tier: str = "5m",
) -> Decimal | None:
    """Price what is paid on top where tokens are taken in again instead of read.

    With automatic caching they cost what writing them costs, or plain input on models
    that do not bill writes, in place of the price of reading. A named cache would give
    them for nothing, so that all of the plain input is paid on top.

    Args:
        tokens: The tokens.
        model: The model that takes them in.
        prices: List prices.
        currency: Currency of the account.
        on: The day.
        named: Whether it is a named cache that they are not read from.
        tier: What they are written for otherwise, ``5m`` or ``1h``.

    Returns:
        The amount, or None if a price is not known.
    """
    chat = prices.chat(model, currency=currency, on=on)
    if chat is None:
        return None
    if named:
        return tokens * chat.input / _MILLION
    automatic = prices.automatic(model, currency=currency, on=on)
    if automatic is None:
        return None
    write = automatic.cache_write_1h if tier == "1h" else automatic.cache_write_5m
    taken_in = chat.input if write is None else write
    return tokens * (taken_in - automatic.cache_read) / _MILLION
