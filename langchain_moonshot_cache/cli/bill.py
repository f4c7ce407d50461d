"""``moonshot-cache bill``."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from langchain_moonshot_cache.cli.options import AsJson, RegistryUrl

__all__ = ["bill"]


class Head(StrEnum):
    """What a bill can be grouped by."""

    MODEL = "model"
    PREFIX = "prefix"
    DAY = "day"
    TAG = "tag"
    MECHANISM = "mechanism"
    OUTCOME = "outcome"


Heads = Annotated[
    list[Head] | None,
    typer.Option("--by", help="What to group by; may be given again. Default: model."),
]

Picture = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        dir_okay=False,
        help="Also draw it, as .png, .svg or .pdf; needs the extra plot.",
    ),
]

Page = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        dir_okay=False,
        help="Also write it as one page for a browser.",
    ),
]


def bill(
    *,
    by: Heads = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="DAY", help="The first day, in UTC, as 2026-11-30."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DAY", help="The last day, included.")
    ] = None,
    plot: Picture = None,
    html: Page = None,
    registry: RegistryUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show what calls and caches cost, and what they would have cost without caches.

    Models write what they spend into the ledger in their registry, at the prices that
    they were given; this reads it, and asks nobody else. "+?" marks a sum in which
    something is missing because it was not reported, "~" one in which something was
    inferred, and "?" what is not known at all. Amounts in different currencies are
    never added. Named caches are made for a family of models: by model, what creating
    and storing them costs stands in a row of its own, and what they save with the
    models that use them.
    """
    from langchain_moonshot_cache.cli.bill_sheet import Sheet
    from langchain_moonshot_cache.cli.printing import print_json, remark
    from langchain_moonshot_cache.ledger import Ledger

    heads = tuple(dict.fromkeys(head.value for head in by or [Head.MODEL]))
    with closing(Ledger.open(registry)) as ledger:
        if ledger.nonblocking:  # which only memory is
            remark("This registry keeps no ledger: each process has one of its own.")
        sheet = Sheet(
            by=heads,
            rows=ledger.rows(by=heads, since=since, until=until),
            totals=ledger.rows(since=since, until=until),
            since=since,
            until=until,
            as_of=f"{datetime.now(tz=UTC):%Y-%m-%d %H:%M} UTC",
        )
        exported = ledger.to_json(by=heads, since=since, until=until)
    if plot is not None:
        from langchain_moonshot_cache.cli.bill_plot import draw

        draw(sheet, plot)
    if html is not None:
        from langchain_moonshot_cache.cli.bill_page import page

        html.write_text(page(sheet), "utf-8")
    if as_json:
        print_json({"by": heads, "rows": json.loads(exported)})
    else:
        from langchain_moonshot_cache.cli.bill_table import show

        show(sheet)
