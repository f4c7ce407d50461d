"""``moonshot-cache doctor``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from langchain_moonshot_cache.cli.options import (
    AsJson,
    BaseUrl,
    KeyFile,
    PriceFile,
    RegistryUrl,
)
from langchain_moonshot_cache.cli.statuses import TROUBLE

if TYPE_CHECKING:
    from rich.console import Console

    from langchain_moonshot_cache.cli.checks import Check

__all__ = ["doctor"]

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "bold red", "skipped": "dim"}

_INDENT = 8
"""Columns, as many as the longest verdict and a blank take."""


def doctor(
    *,
    base_url: BaseUrl = None,
    api_key_file: KeyFile = None,
    registry: RegistryUrl = None,
    prices: PriceFile = None,
    as_json: AsJson = False,
) -> None:
    """Check key, endpoint, registry, clock and prices; say what to do about each.

    What it asks the endpoint for costs nothing: the models, the balance, one page of
    the caches. In the registry it leaves a mark that ends by itself. The exit status is
    1 if a check fails; a warning is none.
    """
    from langchain_moonshot_cache.cli.checkup import checkup
    from langchain_moonshot_cache.cli.printing import print_json, screen

    console = screen()
    checks = []
    for check in checkup(
        base_url=base_url, key_file=api_key_file, registry=registry, prices=prices
    ):
        checks.append(check)
        if not as_json:
            _show(console, check)
    if as_json:
        print_json({"checks": [asdict(check) for check in checks]})
    if any(check.verdict == "fail" for check in checks):
        raise typer.Exit(TROUBLE)


def _show(console: Console, check: Check) -> None:
    """Print a check as soon as it is done: the next one may have to wait."""
    from rich.table import Table
    from rich.text import Text

    from langchain_moonshot_cache.cli.printable import printable

    word = check.verdict.value
    said = Text.assemble((check.name, "bold"), ": ", printable(check.finding))
    if check.next_step is not None:
        said.append(f"\n-> {printable(check.next_step)}")
    grid = Table.grid()
    grid.add_column(width=_INDENT)
    grid.add_column(overflow="fold")
    grid.add_row(Text(word, style=_COLOURS[word]), said)
    console.print(grid)
