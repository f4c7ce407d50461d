"""What calls and caches cost, added up: the ledger.

Reading one, for whoever shows or plots it::

    ledger = Ledger.open()                    # the default registry's; or a URL
    for row in ledger.rows(by=("day", "model"), since="2026-11-01"):
        print(row.day, row.model, row.calls, row.total, row.currency)

``rows`` groups by any of ``day``, ``model``, ``prefix``, ``tag``, ``mechanism`` and
``outcome``, always by currency as well, and gives :class:`Row` objects: tokens and
calls are whole numbers, amounts are ``Decimal``. ``row.total`` is ``row.cost`` (the
calls) + ``row.creation`` + ``row.storage`` (named caches, so far; ``storage_at_most``
is what they come to if they run to their end); ``row.uncached`` is what the same calls
would have cost without caches and ``row.saved`` the difference. Where
``row.complete`` is False the amounts are a lower bound: ``cost_unknown`` calls have no
known cost. What named caches cost stands under the family as model, and under the
outcome ``caches``.

``total(currency=None)`` is one such row over everything, an error where there are
several currencies; ``totals()`` are sums by model; ``to_json`` and ``to_csv`` take the
same arguments as ``rows``; ``caches()`` gives each named cache's life with
``bill(now=...)``. ``with ledger.track(tag="nightly") as bill:`` gives an object that is
read in the same way, of what is spent in the block.

``ledger.watch(observer)`` shows each call to a function as it is recorded.
:mod:`~langchain_moonshot_cache.ledger.otel` has one that tells OpenTelemetry, and
:func:`langsmith_usage` puts a call into LangSmith's terms.
"""

from langchain_moonshot_cache.ledger.entries import CallEntry, Renewal
from langchain_moonshot_cache.ledger.exports import langsmith_usage
from langchain_moonshot_cache.ledger.ledger import (
    Ledger,
    beside,
    checked_tag,
)
from langchain_moonshot_cache.ledger.rows import HEADS, Row
from langchain_moonshot_cache.ledger.statement import Statement, Totals
from langchain_moonshot_cache.ledger.store import Batch, Change, MemoryStore, Store

__all__ = [
    "HEADS",
    "Batch",
    "CallEntry",
    "Change",
    "Ledger",
    "MemoryStore",
    "Renewal",
    "Row",
    "Statement",
    "Store",
    "Totals",
    "beside",
    "checked_tag",
    "langsmith_usage",
]
