"""``moonshot-cache show``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from langchain_moonshot_cache.cli.options import (
    AsJson,
    BaseUrl,
    CacheId,
    KeyFile,
    PriceFile,
    RegistryUrl,
)

if TYPE_CHECKING:
    from langchain_moonshot_cache.cli.inventory import Item
    from langchain_moonshot_cache.protocol import ContextCache

__all__ = ["show"]


def show(
    cache_id: CacheId,
    *,
    messages: Annotated[
        bool,
        typer.Option(
            "--messages",
            help="Print what its maker put into it, too: messages, tools, name, "
            "description and metadata; and the server's words on why it failed.",
        ),
    ] = False,
    base_url: BaseUrl = None,
    api_key_file: KeyFile = None,
    registry: RegistryUrl = None,
    prices: PriceFile = None,
    as_json: AsJson = False,
) -> None:
    """Show one cache: its state, whose it is, who uses it, and how to refer to it.

    Prompts are secrets: what the cache holds is counted, and printed with --messages
    only.
    """
    from langchain_moonshot_cache.cli.account import open_account
    from langchain_moonshot_cache.cli.inventory import inventory
    from langchain_moonshot_cache.cli.printing import print_json

    with open_account(
        base_url=base_url, key_file=api_key_file, registry=registry, prices=prices
    ) as account:
        (item,) = inventory(account, [account.client.get(cache_id)])
        users = item.users(account)
    facts = _facts(item, users=users)
    if as_json:
        contents = {"contents": _contents(item.cache)} if messages else {}
        print_json({**facts, **contents})
        return
    _print(item, users=users)
    if messages:
        typer.echo(json.dumps(_contents(item.cache), indent=2))


def _facts(item: Item, *, users: int | None) -> dict[str, Any]:
    from langchain_moonshot_cache.cli.inventory import described

    error = item.cache.error
    return {
        **described(item),
        "messages": len(item.cache.messages),
        "tools": len(item.cache.tools),
        "users": users,
        "error": None if error is None else error.type,
        "reference": reference(item.cache.id),
    }


def reference(cache_id: str) -> dict[str, str]:
    """Return the message that stands for a cache at the beginning of a request."""
    return {"role": "cache", "content": f"cache_id={cache_id}"}


def _contents(cache: ContextCache) -> dict[str, Any]:
    return {
        "name": cache.name,
        "description": cache.description,
        "metadata": cache.metadata,
        "messages": cache.messages,
        "tools": cache.tools,
        **({} if cache.error is None else {"failure": cache.error.message}),
    }


def _print(item: Item, *, users: int | None) -> None:
    from langchain_moonshot_cache.cli.printing import (
        UNKNOWN,
        amount,
        count,
        duration,
        print_facts,
        screen,
    )

    cache, cost = item.cache, amount(item.cost_per_hour)
    left = item.expires_in
    facts = {
        "id": cache.id,
        "status": cache.status.value,
        "error": None if cache.error is None else cache.error.type,
        "model": cache.model or UNKNOWN,
        "tokens": count(cache.tokens),
        "messages": str(len(cache.messages)),
        "tools": str(len(cache.tools)),
        "age": duration(item.age),
        "ends in": duration(left) if item.is_to_end else None,
        "ended": None if item.is_to_end else f"{duration(-(left or 0))} ago",
        "storing costs": f"{cost} {item.currency} an hour",
        "origin": item.origin.value,
        "kept for": None if users is None else f"{users} of your clients",
        "refer to it by": json.dumps(reference(cache.id)),
    }
    print_facts(screen(), {name: fact for name, fact in facts.items() if fact})
