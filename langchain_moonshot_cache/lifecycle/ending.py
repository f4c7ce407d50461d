"""Letting go of caches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_moonshot_cache.lifecycle.effects import (
    Clear,
    Delete,
    Drop,
    Flow,
    Lease,
    do,
)
from langchain_moonshot_cache.lifecycle.ensuring import give_back

if TYPE_CHECKING:
    from langchain_moonshot_cache.lifecycle.terms import Terms

__all__ = ["release"]


def release(
    key: str, *, cache_id: str, holder: str, owner: str, terms: Terms
) -> Flow[bool]:
    """Delete a cache that nobody else uses.

    The cache is deleted on the server first and forgotten second: whoever reads the
    entry in between is refused by the server and goes on without, whereas a cache
    that was forgotten first would go on costing money if the second step failed.

    Args:
        key: Fingerprint of the prefix.
        cache_id: The cache to delete.
        holder: Name of the client that lets go.
        owner: Name for the claim.
        terms: For the length of the lease.

    Returns:
        True if the cache is gone, False if others still use it.

    Raises:
        MoonshotCacheError: The server or the registry failed; the cache may live
            until its time is over.
    """
    if (yield from do(Drop(key, holder))):
        return False
    try:
        claim = yield from do(Lease(key, owner, terms.lease))
        if not claim.won:
            return False
        yield from do(Delete(cache_id))
        yield from do(Clear(key, cache_id))
        return True
    finally:
        yield from give_back(key, owner=owner)
