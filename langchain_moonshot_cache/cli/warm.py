"""``moonshot-cache warm``."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from langchain_moonshot_cache.cli.options import (
    AsJson,
    BaseUrl,
    KeyFile,
    PriceFile,
    RegistryUrl,
)
from langchain_moonshot_cache.cli.statuses import INTERRUPTED, TROUBLE

if TYPE_CHECKING:
    from langchain_moonshot_cache.cli.warming import Warmed

__all__ = ["warm"]

_FAMILY = "moonshot-v1"
"""The one family that Moonshot made named caches for."""

_WAIT = 300.0
"""Seconds. Moonshot took 40 to 60; what a gateway's engine takes depends on both."""

Files = Annotated[
    list[Path],
    typer.Argument(metavar="FILE...", exists=True, dir_okay=False, readable=True),
]


def warm(
    files: Files,
    *,
    model: Annotated[
        str | None,
        typer.Option(
            help="The model that will be asked; default: the one that a JSON file "
            "names, else moonshot-v1. Caches are made for its family.",
        ),
    ] = None,
    ttl: Annotated[
        int | None,
        typer.Option(
            metavar="SECONDS",
            help="How long the cache lives, 30 to 3600; default: the policy's choice. "
            "Calls that use it prolong it.",
        ),
    ] = None,
    wait: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0, help="How long to wait until ready."),
    ] = _WAIT,
    base_url: BaseUrl = None,
    api_key_file: KeyFile = None,
    registry: RegistryUrl = None,
    prices: PriceFile = None,
    as_json: AsJson = False,
) -> None:
    """Have a cache made before it is needed, and wait until it is ready.

    Each FILE is a document, told to the model as document_messages() in Python does:
    one message each, in an order that does not depend on yours. A single JSON file
    with "messages", and perhaps "tools" and "model", is taken as the prefix itself.

    Chat models with the same registry, key and endpoint find the cache by themselves
    when their prompts begin with the same messages and have the same tools. If it
    exists already, nothing is made. Creating and storing a cache costs money; what it
    comes to is printed. Ctrl-C ends the waiting and not the cache.
    """
    from langchain_moonshot_cache.cli.account import open_account
    from langchain_moonshot_cache.cli.printing import print_json, remark
    from langchain_moonshot_cache.cli.prompt_files import read_prompt
    from langchain_moonshot_cache.cli.warming import Warming

    prompt = read_prompt(files)
    with open_account(
        base_url=base_url, key_file=api_key_file, registry=registry, prices=prices
    ) as account:
        warming = Warming(
            account, prompt, model=model or prompt.model or _FAMILY, ttl=ttl
        )
        began = time.monotonic()
        try:
            outcome = warming.run(wait=wait)
        except KeyboardInterrupt:
            remark(warming.interrupted())
            raise typer.Exit(INTERRUPTED) from None
        waited = time.monotonic() - began
    if isinstance(outcome, str):
        remark(f"moonshot-cache: {outcome}")
        raise typer.Exit(TROUBLE)
    if as_json:
        print_json(_described(outcome, waited=waited))
    else:
        _say(outcome)


def _described(warmed: Warmed, *, waited: float) -> dict[str, Any]:
    from langchain_moonshot_cache.cli.inventory import described
    from langchain_moonshot_cache.cli.printing import plain, seconds
    from langchain_moonshot_cache.cli.show import reference

    cost = warmed.creation
    return {
        **described(warmed.item),
        "created": warmed.created,
        "creation_cost": None if cost is None else plain(cost),
        "waited": seconds(waited),
        "reference": reference(warmed.item.cache.id),
    }


def _say(warmed: Warmed) -> None:
    from langchain_moonshot_cache.cli.printing import amount, count, duration
    from langchain_moonshot_cache.cli.show import reference

    item = warmed.item
    made = "was created for" if warmed.created else "was there already; that took"
    typer.echo(f"{item.cache.id} is ready and ends in {duration(item.expires_in)}.")
    typer.echo(
        f"It holds {count(item.cache.tokens)} tokens, {made} "
        f"{amount(warmed.creation)} {item.currency} and costs "
        f"{amount(item.cost_per_hour)} {item.currency} an hour."
    )
    typer.echo(
        "Models with this registry find it by themselves. To refer to it otherwise, "
        f"begin the request with {json.dumps(reference(item.cache.id))}."
    )
