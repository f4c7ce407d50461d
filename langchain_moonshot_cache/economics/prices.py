"""Dated list prices, the built-in table and one's own."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

__all__ = ["AutomaticPrice", "ChatPrice", "NamedPrice", "PriceBook", "currency_of"]

_FAMILIES = ("moonshot-v1",)
"""Families that named caches are priced for; a cache is made for the family."""


@dataclass(frozen=True, slots=True)
class ChatPrice:
    """Price of input and output, per million tokens."""

    input: Decimal
    output: Decimal


@dataclass(frozen=True, slots=True)
class NamedPrice:
    """Price of a named cache.

    Attributes:
        create: Per million tokens, once.
        storage_minute: Per million tokens and started minute.
        call: Per call that uses the cache.
    """

    create: Decimal
    storage_minute: Decimal
    call: Decimal


@dataclass(frozen=True, slots=True)
class AutomaticPrice:
    """Price of automatic prefix caching, per million tokens; None is not published."""

    cache_read: Decimal
    cache_write_5m: Decimal | None
    cache_write_1h: Decimal | None


@dataclass(frozen=True, slots=True)
class PriceBook:
    """List prices by model, currency and date.

    Attributes:
        checked: The day on which the prices were last compared with the vendor's.
    """

    checked: date
    _table: Mapping[str, Any] = field(repr=False)

    @classmethod
    def builtin(cls) -> Self:
        """Read the table that comes with the package."""
        data = files("langchain_moonshot_cache").joinpath("data/prices.json")
        return cls.from_table(json.loads(data.read_text("utf-8")))

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Self:
        """Take prices from a table laid out like the built-in ``prices.json``.

        Args:
            table: ``checked`` and the lists ``automatic``, ``named``, ``named_chat``.
                Prices are strings, per million tokens.
        """
        return cls(checked=date.fromisoformat(table["checked"]), _table=table)

    def chat(self, model: str, *, currency: str) -> ChatPrice | None:
        """Price of a model's tokens, or None if the book does not have it."""
        for kind in ("automatic", "named_chat"):
            row = self._row(kind, model=model, currency=currency)
            if row is not None:
                return ChatPrice(Decimal(row["input"]), Decimal(row["output"]))
        return None

    def automatic(self, model: str, *, currency: str) -> AutomaticPrice | None:
        """Price of automatic prefix caching, or None if the book does not have it."""
        row = self._row("automatic", model=model, currency=currency)
        if row is None:
            return None
        return AutomaticPrice(
            cache_read=Decimal(row["cache_read"]),
            cache_write_5m=_optional(row["cache_write_5m"]),
            cache_write_1h=_optional(row["cache_write_1h"]),
        )

    def named(self, model: str, *, currency: str, on: date) -> NamedPrice | None:
        """Price of a named cache on a day, or None if the book does not have it.

        Args:
            model: A model or its family.
            currency: ``"CNY"`` or ``"USD"``.
            on: The day; the latest row that had begun by then holds.
        """
        family = next((name for name in _FAMILIES if model.startswith(name)), model)
        rows = [
            row
            for row in self._table["named"]
            if row["family"] == family
            and row["currency"] == currency
            and date.fromisoformat(row["from"]) <= on
        ]
        if not rows:
            return None
        row = max(rows, key=lambda row: str(row["from"]))
        return NamedPrice(
            create=Decimal(row["create"]),
            storage_minute=Decimal(row["storage_minute"]),
            call=Decimal(row["call"]),
        )

    def _row(self, kind: str, **wanted: str) -> Mapping[str, Any] | None:
        rows: list[Mapping[str, Any]] = self._table[kind]
        for row in rows:
            if all(row[name] == value for name, value in wanted.items()):
                return row
        return None


def _optional(price: str | None) -> Decimal | None:
    return None if price is None else Decimal(price)


def currency_of(base_url: str) -> str:
    """Tell an account's currency: api.moonshot.ai bills dollars, all else yuan."""
    host = urlsplit(base_url).hostname or ""
    return "USD" if host.endswith(".moonshot.ai") else "CNY"
