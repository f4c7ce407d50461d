"""``moonshot-cache sweep``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

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
    from langchain_moonshot_cache.manager import Orphan

__all__ = ["sweep"]


def sweep(
    *,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete what is found; else only list it.")
    ] = False,
    base_url: BaseUrl = None,
    api_key_file: KeyFile = None,
    registry: RegistryUrl = None,
    prices: PriceFile = None,
    as_json: AsJson = False,
) -> None:
    """List the caches that this package's clients left behind; delete them if told.

    Left behind is a cache that carries this package's metadata and that, by this
    registry, nobody uses any more. Caches of clients with another registry look so,
    too: name theirs, or look before you delete. The exit status is 1 if a cache could
    not be deleted.
    """
    from langchain_moonshot_cache.cli.account import open_account
    from langchain_moonshot_cache.cli.printing import print_json
    from langchain_moonshot_cache.manager import ContextCacheManager

    with open_account(
        base_url=base_url, key_file=api_key_file, registry=registry, prices=prices
    ) as account:
        manager = ContextCacheManager(
            account.client, registry=account.registry, prices=account.prices
        )
        found = manager.sweep(dry_run=not delete)
    if as_json:
        print_json({"left_behind": [_described(orphan) for orphan in found]})
    else:
        _show(found, deleting=delete)
    if any(orphan.trouble for orphan in found):
        raise typer.Exit(TROUBLE)


def _described(orphan: Orphan) -> dict[str, Any]:
    from langchain_moonshot_cache.cli.printing import plain, seconds

    cost = orphan.cost_per_hour
    return {
        **asdict(orphan),
        "age": seconds(orphan.age),
        "expires_in": seconds(orphan.expires_in),
        "cost_per_hour": None if cost is None else plain(cost),
    }


def _show(found: list[Orphan], *, deleting: bool) -> None:
    from langchain_moonshot_cache.cli.printing import (
        amount,
        count,
        duration,
        print_table,
        screen,
    )

    console = screen()
    if not found:
        console.print("Nothing was left behind.")
        return
    rows = [
        (
            orphan.cache_id,
            (orphan.trouble or "deleted") if deleting else "left behind",
            count(orphan.tokens),
            duration(orphan.age),
            duration(orphan.expires_in),
            amount(orphan.cost_per_hour),
        )
        for orphan in found
    ]
    names = ("id", "outcome", "tokens", "age", "ends in", f"{found[0].currency}/h")
    print_table(console, names, rows, figures=4)
    if not deleting:
        console.print("Nothing was deleted; sweep --delete does that.")
