"""Finding caches that nobody owns any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from langchain_moonshot_cache.errors import MoonshotCacheError
from langchain_moonshot_cache.lifecycle.claiming import under_claim
from langchain_moonshot_cache.lifecycle.effects import (
    Clear,
    Clock,
    Delete,
    Drop,
    Flow,
    Lookup,
    Stray,
    Survey,
    do,
)
from langchain_moonshot_cache.lifecycle.judging import describe

if TYPE_CHECKING:
    from langchain_moonshot_cache.lifecycle.entry import Entry
    from langchain_moonshot_cache.lifecycle.terms import Terms

__all__ = ["Swept", "sweep"]


@dataclass(frozen=True, slots=True)
class Swept:
    """A cache without a living owner.

    Attributes:
        stray: The cache.
        deleted: Whether it was deleted.
        trouble: Why it could not be, if it could not.
    """

    stray: Stray
    deleted: bool = False
    trouble: str | None = None


def sweep(*, delete: bool, owner: str, terms: Terms) -> Flow[list[Swept]]:
    """List, and delete if told, the living caches that nobody owns.

    Owned is a cache that the registry knows under its fingerprint and that a client
    holds. Owned is, too, one that is not recorded or not ready yet, as long as its
    maker's lease runs: somebody is about to use it.

    Args:
        delete: Whether to delete what is found.
        owner: Name for the claims.
        terms: For the length of the leases.

    Raises:
        MoonshotCacheError: The caches could not be listed, or the registry not read.
    """
    found: list[Swept] = []
    for stray in (yield from do(Survey())):
        if (yield from _is_owned(stray, owner=owner)):
            continue
        swept: Swept | None = Swept(stray)
        if delete:
            swept = yield from _remove(stray, owner=owner, terms=terms)
        if swept is not None:
            found.append(swept)
    return found


def _remove(stray: Stray, *, owner: str, terms: Terms) -> Flow[Swept | None]:
    try:
        return (
            yield from under_claim(
                stray.key,
                lambda entry: _delete(stray, entry, owner=owner),
                owner=owner,
                lease=terms.lease,
            )
        )
    except MoonshotCacheError as error:
        return Swept(stray, trouble=describe(error))


def _is_owned(stray: Stray, *, owner: str) -> Flow[bool]:
    entry = yield from do(Lookup(stray.key))
    recorded = entry is not None and entry.cache_id == stray.seen.cache_id
    if recorded and (yield from _is_held(stray, owner=owner)):
        return True
    if recorded and stray.seen.status != "pending":
        return False
    # About to be recorded; or recorded and waited for, since nobody holds a cache
    # before it is ready.
    now = (yield from do(Clock())).wall
    return stray.lease_until > now


def _is_held(stray: Stray, *, owner: str) -> Flow[bool]:
    """Ask for other holds by dropping one that does not exist."""
    return (yield from do(Drop(stray.key, owner))) > 0


def _delete(stray: Stray, entry: Entry, *, owner: str) -> Flow[Swept | None]:
    """Delete a cache under the claim on its prefix, if it still has no owner."""
    cache_id = stray.seen.cache_id
    recorded = entry.cache_id == cache_id
    if recorded and (yield from _is_held(stray, owner=owner)):
        return None
    yield from do(Delete(cache_id))
    if recorded:
        yield from do(Clear(stray.key, cache_id))
    return Swept(stray, deleted=True)
