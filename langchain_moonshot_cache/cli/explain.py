"""``moonshot-cache explain``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from langchain_moonshot_cache.cli.options import AsJson, PriceFile

if TYPE_CHECKING:
    from rich.console import Console

    from langchain_moonshot_cache.cli.findings import Finding, Findings

__all__ = ["explain"]

Files = Annotated[
    list[Path],
    typer.Argument(metavar="FILE...", exists=True, dir_okay=False, readable=True),
]


def explain(
    files: Files,
    *,
    currency: Annotated[
        Literal["CNY", "USD"] | None,
        typer.Option(
            metavar="CNY|USD",
            help="Whose prices to take; default: that which the file of prices names, "
            "else that of MOONSHOT_API_BASE.",
        ),
    ] = None,
    show_text: Annotated[
        bool,
        typer.Option(
            "--show-text", help="Print the text around each place, as it was and is."
        ),
    ] = False,
    prices: PriceFile = None,
    as_json: AsJson = False,
) -> None:
    """Say where requests part, what moved there, what it costs and how to mend it.

    Each FILE is the JSON body of a request to /v1/chat/completions, the oldest first; a
    .jsonl file has one in each line. Each request is compared with the earlier one that
    it carries on. Add "sent_at" to the bodies, in unix seconds or written like
    2026-11-30T12:00:00Z, to be told of caches that had expired, too. Tokens are
    estimated, and so are the costs: what the lost tokens cost more than if a cache had
    given them. Nothing is sent, and no prompt text printed unless asked for.
    """
    from langchain_moonshot_cache.cli.account import read_prices
    from langchain_moonshot_cache.cli.findings import findings
    from langchain_moonshot_cache.cli.printing import print_json, screen
    from langchain_moonshot_cache.cli.request_files import read_requests

    requests = read_requests(files)
    if len(requests) < 2:  # noqa: PLR2004 - one that came before, and one after it
        raise typer.BadParameter("one request alone parts from nothing: give another")
    found = findings(requests, prices=read_prices(prices), currency=currency)
    if as_json:
        print_json(found.to_dict(show_text=show_text))
        return
    console = screen()
    for finding in found.findings:
        _show(console, finding, currency=found.currency, show_text=show_text)
    console.print(_summary(found))


def _show(
    console: Console, finding: Finding, *, currency: str, show_text: bool
) -> None:
    from langchain_moonshot_cache.cli.printable import printable
    from langchain_moonshot_cache.cli.printing import amount, count

    after = f"request {finding.request} after {finding.earlier}"
    drift = finding.drift
    if drift is None:
        console.print(f"{after}: carries it on, nothing is lost")
        return
    if not drift.matters:
        console.print(printable(f"{after}: {drift.brief}. {drift.mend}"))
        return
    console.print(printable(f"{after}: {drift.brief}"))
    console.print(
        f"  about {count(drift.shared_tokens)} tokens shared, "
        f"{count(drift.lost_tokens)} lost, {amount(finding.cost)} {currency}"
    )
    console.print(f"  {drift.mend}")
    if show_text and drift.texts is not None:
        for name, text in zip(("was", "is"), drift.texts, strict=True):
            console.print(f"  {name}: {text!r}")


def _summary(found: Findings) -> str:
    from langchain_moonshot_cache.cli.printing import MISSING, amount, count

    worth = sum(
        finding.drift is not None and finding.drift.matters
        for finding in found.findings
    )
    missing = f" {MISSING}" if found.cost_unknown else ""
    return (
        f"{len(found.findings)} comparisons, {worth} worth mending: about "
        f"{count(found.lost_tokens)} tokens lost, {amount(found.cost)}{missing} "
        f"{found.currency}."
    )
