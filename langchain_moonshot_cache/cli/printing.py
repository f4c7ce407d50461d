"""How results, figures and remarks are printed: JSON, tables, words."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

from langchain_moonshot_cache.cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from decimal import Decimal

__all__ = [
    "MISSING",
    "UNKNOWN",
    "amount",
    "count",
    "duration",
    "plain",
    "print_facts",
    "print_json",
    "print_table",
    "remark",
    "screen",
    "seconds",
]

UNKNOWN = "?"
"""What nobody reported. It is neither zero nor nothing, and looks like neither."""

MISSING = "+?"
"""After a sum: something comes on top, and nobody knows how much."""

_ANY_WIDTH = 100_000
"""Wider than any table: what it would take if it could."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_TWO_OF = 2
"""From two of a unit on, the next smaller one no longer matters."""


def print_json(value: Any) -> None:
    """Print a value as JSON, in ASCII, which every terminal and pipe can take."""
    json.dump(value, sys.stdout, indent=2)
    sys.stdout.write("\n")


def screen(*, stderr: bool = False) -> Console:
    """Return standard output, or standard error, as something to draw on."""
    # What is printed is data: no brackets or colons in it mean anything.
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def remark(text: str) -> None:
    """Say something that is not the result, on standard error."""
    sys.stderr.write(f"{printable(text)}\n")


def print_table(
    console: Console,
    names: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    figures: int,
) -> None:
    """Print rows as a table, or one below the other where the screen is too narrow.

    Nothing is cut off or torn apart: what one cannot read one cannot copy either.

    Args:
        console: Where to.
        names: What each column is called.
        rows: Their values.
        figures: How many of the columns, counted from the last, are figures.
    """
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for left, name in zip(range(len(names), 0, -1), names, strict=True):
        table.add_column(name, justify="right" if left <= figures else "left")
    listed = list(rows)
    for row in listed:
        table.add_row(*row)
    whole = console.options.update(max_width=_ANY_WIDTH)
    if console.measure(table, options=whole).maximum <= console.width:
        console.print(table)
        return
    for row in listed:
        print_facts(console, dict(zip(names, row, strict=True)))
        console.print()


def print_facts(console: Console, facts: Mapping[str, str]) -> None:
    """Print names and values, a line each."""
    width = max(map(len, facts))
    for name, value in facts.items():
        console.print(f"{name:<{width}}  {printable(value)}", soft_wrap=True)


def count(number: int | None) -> str:
    """Write a count for people."""
    return UNKNOWN if number is None else f"{number:,}"


def duration(seconds: float | None) -> str:
    """Write a duration in the unit that suits it, such as ``95 s`` or ``3.5 h``."""
    if seconds is None:
        return UNKNOWN
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if abs(seconds) >= _TWO_OF * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"


def seconds(number: float | None) -> float | None:
    """Round a duration for JSON: the server's clock counts in seconds."""
    return None if number is None else round(number, 1)


def plain(money: Decimal) -> str:
    """Write an amount exactly, without exponent and idle zeros: what JSON gets."""
    return f"{money.normalize():f}"


def amount(money: Decimal | None) -> str:
    """Write an amount for people, to a millionth."""
    if money is None:
        return UNKNOWN
    return f"{money:.6f}".rstrip("0").rstrip(".")
