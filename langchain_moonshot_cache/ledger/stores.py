"""Which store stands beside which registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_moonshot_cache.ledger.redis import RedisStore, RunsScripts
from langchain_moonshot_cache.ledger.sqlite import SqliteStore
from langchain_moonshot_cache.ledger.store import MemoryStore
from langchain_moonshot_cache.registry import SqliteRegistry

if TYPE_CHECKING:
    from langchain_moonshot_cache.ledger.store import Store
    from langchain_moonshot_cache.registry import Registry

__all__ = ["store_in"]


def store_in(registry: Registry) -> Store:
    """Return a store in the database of a registry, or in memory if it has none."""
    if isinstance(registry, SqliteRegistry):
        return SqliteStore(registry.database)
    if isinstance(registry, RunsScripts):
        return RedisStore(registry)
    return MemoryStore()
