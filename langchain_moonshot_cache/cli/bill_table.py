"""A bill as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_moonshot_cache.cli.printing import count, print_table, screen

if TYPE_CHECKING:
    from langchain_moonshot_cache.cli.bill_sheet import Sheet
    from langchain_moonshot_cache.ledger import Row

__all__ = ["COLUMNS", "cells", "show"]

COLUMNS = (
    "",
    "calls",
    "from cache",
    "calls cost",
    "caches cost",
    "total",
    "uncached",
    "saved",
)
"""What each figure is called; the first is the currency."""


def show(sheet: Sheet) -> None:
    """Print a bill to standard output."""
    console = screen()
    if not sheet.totals:
        console.print(sheet.nothing)
        return
    names = (*sheet.by, *COLUMNS)
    rows = [(*sheet.heads(row), *cells(sheet, row)) for row in sheet.rows]
    if len(sheet.rows) > len(sheet.totals):
        blanks = [""] * (len(sheet.by) - 1)
        rows += [("in all", *blanks, *cells(sheet, row)) for row in sheet.totals]
    print_table(console, names, rows, figures=len(COLUMNS) - 1)
    for remark in sheet.remarks():
        console.print(remark)


def cells(sheet: Sheet, row: Row) -> tuple[str, ...]:
    """Write the figures of a row, in the order of :data:`COLUMNS`."""
    return (
        row.currency,
        count(row.calls),
        sheet.share(row),
        sheet.calls_cost(row),
        sheet.caches_cost(row),
        sheet.money(row, row.total),
        sheet.money(row, row.uncached),
        sheet.money(row, row.saved),
    )
