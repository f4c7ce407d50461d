"""``moonshot-cache demo``."""

from __future__ import annotations

import os
from pathlib import Path  # noqa: TC003 - typer reads it when the command is made
from typing import Annotated

import typer

from langchain_moonshot_cache.cli import demo_json, demo_table
from langchain_moonshot_cache.cli.options import AsJson
from langchain_moonshot_cache.cli.printing import print_json, remark
from langchain_moonshot_cache.cli.statuses import TROUBLE

__all__ = ["demo"]


def demo(
    *,
    real: Annotated[
        bool,
        typer.Option(
            "--real",
            help="Ask a model that runs on this computer instead, and show times "
            "(extra `local`; some minutes on a slow processor).",
        ),
    ] = False,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH.gguf",
            help="With --real: the weights to run; without, a small model that is "
            "fetched once if you agree.",
        ),
    ] = None,
    yes: Annotated[
        bool,
        typer.Option("--yes", help="With --real: agree to fetching the small model."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show on two examples what a cached prefix saves; needs no key and no network.

    A server with a scripted engine is started on a free port of this computer. Every
    question is asked twice, with caches and without, and what is shown is what the
    server counted and billed. The exit status is 1 if its bills and the answers'
    metadata disagree, if the cache changed an answer, or if a cache was left behind.
    """
    # Here, so that the other commands work without the extra that it needs.
    from langchain_moonshot_cache.demo import run

    _stay_here()
    if real:
        _demo_real(weights, yes=yes, as_json=as_json)
        return
    report = run()
    if as_json:
        print_json(demo_json.described(report))
    else:
        demo_table.show(report)
    if not (report.metadata_agrees and report.same_answers and report.nothing_left):
        raise typer.Exit(TROUBLE)


def _demo_real(weights: Path | None, *, yes: bool, as_json: bool) -> None:
    from langchain_moonshot_cache.cli import demo_real
    from langchain_moonshot_cache.demo.real import run_real
    from langchain_moonshot_cache.server.local import (
        LocalEngineError,
        asking,
        check_installed,
        find_weights,
    )

    try:
        check_installed()
        found = find_weights(weights, agreed=asking(yes=yes))
        report = run_real(found, progress=remark)
    except LocalEngineError as error:
        remark(str(error))
        raise typer.Exit(TROUBLE) from error
    if as_json:
        demo_real.dump(report)
    else:
        demo_real.show(report)


def _stay_here() -> None:
    """Keep a proxy of the environment away from requests to this computer."""
    for name in ("NO_PROXY", "no_proxy"):
        listed = os.environ.get(name)
        os.environ[name] = f"{listed},127.0.0.1" if listed else "127.0.0.1"
