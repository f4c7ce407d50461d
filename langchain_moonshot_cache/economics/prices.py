"""Dated list prices, the built-in table and one's own."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from langchain_moonshot_cache.economics.price_table import (
    day_of_check,
    own_currency,
    read_rows,
)
from langchain_moonshot_cache.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from decimal import Decimal
    from os import PathLike

    from langchain_moonshot_cache.economics.price_table import PriceRow

__all__ = [
    "AutomaticPrice",
    "ChatPrice",
    "NamedPrice",
    "PriceBook",
    "Unpriced",
    "currency_of",
]

logger = logging.getLogger("langchain_moonshot_cache")

_FRESH_DAYS = 90
"""Days for which a table is trusted without a word. Moonshot changed its list prices
about twice a year."""

_A_DAY_AHEAD = 1
"""Days by which a table may be ahead: where it was checked, tomorrow had begun."""


class Unpriced(StrEnum):
    """Why a price is not known."""

    MODEL = "the list of prices does not have this model"
    CURRENCY = "the list of prices has this model in another currency only"
    DAY = "the list of prices has this model on other days only"
    CACHE = "the list of prices does not have named caches of this model today"


@dataclass(frozen=True, slots=True)
class ChatPrice:
    """Price of input and output, per million tokens.

    Attributes:
        input: Of input that no cache gave.
        output: Of output.
        batch_input: Of input in the batch API; None if not published.
        batch_output: Of output there.
    """

    input: Decimal
    output: Decimal
    batch_input: Decimal | None = None
    batch_output: Decimal | None = None


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


class PriceBook:
    """List prices by model, currency and date.

    A book does not change; :meth:`with_prices` makes another one.

    Args:
        table: Laid out like the built-in ``prices.json``: ``checked`` (a day) and the
            lists ``automatic``, ``named`` and ``named_chat``, whose rows hold prices
            as decimal strings, and ``from`` and ``to`` where they hold for a time.
            ``currency`` is what accounts are billed in; without it the endpoint tells.

    Raises:
        ConfigurationError: Something in the table is no price, no day, unknown or
            missing; the message names row and key.

    Attributes:
        checked: The day on which the prices were last compared with the vendor's.
    """

    def __init__(self, table: Mapping[str, Any]) -> None:
        self._rows = read_rows(table)
        self.checked = day_of_check(table, otherwise=None)
        self._currency = own_currency(table)
        self._warned = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}(checked={self.checked.isoformat()!r})"

    @classmethod
    def builtin(cls) -> PriceBook:
        """Return the table that comes with the package."""
        return _builtin()

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> PriceBook:
        """Take prices from a table; see the class."""
        return cls(table)

    @classmethod
    def from_file(cls, path: str | PathLike[str]) -> PriceBook:
        """Read a table from a JSON file; see the class.

        Raises:
            ConfigurationError: There is no such file, it is no JSON, or its content is
                no table of prices.
        """
        try:
            # Some editors begin a file with a mark of its encoding.
            text = Path(path).read_text("utf-8-sig")
            table = json.loads(text, object_pairs_hook=_unambiguous)
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigurationError(
                f"prices: {path} cannot be read as JSON: {error}"
            ) from error
        return cls(table)

    def with_prices(self, table: Mapping[str, Any]) -> PriceBook:
        """Return a book in which the rows of a table come before those of this one.

        Args:
            table: As for the class; ``checked`` may be left out. What is priced in it
                in some currency is no longer looked up here in that currency.

        Raises:
            ConfigurationError: As for the class.
        """
        rows = read_rows(table)
        other = object.__new__(type(self))
        other._warned = False
        other._currency = own_currency(table) or self._currency
        other.checked = day_of_check(table, otherwise=self.checked)
        other._rows = {
            kind: added + [row for row in self._rows[kind] if not _priced(row, rows)]
            for kind, added in rows.items()
        }
        return other

    def chat(
        self, model: str, *, currency: str, on: date | None = None
    ) -> ChatPrice | None:
        """Price of a model's tokens, or None if the book does not have it.

        Args:
            model: The model.
            currency: Such as ``"CNY"``.
            on: The day; None for the latest price.
        """
        for kind in ("automatic", "named_chat"):
            row = self._row(kind, model, currency=currency, on=on)
            if row is not None:
                names = ("input", "output", "batch_input", "batch_output")
                return ChatPrice(*(row.prices[name] for name in names))  # type: ignore[arg-type]  # the table was checked: the first two are there
        return None

    def automatic(
        self, model: str, *, currency: str, on: date | None = None
    ) -> AutomaticPrice | None:
        """Price of automatic prefix caching, or None if the book does not have it."""
        row = self._row("automatic", model, currency=currency, on=on)
        if row is None:
            return None
        names = ("cache_read", "cache_write_5m", "cache_write_1h")
        return AutomaticPrice(*(row.prices[name] for name in names))  # type: ignore[arg-type]  # the table was checked: the first is there

    def named(self, model: str, *, currency: str, on: date) -> NamedPrice | None:
        """Price of a named cache on a day, or None if the book does not have it.

        Args:
            model: A model or its family.
            currency: Such as ``"CNY"``.
            on: The day; the latest row that had begun by then holds.
        """
        families = {row.name for row in self._rows["named"]}
        fitting = [name for name in families if f"{model}-".startswith(f"{name}-")]
        family = max(fitting, key=len, default=model)
        row = self._row("named", family, currency=currency, on=on)
        if row is None:
            return None
        names = ("create", "storage_minute", "call")
        return NamedPrice(*(row.prices[name] for name in names))  # type: ignore[arg-type]  # the table was checked: all are there

    def unpriced(
        self, model: str, *, currency: str, on: date | None = None
    ) -> Unpriced | None:
        """Say why a model's tokens have no price; None if they have one.

        Args:
            model: The model.
            currency: Such as ``"CNY"``.
            on: The day; None if any will do.
        """
        if self.chat(model, currency=currency, on=on) is not None:
            return None
        rows = [*self._rows["automatic"], *self._rows["named_chat"]]
        found = {row.currency for row in rows if row.name == model}
        if not found:
            return Unpriced.MODEL
        return Unpriced.DAY if currency in found else Unpriced.CURRENCY

    def currency(self, base_url: str) -> str:
        """Tell in which currency an endpoint bills: the table's own, if it names one.

        Args:
            base_url: The endpoint.
        """
        return self._currency or currency_of(base_url)

    def age(self, today: date) -> int:
        """Return the days since the prices were last compared with the vendor's."""
        return (today - self.checked).days

    def stale(self, today: date) -> str | None:
        """Say that the prices are old, with what to do about it; None if they are not.

        Args:
            today: The day to measure from.
        """
        days = self.age(today)
        if -_A_DAY_AHEAD <= days <= _FRESH_DAYS:
            return None
        if days < 0:
            return (
                f"the prices say that they were checked on {self.checked}, which is "
                "still to come: correct the day, or old prices are never noticed"
            )
        return (
            f"the prices were last checked {days} days ago, on {self.checked}: costs "
            "may be wrong. Upgrade, or give prices=PriceBook.builtin().with_prices(...)"
        )

    def warn_when_stale(self, today: date) -> None:
        """Log that the prices are old, once for this book."""
        if not self._warned and (old := self.stale(today)):
            self._warned = True
            logger.warning("%s", old)

    def _row(
        self, kind: str, name: str, *, currency: str, on: date | None
    ) -> PriceRow | None:
        rows = [
            row
            for row in self._rows[kind]
            if (row.name, row.currency) == (name, currency)
            and (on is None or row.holds(on))
        ]
        return max(rows, key=lambda row: row.begin, default=None)


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a JSON object of its members, unless it has one of them twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object has the key {twice[:80]!r} twice")
    return found


def _priced(row: PriceRow, rows: Mapping[str, list[PriceRow]]) -> bool:
    """Tell whether what a row is about has a price of one's own."""
    about = (row.name, row.currency)
    return any(about == (r.name, r.currency) for kind in rows.values() for r in kind)


@cache
def _builtin() -> PriceBook:
    data = files("langchain_moonshot_cache").joinpath("data/prices.json")
    return PriceBook(json.loads(data.read_text("utf-8")))


def currency_of(base_url: str) -> str:
    """Tell an account's currency: api.moonshot.ai bills dollars, all else yuan."""
    host = urlsplit(base_url).hostname or ""
    return "USD" if host.endswith(".moonshot.ai") else "CNY"
