"""Letting go of caches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from langchain_moonshot_cache.errors import MoonshotCacheError, RegistryError
from langchain_moonshot_cache.lifecycle.claiming import under_claim
from langchain_moonshot_cache.lifecycle.effects import Clear, Delete, Drop, Flow, do

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_moonshot_cache.lifecycle.terms import Terms

__all__ = ["Released", "release", "release_all"]


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
        True if the cache is gone, False if others still use it or are at work on it.

    Raises:
        MoonshotCacheError: The server or the registry failed; the cache may live
            until its time is over. Releasing again is safe.
    """
    if (yield from do(Drop(key, holder))):
        return False
    gone = yield from under_claim(
        key,
        lambda _: _delete(key, cache_id=cache_id),
        owner=owner,
        lease=terms.lease,
    )
    return gone is True


def _delete(key: str, *, cache_id: str) -> Flow[bool]:
    yield from do(Delete(cache_id))
    yield from do(Clear(key, cache_id))
    return True


@dataclass(slots=True)
class Released:
    """What came of letting go of several caches.

    Attributes:
        deleted: How many are gone.
        done: Keys and ids of those that need no further care: gone, or still in use
            by others.
        trouble: The last error, if there was one. What it was about is not ``done``.
    """

    deleted: int = 0
    done: list[tuple[str, str]] = field(default_factory=list)
    trouble: MoonshotCacheError | None = None


def release_all(
    made: Sequence[tuple[str, str]],
    *,
    used: Sequence[str] = (),
    holder: str,
    owner: str,
    terms: Terms,
) -> Flow[Released]:
    """Let go of several caches, all of them whatever happens to one.

    Args:
        made: Keys and ids.
        used: Keys of caches that others made. They stay, and whoever made them need
            not wait for this client any more.
        holder: Name of the client that lets go.
        owner: Name for the claims.
        terms: For the length of the leases.
    """
    outcome = Released()
    for key, cache_id in made:
        try:
            outcome.deleted += yield from release(
                key, cache_id=cache_id, holder=holder, owner=owner, terms=terms
            )
        except MoonshotCacheError as error:
            outcome.trouble = error
        else:
            outcome.done.append((key, cache_id))
    for key in used:
        yield from _drop(key, holder=holder)
    return outcome


def _drop(key: str, *, holder: str) -> Flow[None]:
    """End a hold; one that cannot be ended is over in a few minutes anyway."""
    try:
        yield from do(Drop(key, holder))
    except RegistryError:
        return
