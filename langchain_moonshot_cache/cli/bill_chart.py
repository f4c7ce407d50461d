"""A bill as bars, before anybody draws them: one chart for each currency."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_moonshot_cache.cli.bill_sheet import Sheet
    from langchain_moonshot_cache.ledger import Row

__all__ = ["COLOURS", "PARTS", "UNCACHED", "Bar", "Chart", "charts"]

PARTS = ("calls", "creating caches", "storing caches")
"""What a total is made of."""

COLOURS = ("#0072B2", "#E69F00", "#009E73")
"""One for each part, from the palette of Okabe and Ito, which people who confuse red
and green can tell apart, on white and on black."""

UNCACHED = "without caches"

_MOST = 30
"""Bars that one can still read; the largest are kept."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a bill.

    Attributes:
        label: The values of its heads.
        parts: Amounts, in the order of :data:`PARTS`.
        uncached: What the same calls would have cost without caches.
        figure: The total, and what it would have been, with the marks of what is not
            known about them.
        nothing_known: Whether no cost in it is known.
    """

    label: str
    parts: tuple[Decimal, ...]
    uncached: Decimal
    figure: str
    nothing_known: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """The bars of one currency.

    Attributes:
        currency: Of all amounts.
        bars: In the order of the rows.
        left_out: How many smaller ones there are besides.
    """

    currency: str
    bars: list[Bar]
    left_out: int

    @property
    def longest(self) -> Decimal:
        """The largest amount that is drawn."""
        return max(max(sum(bar.parts, Decimal(0)), bar.uncached) for bar in self.bars)


def charts(sheet: Sheet) -> list[Chart]:
    """Make a chart for each currency of a bill."""
    made = []
    for currency in dict.fromkeys(row.currency for row in sheet.rows):
        rows = [row for row in sheet.rows if row.currency == currency]
        kept = sorted(rows, key=lambda row: max(row.total, row.uncached))[-_MOST:]
        bars = [_bar(sheet, row) for row in rows if row in kept]
        made.append(Chart(currency, bars, left_out=len(rows) - len(bars)))
    return made


def _bar(sheet: Sheet, row: Row) -> Bar:
    figure = sheet.money(row, row.total)
    if row.uncached:
        figure += f" of {sheet.money(row, row.uncached)}"
    return Bar(
        label=", ".join(sheet.heads(row)),
        parts=(row.cost, row.creation, row.storage),
        uncached=row.uncached,
        figure=figure,
        nothing_known=sheet.nothing_known(row),
    )
