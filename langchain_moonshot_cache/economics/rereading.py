"""What it costs that tokens are not read from an automatic cache."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_moonshot_cache.economics.prices import AutomaticPrice, ChatPrice

__all__ = ["rereading_cost"]

_MILLION = Decimal(1_000_000)


def rereading_cost(
    tokens: int, *, chat: ChatPrice, automatic: AutomaticPrice, tier: str = "5m"
) -> Decimal:
    """Price what is paid on top where tokens are taken in again instead of read.

    They cost what writing them costs, or plain input on models that do not bill
    writes, in place of the price of reading.

    Args:
        tokens: The tokens.
        chat: Price of input.
        automatic: Price of reading and writing.
        tier: What they are written for, ``5m`` or ``1h``.
    """
    write = automatic.cache_write_1h if tier == "1h" else automatic.cache_write_5m
    taken_in = chat.input if write is None else write
    return tokens * (taken_in - automatic.cache_read) / _MILLION
