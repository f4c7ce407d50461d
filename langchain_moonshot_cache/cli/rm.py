"""``moonshot-cache rm``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer

from langchain_moonshot_cache.cli.options import (
    AsJson,
    BaseUrl,
    CacheIds,
    KeyFile,
    RegistryUrl,
    Yes,
)
from langchain_moonshot_cache.cli.statuses import TROUBLE
from langchain_moonshot_cache.errors import (
    MoonshotCacheError,
    NotFoundError,
    RegistryError,
)

if TYPE_CHECKING:
    from langchain_moonshot_cache.cli.account import Account
    from langchain_moonshot_cache.cli.inventory import Item

__all__ = ["rm"]


@dataclass(slots=True)
class _Outcome:
    """What became of each cache that was to be deleted."""

    deleted: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def rm(
    cache_ids: CacheIds = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="All caches of the account, foreign ones too.")
    ] = False,
    yes: Yes = False,
    base_url: BaseUrl = None,
    api_key_file: KeyFile = None,
    registry: RegistryUrl = None,
    as_json: AsJson = False,
) -> None:
    """Delete caches, after showing them and asking.

    Calls that still refer to one of them are sent once more in full. The exit status
    is 1 if a cache is unknown or could not be deleted; the others are deleted all the
    same.
    """
    from langchain_moonshot_cache.cli.account import open_account
    from langchain_moonshot_cache.cli.printing import print_json

    if everything == bool(cache_ids):
        raise typer.BadParameter("name the caches to delete, or give --all")
    outcome = _Outcome()
    with open_account(
        base_url=base_url, key_file=api_key_file, registry=registry
    ) as account:
        items = _chosen(account, cache_ids, outcome)
        if items and not yes:
            _ask(account, items)
        for item in items:
            _delete(account, item, outcome)
    if as_json:
        print_json(
            {
                "deleted": outcome.deleted,
                "unknown": outcome.unknown,
                "failed": outcome.failed,
            }
        )
    else:
        _say(outcome)
    if outcome.unknown or outcome.failed:
        raise typer.Exit(TROUBLE)


def _chosen(
    account: Account, cache_ids: list[str] | None, outcome: _Outcome
) -> list[Item]:
    """Look up what is to be deleted, each cache once."""
    from langchain_moonshot_cache.cli.inventory import inventory

    if not cache_ids:
        return inventory(account, account.client.list())
    found = []
    for cache_id in dict.fromkeys(cache_ids):
        try:
            found.append(account.client.get(cache_id))
        except NotFoundError:
            outcome.unknown.append(cache_id)
    return inventory(account, found) if found else []


def _ask(account: Account, items: list[Item]) -> None:
    """Show what is about to go; end the command unless it may."""
    for item in items:
        users = item.users(account)
        in_use = f", kept for {users} of your clients" if users else ""
        typer.echo(
            f"{item.cache.id}  {item.cache.status.value}, {item.origin.value}{in_use}",
            err=True,
        )
    number = len(items)
    caches = "this cache" if number == 1 else f"these {number} caches"
    typer.confirm(f"Delete {caches}?", abort=True, err=True)


def _delete(account: Account, item: Item, outcome: _Outcome) -> None:
    cache_id = item.cache.id
    try:
        existed = account.client.delete(cache_id)
    except MoonshotCacheError as error:
        outcome.failed[cache_id] = error.message
        return
    (outcome.deleted if existed else outcome.unknown).append(cache_id)
    _close_books(account, cache_id, inferred=not existed)
    if item.entry is not None:
        _forget(account, item.entry.key, cache_id)


def _close_books(account: Account, cache_id: str, *, inferred: bool) -> None:
    """Let the ledger charge no more storage, if it knows the cache."""
    from langchain_moonshot_cache.manager import Shared

    shared = Shared.of(account=account.client.account(), registry=account.registry)
    at = int(account.now())
    shared.ledger.changed(
        shared.endpoint, cache_id, lambda life: life.ended(at=at, inferred=inferred)
    )


def _forget(account: Account, key: str, cache_id: str) -> None:
    from langchain_moonshot_cache.cli.printing import remark

    try:
        account.registry.clear(key, cache_id=cache_id)
    except RegistryError as error:
        # Clients notice at their next call, when the reference is refused.
        remark(f"moonshot-cache: {cache_id} is deleted, and still recorded: {error}")


def _say(outcome: _Outcome) -> None:
    from langchain_moonshot_cache.cli.printing import remark

    for cache_id in outcome.deleted:
        typer.echo(f"deleted {cache_id}")
    if not (outcome.deleted or outcome.unknown or outcome.failed):
        typer.echo("No caches.")
    for cache_id in outcome.unknown:
        remark(f"moonshot-cache: your account has no cache {cache_id}: see ls")
    for cache_id, trouble in outcome.failed.items():
        remark(f"moonshot-cache: {cache_id} was not deleted: {trouble}")
