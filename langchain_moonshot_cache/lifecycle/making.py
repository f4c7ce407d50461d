"""Making a cache while the claim is held: revive, adopt or create.

An intent is recorded before the create, so a cache whose maker died is looked for
before another one is paid for. From then on the entry either names the cache or says
that one may exist: only the server's answer to a create ends the intent.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from langchain_moonshot_cache.errors import (
    InvalidRequestError,
    MoonshotCacheError,
    NotFoundError,
    RegistryError,
)
from langchain_moonshot_cache.lifecycle import breaker
from langchain_moonshot_cache.lifecycle.effects import (
    Clock,
    Create,
    Delete,
    Find,
    Flow,
    Lookup,
    Poll,
    Record,
    Renew,
    Seen,
    do,
)
from langchain_moonshot_cache.lifecycle.entry import Entry, State
from langchain_moonshot_cache.lifecycle.failing import note_failure
from langchain_moonshot_cache.lifecycle.judging import (
    as_seen,
    failed,
    put_off,
    refused_repeatedly,
    standing,
)
from langchain_moonshot_cache.lifecycle.terms import Bypassed, Pending, Ready, Terms

if TYPE_CHECKING:
    from langchain_moonshot_cache.prefix import Prefix

__all__ = ["ELSEWHERE", "make"]

ELSEWHERE = Bypassed("another worker is creating the cache", pending=True)


def make(
    prefix: Prefix, terms: Terms, *, owner: str, entry: Entry
) -> Flow[Ready | Bypassed | Pending]:
    """Bring a cache into being. The claim is held, and ``entry`` came with it."""
    now = (yield from do(Clock())).wall
    if known := standing(entry, terms, now=now):
        # Whoever held the claim before has made it meanwhile.
        return known
    try:
        how, seen = yield from _look_around(prefix.key, terms, entry=entry)
    except RegistryError:
        raise
    except MoonshotCacheError as error:
        return (yield from note_failure(put_off, entry, error, terms))
    if seen is not None:
        return (yield from _made(entry, seen, terms, how=how))
    return (yield from _create(prefix, terms, owner=owner, entry=entry))


def _look_around(
    key: str, terms: Terms, *, entry: Entry
) -> Flow[tuple[str, Seen | None]]:
    """Find a cache that need not be paid for: the one we know, or an orphan."""
    if entry.cache_id is not None:
        seen = yield from _revive(entry.cache_id, terms, entry=entry)
        if seen is not None:
            return "revived", seen
    if entry.state is State.CREATING:
        return "adopted", (yield from do(Find(key)))
    return "", None


def _revive(cache_id: str, terms: Terms, *, entry: Entry) -> Flow[Seen | None]:
    """Bring an expired cache back: renewals are not charged creation again."""
    try:
        seen = yield from do(Poll(cache_id))
        if seen.status == "ready" and refused_repeatedly(entry):
            # It says that it can be referenced, and cannot.
            yield from do(Delete(cache_id))
            return None
        if (yield from _wants_renewal(seen, terms)):
            seen = yield from do(Renew(cache_id, terms.ttl))
    except NotFoundError:
        return None
    except InvalidRequestError:
        # A server that does not renew. A cache that still lives is used as it is.
        return seen if seen.status == "ready" else None
    return None if seen.status == "error" else seen


def _wants_renewal(seen: Seen, terms: Terms) -> Flow[bool]:
    """Tell whether a cache is expired, or in its last seconds by the server's clock."""
    if seen.status != "ready" or seen.expires_at is None:
        return seen.status == "inactive"
    now = (yield from do(Clock())).wall
    return seen.expires_at - terms.margin <= now


def _create(
    prefix: Prefix, terms: Terms, *, owner: str, entry: Entry
) -> Flow[Ready | Bypassed | Pending]:
    """Record the intent, then create."""
    intent = replace(entry, state=State.CREATING, cache_id=None, retry_at=0.0)
    if not (yield from do(Record(intent))):
        return ELSEWHERE
    now = (yield from do(Clock())).wall
    try:
        seen = yield from do(Create(prefix, terms.ttl, owner, now + terms.lease))
    except RegistryError:
        raise
    except MoonshotCacheError as error:
        return (yield from note_failure(failed, intent, error, terms))
    return (yield from _made(intent, seen, terms, how="created"))


def _made(
    entry: Entry, seen: Seen, terms: Terms, *, how: str
) -> Flow[Ready | Bypassed | Pending]:
    """Record the cache before anything else, and then that the endpoint works."""
    now = (yield from do(Clock())).wall
    made = as_seen(entry, seen, now=now, ttl=terms.ttl)
    if not (yield from do(Record(made))):
        if how == "created":
            yield from _withdraw(seen.cache_id, key=entry.key)
        return ELSEWHERE
    yield from breaker.relieved()
    return Ready(made, how) if made.state is State.READY else Pending(made, how)


def _withdraw(cache_id: str, *, key: str) -> Flow[None]:
    """Delete a cache that came too late, unless it may have been adopted.

    The lease was outlived and a newer claim decides. Where it has settled on another
    cache, nobody will ever come back to this one.
    """
    latest = yield from do(Lookup(key))
    if latest is not None and latest.cache_id not in {None, cache_id}:
        yield from do(Delete(cache_id))
