"""What the tests of the ledger share: calls to record."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.economics import Bill, Usage
from langchain_moonshot_cache.ledger import CallEntry

if TYPE_CHECKING:
    from langchain_moonshot_cache import Ledger

USAGE = Usage(prompt=100, output=10, cached=60, written=0)
UNREPORTED = Usage(prompt=100, output=10, cached=None, written=None)
COST = Bill(currency="CNY", input=Decimal("0.1"), uncached=Decimal("0.3"))


def entry(**fields: Any) -> CallEntry:
    """Make an entry: a hit of model ``m`` for 0.1, unless told otherwise."""
    given = {"model": "m", "outcome": "hit", "usage": USAGE, "bill": COST}
    return CallEntry(**{**given, "currency": "CNY", **fields})


def record(ledger: Ledger, **fields: Any) -> None:
    """Record one such call."""
    ledger.record(entry(**fields))
