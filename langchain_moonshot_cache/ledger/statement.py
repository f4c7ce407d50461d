"""Reading a ledger: rows, totals and exports."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.errors import ConfigurationError, MixedCurrenciesError
from langchain_moonshot_cache.ledger.rows import HEADS, Row, iso_day, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from langchain_moonshot_cache.economics import CacheLife, Head, Sums

__all__ = ["Statement", "Totals"]

_FIRST, _LAST = "0000-01-01", "9999-12-31"
_CURRENCY = re.compile("[A-Z]{3}")
"""A code of ISO 4217. Nothing is on record under any other, and zero would be a lie."""
_AMOUNTS = ("total", "saved")
"""Columns of an export that a row works out."""


def _nothing() -> defaultdict[str, Decimal]:
    return defaultdict(Decimal)


@dataclass(slots=True)
class Totals:
    """Sums over the calls of one model.

    Attributes:
        calls: Calls that were answered.
        outcomes: Calls by outcome, such as ``hit`` or ``bypassed``.
        prompt: Input tokens, cached ones included.
        cached: Input tokens that a cache gave.
        output: Output tokens.
        usage_unknown: Calls whose usage was not reported in full.
        cost: Money by currency.
        cost_uncached: What the same calls would have cost without a cache.
        cost_unknown: Calls that no price was known for.
    """

    calls: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    prompt: int = 0
    cached: int = 0
    output: int = 0
    usage_unknown: int = 0
    cost: defaultdict[str, Decimal] = field(default_factory=_nothing)
    cost_uncached: defaultdict[str, Decimal] = field(default_factory=_nothing)
    cost_unknown: int = 0

    def add(self, row: Row) -> None:
        """Add a row of this model, by outcome."""
        self.calls += row.calls
        self.outcomes[str(row.outcome)] += row.calls
        self.prompt += row.prompt
        self.cached += row.cached
        self.output += row.output
        self.usage_unknown += row.usage_unknown
        self.cost_unknown += row.cost_unknown
        if row.calls > row.cost_unknown:
            self.cost[row.currency] += row.cost
            self.cost_uncached[row.currency] += row.uncached


class Statement:
    """What was spent; the reading side of a ledger.

    Args:
        calls: Gives the sums of the days between two, both included.
        lives: Gives the lives of caches.
        clock: Unix seconds up to which living caches have cost something.
    """

    def __init__(
        self,
        *,
        calls: Callable[[str, str], list[tuple[Head, Sums]]],
        lives: Callable[[], list[CacheLife]],
        clock: Callable[[], float],
    ) -> None:
        self._calls = calls
        self._lives = lives
        self._clock = clock

    def rows(
        self,
        *,
        by: str | Sequence[str] = (),
        since: date | str | None = None,
        until: date | str | None = None,
    ) -> list[Row]:
        """Return the sums under the heads asked for, in their order.

        Args:
            by: Any of ``day``, ``model``, ``prefix``, ``tag``, ``mechanism`` and
                ``outcome``. Amounts of different currencies are in different rows.
            since: The first day in UTC, as a date or like ``"2026-11-30"``.
            until: The last day, included.

        Raises:
            ConfigurationError: A head or a day is none, or no day is left.
            RegistryError: The store could not be read.
        """
        first = _FIRST if since is None else iso_day(since)
        last = _LAST if until is None else iso_day(until)
        if first > last:
            raise ConfigurationError(
                f"since, {first}, comes after until, {last}: no day lies between them."
            )
        return rows_of(
            self._calls(first, last),
            self._lives(),
            by=(by,) if isinstance(by, str) else tuple(by),
            now=self._clock(),
            since=first,
            until=last,
        )

    def total(
        self,
        *,
        currency: str | None = None,
        since: date | str | None = None,
        until: date | str | None = None,
    ) -> Row:
        """Return one sum over everything.

        Args:
            currency: Only what is in this currency.
            since: As in :meth:`rows`.
            until: As in :meth:`rows`.

        Returns:
            The sum; all zero, and without a currency, where there is nothing.

        Raises:
            ConfigurationError: What was named is no currency, or a day is none.
            MixedCurrenciesError: There are several currencies and none was named.
        """
        if currency is not None and not _CURRENCY.fullmatch(currency):
            raise ConfigurationError(
                f"{currency!r} is no currency: write it like 'CNY'."
            )
        found = {row.currency: row for row in self.rows(since=since, until=until)}
        if currency is not None:
            return found.get(currency, Row(currency=currency))
        if len(found) > 1:
            raise MixedCurrenciesError(
                f"there are amounts in {' and '.join(sorted(found))}, which are not "
                "added: name one with currency=..., or read rows()."
            )
        return next(iter(found.values()), Row(currency=""))

    def totals(self) -> dict[str, Totals]:
        """Return the sums of calls, caches aside, by model."""
        totals: dict[str, Totals] = {}
        for row in self.rows(by=("model", "outcome")):
            if row.calls:
                totals.setdefault(str(row.model), Totals()).add(row)
        return totals

    def caches(self) -> list[CacheLife]:
        """Return what is known of each named cache's life and price."""
        return self._lives()

    def to_json(
        self,
        *,
        by: str | Sequence[str] = HEADS,
        since: date | str | None = None,
        until: date | str | None = None,
    ) -> str:
        """Return rows as a JSON list of objects; amounts are decimal strings."""
        rows = self.rows(by=by, since=since, until=until)
        return json.dumps([_exported(row) for row in rows], indent=1)

    def to_csv(
        self,
        *,
        by: str | Sequence[str] = HEADS,
        since: date | str | None = None,
        until: date | str | None = None,
    ) -> str:
        """Return rows as CSV (RFC 4180) with a line of names first."""
        text = io.StringIO(newline="")
        names = [*(f.name for f in fields(Row)), *_AMOUNTS]
        writer = csv.DictWriter(text, names)
        writer.writeheader()
        rows = self.rows(by=by, since=since, until=until)
        writer.writerows(_exported(row) for row in rows)
        return text.getvalue()


def _exported(row: Row) -> dict[str, Any]:
    names = [*(each.name for each in fields(row)), *_AMOUNTS]
    values = {name: getattr(row, name) for name in names}
    return {
        name: format(value, "f") if isinstance(value, Decimal) else value
        for name, value in values.items()
    }
