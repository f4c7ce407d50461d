"""The caches of an account: what the server says, joined with what a registry knows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.cli.printing import plain, remark, seconds
from langchain_moonshot_cache.economics import cache_bill
from langchain_moonshot_cache.errors import RegistryError
from langchain_moonshot_cache.manager.metadata import FINGERPRINT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from langchain_moonshot_cache.cli.account import Account
    from langchain_moonshot_cache.protocol import ContextCache
    from langchain_moonshot_cache.registry import Entry

__all__ = ["Item", "Origin", "described", "inventory"]

_NOBODY = "moonshot-cache"
"""No client holds a cache under this name, so ending its hold changes nothing."""

_HOUR = 3600


class Origin(StrEnum):
    """Whose a cache is."""

    OURS = "ours"
    """This package made it, and the registry knows it."""
    ELSEWHERE = "elsewhere"
    """This package made it, and the registry does not know it: a client with another
    registry did, or one that was forgotten."""
    FOREIGN = "foreign"
    """Something else made it."""
    UNREADABLE = "ours?"
    """This package made it; the registry could not be read."""


@dataclass(frozen=True, slots=True)
class Item:
    """A cache of the account.

    Attributes:
        cache: As the server describes it.
        origin: Whose it is.
        entry: What the registry knows; None if nothing.
        age: Seconds since it was created; None if the server did not say.
        expires_in: Seconds until it ends, negative afterwards; None if the server did
            not say.
        cost_per_hour: Price of storing it, 0 once it is over; None if no price or size
            is known.
        currency: Currency of that price.
    """

    cache: ContextCache
    origin: Origin
    entry: Entry | None
    age: float | None
    expires_in: float | None
    cost_per_hour: Decimal | None
    currency: str

    @property
    def is_to_end(self) -> bool:
        """Whether its end lies ahead, or is not known."""
        return self.expires_in is None or self.expires_in > 0

    def users(self, account: Account) -> int | None:
        """Count those for whom it is kept, by their own word; None if unknown."""
        if self.entry is None:
            return None
        try:
            # The contract has no question for it, but ending a hold tells the others.
            return account.registry.drop(self.entry.key, holder=_NOBODY)
        except RegistryError:
            return None


def inventory(account: Account, caches: Iterable[ContextCache]) -> list[Item]:
    """Join caches with the registry. One that cannot be read is a remark, no failure.

    Args:
        account: Whose they are.
        caches: As the server described them.
    """
    listed = list(caches)
    entries = _entries(account)
    return [_item(account, cache, entries) for cache in listed]


def _entries(account: Account) -> dict[str, Entry] | None:
    """Return what the registry knows, by cache id; None if it cannot be read."""
    try:
        return {
            entry.cache_id: entry
            for entry in account.registry.entries()
            if entry.cache_id is not None
        }
    except RegistryError as error:
        remark(f"moonshot-cache: {error}")
        return None


def _item(
    account: Account, cache: ContextCache, entries: dict[str, Entry] | None
) -> Item:
    now = account.now()
    entry = None if entries is None else entries.get(cache.id)
    ended = cache.expired_at
    return Item(
        cache=cache,
        origin=_origin(cache, entry, readable=entries is not None),
        entry=entry,
        age=None if cache.created_at is None else max(now - cache.created_at, 0.0),
        expires_in=None if ended is None else ended - now,
        cost_per_hour=_cost(account, cache),
        currency=account.currency,
    )


def _origin(cache: ContextCache, entry: Entry | None, *, readable: bool) -> Origin:
    if entry is not None:
        return Origin.OURS
    if FINGERPRINT not in cache.metadata:
        return Origin.FOREIGN
    return Origin.ELSEWHERE if readable else Origin.UNREADABLE


def _cost(account: Account, cache: ContextCache) -> Decimal | None:
    if not cache.is_live:
        return Decimal(0)
    today = datetime.now(tz=UTC).date()
    price = account.prices.named(cache.model or "", currency=account.currency, on=today)
    if price is None or cache.tokens is None:
        return None
    bill = cache_bill(
        cache.tokens, seconds=_HOUR, price=price, currency=account.currency
    )
    return bill.storage


def described(item: Item) -> dict[str, Any]:
    """Write a cache in JSON's types, without anything that its maker wrote into it."""
    cache, entry = item.cache, item.entry
    cost = item.cost_per_hour
    return {
        "id": cache.id,
        "status": cache.status.value,
        "model": cache.model,
        "tokens": cache.tokens,
        "created_at": cache.created_at,
        "expired_at": cache.expired_at,
        "age": seconds(item.age),
        "expires_in": seconds(item.expires_in),
        "origin": item.origin.name.lower(),
        "fingerprint": None if entry is None else entry.key,
        "cost_per_hour": None if cost is None else plain(cost),
        "currency": item.currency,
    }
