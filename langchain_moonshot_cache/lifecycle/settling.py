"""After the call: what using a cache taught about it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from langchain_moonshot_cache.errors import RegistryError
from langchain_moonshot_cache.lifecycle.effects import Clear, Flow, Record, do

if TYPE_CHECKING:
    from langchain_moonshot_cache.lifecycle.entry import Entry

__all__ = ["refused", "renewed"]


def renewed(entry: Entry, *, expires_at: float) -> Flow[Entry]:
    """Note that a call moved the end of the cache's life.

    Returns:
        The entry with its new end, also where the registry could not take it: then
        the others merely ask the server earlier than they need to.
    """
    later = replace(entry, expires_at=expires_at)
    try:
        yield from do(Record(later))
    except RegistryError:
        return later
    return later


def refused(entry: Entry) -> Flow[None]:
    """Note that the server does not know the cache (any more)."""
    if entry.cache_id is None:
        return
    try:
        yield from do(Clear(entry.key, entry.cache_id))
    except RegistryError:
        return
