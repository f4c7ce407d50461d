"""After the call: what using a cache taught about it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from langchain_moonshot_cache.errors import RegistryError
from langchain_moonshot_cache.lifecycle import breaker
from langchain_moonshot_cache.lifecycle.effects import Flow, Hold, Lookup, Record, do
from langchain_moonshot_cache.lifecycle.judging import doubted

if TYPE_CHECKING:
    from langchain_moonshot_cache.lifecycle.entry import Entry

__all__ = ["hold", "refused", "renewed"]


def renewed(entry: Entry, *, expires_at: float) -> Flow[Entry]:
    """Note that a call moved the end of the cache's life.

    Returns:
        The entry with its new end, also where the registry could not take it: then
        the others merely ask the server earlier than they need to.
    """
    later = replace(entry, expires_at=expires_at, failures=0, note="")
    try:
        known = yield from do(Lookup(entry.key))
        if known is not None and _moves(known, entry, expires_at=expires_at):
            told = replace(
                later, fence=known.fence, gaps=known.gaps, used_at=known.used_at
            )
            yield from do(Record(told))
    except Exception:  # noqa: BLE001 - the call has its answer; nothing may spoil it
        return later
    return later


def _moves(known: Entry, entry: Entry, *, expires_at: float) -> bool:
    """Tell whether what the registry knows gives way to the new end.

    Meanwhile somebody may have found the cache gone, or have renewed it further. A
    renewal can also bring the end nearer, so an end that nobody moved gives way.
    """
    if known.cache_id != entry.cache_id:
        return False
    return known.expires_at == entry.expires_at or known.expires_at < expires_at


def refused(entry: Entry) -> Flow[None]:
    """Note that the server refused a reference to the cache.

    Why it did is not known, so the cache is doubted rather than forgotten: whoever
    needs it next asks the server, and only a cache that is gone is paid for again.
    Refusals in a row end first the cache and then, for a while, the attempts.
    """
    try:
        known = yield from do(Lookup(entry.key))
        if known is None or known.cache_id != entry.cache_id:
            return
        if known.expires_at > entry.expires_at:
            # Renewed since this call read it: what was refused is history.
            return
        times = yield from breaker.refused(entry.key)
        yield from do(Record(doubted(known, times=times)))
    except Exception:  # noqa: BLE001 - as above
        return


def hold(key: str, *, holder: str, seconds: float) -> Flow[None]:
    """Say that this client uses the cache, so that nobody else deletes it."""
    try:
        yield from do(Hold(key, holder, seconds))
    except RegistryError:
        return
