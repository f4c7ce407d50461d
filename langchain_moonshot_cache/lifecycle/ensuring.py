"""Lookup, claim, create, wait: how a prefix comes to have a cache.

Every yield is a point where the world may fail or the caller may be cancelled. Two
rules keep that from leaking anything. The owner's name is chosen before the claim, so a
claim whose reply was lost can be given back. And an intent is recorded before the
create, so a cache whose maker died is looked for before another one is paid for.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from langchain_moonshot_cache.errors import (
    CacheFailedError,
    EndpointRetiredError,
    MoonshotCacheError,
    NotFoundError,
    RegistryError,
)
from langchain_moonshot_cache.lifecycle import breaker
from langchain_moonshot_cache.lifecycle.effects import (
    Clear,
    Clock,
    Create,
    Find,
    Flow,
    Hold,
    Lease,
    Lookup,
    Poll,
    Random,
    Record,
    Release,
    Renew,
    Seen,
    Sleep,
    do,
)
from langchain_moonshot_cache.lifecycle.entry import Entry, State
from langchain_moonshot_cache.lifecycle.judging import (
    Verdict,
    as_seen,
    describe,
    failed,
    judge,
    outcome_unknown,
)
from langchain_moonshot_cache.lifecycle.terms import Bypassed, Ready, Terms

if TYPE_CHECKING:
    from langchain_moonshot_cache.prefix import Prefix

__all__ = ["ensure", "give_back"]

ELSEWHERE = Bypassed("another worker is creating the cache", pending=True)
PENDING = Bypassed("the cache is still pending", pending=True)


def ensure(prefix: Prefix, terms: Terms, *, owner: str) -> Flow[Ready | Bypassed]:
    """Get a cache for a prefix within the budget, or say why there is none.

    Args:
        prefix: What the cache is to hold.
        terms: Lifetime, budget and pauses.
        owner: Names the claims of this call; unique, chosen by the caller.

    Returns:
        The cache, or the reason for going without. Errors of the cache, the registry
        and the endpoint end here; only cancellations pass.
    """
    try:
        outcome = yield from _ensure(prefix, terms, owner=owner)
        if isinstance(outcome, Ready):
            yield from _hold(outcome.entry, terms, holder=owner.partition("/")[0])
    except RegistryError as error:
        return Bypassed(f"the registry is out of order: {describe(error)}")
    except MoonshotCacheError as error:
        return Bypassed(f"the caching endpoint is out of order: {describe(error)}")
    return outcome


def _ensure(prefix: Prefix, terms: Terms, *, owner: str) -> Flow[Ready | Bypassed]:
    deadline = (yield from do(Clock())).elapsed + terms.wait
    pause = terms.first_pause
    while True:
        entry = yield from do(Lookup(prefix.key))
        now = yield from do(Clock())
        known = _standing(entry, terms, now=now.wall)
        if isinstance(known, Entry):
            return (yield from _await(known, terms, until=deadline, pause=0.0))
        outcome = known or (yield from _claim_and_make(prefix, terms, owner=owner))
        if isinstance(outcome, Entry):
            return (yield from _await(outcome, terms, until=deadline, pause=pause))
        if outcome is not None:
            return outcome
        now = yield from do(Clock())
        if now.elapsed + pause > deadline:
            return ELSEWHERE
        yield from do(Sleep(pause * (0.5 + (yield from do(Random())) / 2)))
        pause = min(pause * 2, terms.longest_pause)


def _standing(
    entry: Entry | None, terms: Terms, *, now: float
) -> Ready | Bypassed | Entry | None:
    """Answer from the entry alone.

    Returns:
        An outcome; or the entry, if its cache is pending; or None, if a cache has to
        be made.
    """
    if entry is None:
        return None
    match judge(entry, now=now, terms=terms):
        case Verdict.USE:
            return Ready(entry)
        case Verdict.LEAVE:
            return _left_alone(entry, now=now)
        case Verdict.AWAIT:
            return entry
        case Verdict.MAKE:
            return None


def _left_alone(entry: Entry, *, now: float) -> Bypassed:
    wait = max(entry.retry_at - now, 0.0)
    return Bypassed(
        f"creating the cache failed ({entry.note}); next attempt in {wait:.0f} s"
    )


def _claim_and_make(
    prefix: Prefix, terms: Terms, *, owner: str
) -> Flow[Ready | Bypassed | Entry | None]:
    """Make the cache if the claim is won.

    Returns:
        An outcome; or the entry of a cache that is pending now; or None if somebody
        else holds the claim.
    """
    if blocked := (yield from breaker.blocked()):
        return Bypassed(blocked)
    try:
        claim = yield from do(Lease(prefix.key, owner, terms.lease))
        if not claim.won:
            return None
        return (yield from _make(prefix, terms, owner=owner, entry=claim.entry))
    finally:
        yield from give_back(prefix.key, owner=owner)


def give_back(key: str, *, owner: str) -> Flow[None]:
    """Release a claim whatever happens; failing that, its lease ends by itself."""
    try:
        yield from do(Release(key, owner))
    except RegistryError:
        return
    except BaseException:
        # Cancelled at this very point: whether the release took effect is unknown,
        # and releasing twice is harmless.
        with suppress(RegistryError):
            yield from do(Release(key, owner))
        raise


def _make(
    prefix: Prefix, terms: Terms, *, owner: str, entry: Entry
) -> Flow[Ready | Bypassed | Entry]:
    """Create, adopt or revive the cache. The claim is held."""
    now = (yield from do(Clock())).wall
    if known := _standing(entry, terms, now=now):
        return known
    try:
        how, seen = yield from _obtain(prefix, terms, owner=owner, entry=entry)
    except MoonshotCacheError as error:
        if isinstance(error, RegistryError):
            raise
        return (yield from _note_failure(entry, error, terms))
    if seen is None:
        return ELSEWHERE
    yield from breaker.relieved()
    now = (yield from do(Clock())).wall
    made = as_seen(entry, seen, now=now, ttl=terms.ttl)
    if not (yield from do(Record(made))):
        # The lease was outlived. A newer claim decides; if it does not adopt this
        # cache, the cache ends with its lifetime, or earlier by a sweep.
        return ELSEWHERE
    return Ready(made, how) if made.state is State.READY else made


def _obtain(
    prefix: Prefix, terms: Terms, *, owner: str, entry: Entry
) -> Flow[tuple[str, Seen | None]]:
    """Find a living cache or create one; nothing if the claim was lost meanwhile."""
    if entry.cache_id is not None:
        seen = yield from _revive(entry.cache_id, terms)
        if seen is not None:
            return "revived", seen
    if entry.state is State.CREATING:
        seen = yield from do(Find(prefix.key))
        if seen is not None:
            return "adopted", seen
    intent = replace(entry, state=State.CREATING, cache_id=None, retry_at=0.0)
    if not (yield from do(Record(intent))):
        return "lost", None
    now = (yield from do(Clock())).wall
    return "created", (
        yield from do(Create(prefix, terms.ttl, owner, now + terms.lease))
    )


def _revive(cache_id: str, terms: Terms) -> Flow[Seen | None]:
    """Bring an expired cache back: renewals are not charged creation again."""
    try:
        seen = yield from do(Poll(cache_id))
        if seen.status == "inactive":
            seen = yield from do(Renew(cache_id, terms.ttl))
        elif seen.status == "ready" and seen.expires_at is not None:
            # Alive after all, or in its last seconds: by the server's own clock.
            now = (yield from do(Clock())).wall
            if seen.expires_at - terms.margin <= now:
                seen = yield from do(Renew(cache_id, terms.ttl))
    except NotFoundError:
        return None
    return None if seen.status == "error" else seen


def _note_failure(
    entry: Entry, error: MoonshotCacheError, terms: Terms
) -> Flow[Bypassed]:
    """Write down that creation failed, so that not every call tries it again."""
    now = (yield from do(Clock())).wall
    if isinstance(error, EndpointRetiredError):
        yield from breaker.retired()
    elif outcome_unknown(error):
        yield from breaker.burdened()
    note = failed(entry, error, now=now, terms=terms)
    yield from do(Record(note))
    return _left_alone(note, now=now)


def _await(
    entry: Entry, terms: Terms, *, until: float, pause: float
) -> Flow[Ready | Bypassed]:
    """Poll a pending cache until it is ready or the budget is spent.

    A call finds out at least once how things stand when the cache was pending before
    (``pause`` 0); for one just created the first look comes after a pause.
    """
    cache_id = entry.cache_id or ""
    while True:
        if pause:
            now = yield from do(Clock())
            if now.elapsed + pause > until:
                return PENDING
            yield from do(Sleep(pause))
        try:
            seen = yield from do(Poll(cache_id))
        except NotFoundError:
            yield from do(Clear(entry.key, cache_id))
            return Bypassed("the cache was deleted while it was pending")
        now = yield from do(Clock())
        if seen.status == "error":
            error = CacheFailedError(seen.error or "", error_type=seen.error)
            return (yield from _note_failure(entry, error, terms))
        if seen.status == "inactive":
            return Bypassed("the cache expired while it was pending")
        if seen.status == "ready":
            ready = as_seen(entry, seen, now=now.wall, ttl=entry.ttl or terms.ttl)
            yield from _keep(ready)
            return Ready(ready, "created" if pause else "found")
        pause = min(pause * 2, terms.longest_pause) or terms.first_pause


def _keep(entry: Entry) -> Flow[None]:
    """Tell the others; the cache can be used whether or not that works."""
    try:
        yield from do(Record(entry))
    except RegistryError:
        return


def _hold(entry: Entry, terms: Terms, *, holder: str) -> Flow[None]:
    """Say that this client uses the cache, so that nobody else releases it."""
    try:
        yield from do(Hold(entry.key, holder, float(entry.ttl or terms.ttl)))
    except RegistryError:
        return
