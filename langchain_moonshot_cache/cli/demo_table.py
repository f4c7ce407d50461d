"""The demo's figures for people: tables, and what follows from them in words."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from langchain_moonshot_cache.cli.printing import amount, screen

if TYPE_CHECKING:
    from rich.console import Console

    from langchain_moonshot_cache.demo import Example, Report

__all__ = ["show"]


def show(report: Report) -> None:
    """Print a report to standard output."""
    console = screen()
    console.print(
        "The engine behind this demo is scripted: it answers by rules, no model runs. "
        "What is counted, sent and billed is real, at Moonshot's list prices; times "
        "would say nothing and are not shown."
    )
    _show_announced(console, report.announced)
    _show_calls(console, report.document)
    _show_bills(console, report)


def _show_announced(console: Console, example: Example) -> None:
    program, answer = example.cached.answers
    for head, said in (
        ("\nQuestion ", example.questions[0]),
        ("Program that was run\n", program.rstrip()),
        ("Answer ", answer),
    ):
        console.print(Text.assemble((head, "bold"), said))
    _show_calls(console, example)
    bill, calls = example.cached.bill, len(example.cached.calls)
    spared = (example.plain.bill.input - bill.input) / calls
    console.print(
        f"Too small to pay: using a cache costs {amount(bill.calls / calls)} "
        f"{bill.currency} a call, and saved {amount(spared)}. The default policy would "
        "not have cached it."
    )


def _show_calls(console: Console, example: Example) -> None:
    cached, plain = example.cached, example.plain
    table = Table(
        title=f"\n{example.title} ({example.model})",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_footer=True,
    )
    prompt = sum(call.prompt_tokens for call in cached.calls)
    tokens = sum(call.cached_tokens for call in cached.calls)
    currency = cached.bill.currency
    # The one column that gives way on a narrow terminal.
    table.add_column("call", "sum")
    table.add_column("outcome", no_wrap=True)
    for name, footer in (
        ("prompt\ntokens", f"{prompt:,}"),
        ("\ncached", f"{tokens:,}"),
        ("bytes\nsent", f"{cached.bytes_sent:,}"),
        (f"cost\n{currency}", amount(cached.bill.of_calls)),
        ("without\ncache", amount(plain.bill.of_calls)),
    ):
        table.add_column(name, footer, justify="right", no_wrap=True)
    rows = zip(example.questions, cached.calls, plain.calls, strict=True)
    for number, (question, call, without) in enumerate(rows, start=1):
        table.add_row(
            Text(f"{number} {question}", no_wrap=True, overflow="ellipsis"),
            call.outcome,
            f"{call.prompt_tokens:,}",
            f"{call.cached_tokens:,}",
            f"{call.bytes_sent:,}",
            amount(call.cost),
            amount(without.cost),
        )
    console.print(table)
    console.print(f"Without the cache {plain.bytes_sent:,} bytes were sent.")


def _show_bills(console: Console, report: Report) -> None:
    currency = report.document.cached.bill.currency
    table = Table(
        title=f"\nThe server's bills in {currency}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column()
    for name in ("announced example", "long document", "both"):
        table.add_column(name, justify="right", no_wrap=True)
    bills = [one.cached.bill for one in report.examples]
    without = [one.plain.bill.total for one in report.examples]
    for name, amounts in (
        ("creating the cache", [bill.creation for bill in bills]),
        ("storing it", [bill.storage for bill in bills]),
        ("calls", [bill.of_calls for bill in bills]),
        ("in all", [bill.total for bill in bills]),
        ("without cache", without),
    ):
        sums = [*amounts, sum(amounts, Decimal(0))]
        table.add_row(name, *map(amount, sums), end_section=name == "without cache")
    saved = [one.saved for one in report.examples]
    table.add_row(
        "saved",
        *map(_saved, [*saved, report.saved], [*without, report.cost_uncached]),
        style="bold",
    )
    console.print(table)
    for claim, shown in (
        ("The answers' metadata adds up to these bills", report.metadata_agrees),
        ("With the cache and without it the answers are the same", report.same_answers),
        ("All caches were deleted", report.nothing_left),
    ):
        verdict = ("yes", "") if shown else ("no", "bold red")
        console.print(Text.assemble(f"{claim}: ", verdict, "."))


def _saved(money: Decimal, of: Decimal) -> str:
    # A loss is no share of what was at stake.
    return amount(money) if money < 0 else f"{amount(money)} ({money / of:.1%})"
