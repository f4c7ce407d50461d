"""The figures of the demo on a real engine, for people and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from langchain_moonshot_cache.cli.printing import count, print_json, screen

if TYPE_CHECKING:
    from langchain_moonshot_cache.demo.real import Asked, RealReport

__all__ = ["dump", "show"]


def dump(report: RealReport) -> None:
    """Print a report as JSON; times are in seconds."""
    figures = {
        "engine": "llama.cpp",
        **asdict(report),
        "first_token_cold": report.cold.first_token,
        "first_token_warm": report.first_token,
        "saved": report.saved,
    }
    print_json(figures)


def show(report: RealReport) -> None:
    """Print a report to standard output."""
    console = screen()
    console.print(
        f"The model {report.model} ran on this computer, and the times are real. It is "
        "small: look at when its answers begin, not at what they say. Nothing was "
        "billed."
    )
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("question")
    for name in ("prompt\ntokens", "\ncached", "seconds to the\nfirst token"):
        table.add_column(name, justify="right", no_wrap=True)
    _add(table, report.cold, what="without a cache")
    for asked in report.warm:
        _add(table, asked, what="cached")
    console.print(table)
    warm, cold = report.first_token, report.cold.first_token
    console.print(
        f"Making the cache took {report.reading:.1f} s, once. Then an answer began "
        f"after {warm:.2f} s; without it, after {cold:.1f} s: "
        f"{-report.saved:.1%}."
    )


def _add(table: Table, asked: Asked, *, what: str) -> None:
    table.add_row(
        Text(f"{what}: {asked.question}", no_wrap=True, overflow="ellipsis"),
        count(asked.prompt_tokens),
        count(asked.cached_tokens),
        f"{asked.first_token:.2f}",
    )
