"""What a cache without an owner is, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from langchain_moonshot_cache.economics import PriceBook
    from langchain_moonshot_cache.lifecycle import Swept

__all__ = ["Orphan", "orphans"]

_MINUTES = 60
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Orphan:
    """A living cache that carries our metadata and that nobody owns.

    Attributes:
        cache_id: Its id on the server.
        fingerprint: Digest of its prefix.
        tokens: Tokens that it holds; None if the server did not say.
        age: Seconds since it was created; None if the server did not say.
        expires_in: Seconds until it ends by itself; None if the server did not say.
        cost_per_hour: Price of storing it; None if no price or size is known.
        currency: Currency of that price.
        deleted: Whether the sweep deleted it.
        trouble: Why it could not be deleted, if it could not.
    """

    cache_id: str
    fingerprint: str
    tokens: int | None
    age: float | None
    expires_in: float | None
    cost_per_hour: Decimal | None
    currency: str
    deleted: bool
    trouble: str | None


def orphans(
    found: Sequence[Swept], *, prices: PriceBook, currency: str, now: float
) -> list[Orphan]:
    """Describe what a sweep found.

    Args:
        found: Outcome of the flow.
        prices: Tells what storing them costs.
        currency: The account's currency.
        now: Unix seconds of the server's clock.
    """
    today = datetime.now(tz=UTC).date()
    described = []
    for swept in found:
        seen, created = swept.stray.seen, swept.stray.created_at
        price = prices.named(seen.model or "", currency=currency, on=today)
        cost = None
        if price is not None and seen.tokens is not None:
            cost = seen.tokens * price.storage_minute * _MINUTES / _MILLION
        described.append(
            Orphan(
                cache_id=seen.cache_id,
                fingerprint=swept.stray.key,
                tokens=seen.tokens,
                age=None if created is None else max(now - created, 0.0),
                expires_in=None if seen.expires_at is None else seen.expires_at - now,
                cost_per_hour=cost,
                currency=currency,
                deleted=swept.deleted,
                trouble=swept.trouble,
            )
        )
    return described
