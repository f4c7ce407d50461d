"""What the tests of the ledger share: calls and caches to record, and places."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache import Ledger
from langchain_moonshot_cache.economics import Bill, CacheLife, Span, Usage
from langchain_moonshot_cache.ledger import CallEntry

if TYPE_CHECKING:
    from collections.abc import Callable

    from registry_kit import Place

USAGE = Usage(prompt=100, output=10, cached=60, written=0)
UNREPORTED = Usage(prompt=100, output=10, cached=None, written=None)
COST = Bill(currency="CNY", input=Decimal("0.1"), uncached=Decimal("0.3"))
NOON = 1_795_348_800
"""2026-11-22, 12:00 UTC."""
DAY = 86_400


class Days:
    """Unix seconds that a test moves by days."""

    def __init__(self) -> None:
        self.now = float(NOON)

    def __call__(self) -> float:
        return self.now

    def pass_by(self, days: float) -> None:
        self.now += days * DAY


def of(place: Place, *, clock: Callable[[], float]) -> Callable[[], Ledger]:
    """Return a function that opens ledgers in one place."""
    if place.url == "memory://":
        kept = Ledger(clock=clock)
        return lambda: kept
    return lambda: Ledger.of(place.make(clock), clock=clock)


def entry(**fields: Any) -> CallEntry:
    """Make an entry: a hit of model ``m`` for 0.1, unless told otherwise."""
    currency = fields.get("currency", COST.currency)
    bill = replace(COST, currency=currency)
    given = {"model": "m", "outcome": "hit", "usage": USAGE, "bill": bill}
    return CallEntry(**{**given, "currency": currency, **fields})


def record(ledger: Ledger, **fields: Any) -> None:
    """Record one such call."""
    ledger.record(entry(**fields))


def life(**fields: Any) -> CacheLife:
    """Make a cache of a million tokens that lives an hour from noon."""
    given = {
        "account": "a",
        "cache_id": "cache-1",
        "prefix": "p",
        "model": "family",
        "tag": "",
        "currency": "CNY",
        "tokens": 1_000_000,
        "create": Decimal(24),
        "storage_minute": Decimal(5),
        "created_at": NOON,
        "spans": (Span(NOON, NOON + 3600, NOON),),
    }
    return CacheLife(**{**given, **fields})
