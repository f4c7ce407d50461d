"""``moonshot-cache ls``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from langchain_moonshot_cache.cli.options import (
    AsJson,
    BaseUrl,
    KeyFile,
    PriceFile,
    RegistryUrl,
)

if TYPE_CHECKING:
    from langchain_moonshot_cache.cli.inventory import Item

__all__ = ["ls", "show_items"]

_ORIGINS = {
    "elsewhere": "elsewhere: made by this package, unknown to this registry.",
    "foreign": "foreign: made by something else.",
    "ours?": "ours?: made by this package; the registry could not be read.",
}


def ls(
    *,
    live: Annotated[
        bool, typer.Option("--live", help="Only caches that are pending or ready.")
    ] = False,
    base_url: BaseUrl = None,
    api_key_file: KeyFile = None,
    registry: RegistryUrl = None,
    prices: PriceFile = None,
    as_json: AsJson = False,
) -> None:
    """List the caches of your account, with what storing them costs.

    The list is the server's. What is said of whose a cache is comes from the registry
    and from the metadata by which this package finds its own caches again. Nothing of
    what the caches hold is shown.
    """
    from langchain_moonshot_cache.cli.account import open_account
    from langchain_moonshot_cache.cli.inventory import described, inventory
    from langchain_moonshot_cache.cli.printing import print_json

    with open_account(
        base_url=base_url, key_file=api_key_file, registry=registry, prices=prices
    ) as account:
        caches = [c for c in account.client.list() if c.is_live or not live]
        items = inventory(account, caches)
    if as_json:
        print_json({"caches": [described(item) for item in items]})
        return
    show_items(items)


def show_items(items: list[Item]) -> None:
    """Print a table of caches, and what its words mean."""
    from langchain_moonshot_cache.cli.printing import (
        amount,
        count,
        duration,
        print_table,
        screen,
    )

    console = screen()
    if not items:
        console.print("No caches.")
        return
    currency = items[0].currency
    rows = [
        (
            item.cache.id,
            item.cache.status.value,
            item.origin.value,
            count(item.cache.tokens),
            duration(item.age),
            duration(item.expires_in) if item.is_to_end else "ended",
            amount(item.cost_per_hour),
        )
        for item in items
    ]
    names = ("id", "status", "origin", "tokens", "age", "ends in", f"{currency}/h")
    print_table(console, names, rows, figures=4)
    for origin in sorted({item.origin.value for item in items} & _ORIGINS.keys()):
        console.print(_ORIGINS[origin])
