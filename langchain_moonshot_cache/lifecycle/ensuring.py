"""Lookup, claim, create, wait: how a prefix comes to have a cache.

Every yield is a point where the world may fail or the caller may be cancelled. The
rules that keep this from leaking anything stand in :mod:`.claiming` and :mod:`.making`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_moonshot_cache.errors import MoonshotCacheError, RegistryError
from langchain_moonshot_cache.lifecycle import breaker
from langchain_moonshot_cache.lifecycle.claiming import under_claim
from langchain_moonshot_cache.lifecycle.effects import (
    Clock,
    Flow,
    Lookup,
    Random,
    Sleep,
    do,
)
from langchain_moonshot_cache.lifecycle.judging import describe, standing
from langchain_moonshot_cache.lifecycle.making import ELSEWHERE, make
from langchain_moonshot_cache.lifecycle.settling import hold
from langchain_moonshot_cache.lifecycle.terms import Bypassed, Pending, Ready, Terms
from langchain_moonshot_cache.lifecycle.waiting import await_ready

if TYPE_CHECKING:
    from langchain_moonshot_cache.prefix import Prefix

__all__ = ["ensure"]


def ensure(prefix: Prefix, terms: Terms, *, owner: str) -> Flow[Ready | Bypassed]:
    """Get a cache for a prefix within the budget, or say why there is none.

    Args:
        prefix: What the cache is to hold.
        terms: Lifetime, budget and pauses.
        owner: Names the claims of this call; unique, chosen by the caller. The part
            before a slash names the client that holds the cache from then on.

    Returns:
        The cache, or the reason for going without. Every error ends here, also those
        that nobody foresaw: a chat call does not fail for want of a cache. Only
        cancellations pass.
    """
    try:
        outcome = yield from _ensure(prefix, terms, owner=owner)
        if isinstance(outcome, Ready):
            holder = owner.partition("/")[0]
            yield from hold(prefix.key, holder=holder, seconds=terms.hold)
    except RegistryError as error:
        return Bypassed(f"the registry is out of order: {describe(error)}")
    except MoonshotCacheError as error:
        return Bypassed(f"the caching endpoint is out of order: {describe(error)}")
    except Exception as error:  # noqa: BLE001 - see above: fail open
        return Bypassed(f"caching failed unexpectedly: {type(error).__name__}")
    return outcome


def _ensure(prefix: Prefix, terms: Terms, *, owner: str) -> Flow[Ready | Bypassed]:
    deadline = (yield from do(Clock())).elapsed + terms.wait
    pause = terms.first_pause
    while True:
        entry = yield from do(Lookup(prefix.key))
        now = yield from do(Clock())
        known = standing(entry, terms, now=now.wall)
        if isinstance(known, Pending):
            return (yield from await_ready(known, terms, until=deadline, pause=0.0))
        outcome = known or (yield from _claim_and_make(prefix, terms, owner=owner))
        if isinstance(outcome, Pending):
            return (yield from await_ready(outcome, terms, until=deadline, pause=pause))
        if outcome is not None:
            return outcome
        now = yield from do(Clock())
        if now.elapsed + pause > deadline:
            return ELSEWHERE
        yield from do(Sleep(pause * (0.5 + (yield from do(Random())) / 2)))
        pause = min(pause * 2, terms.longest_pause)


def _claim_and_make(
    prefix: Prefix, terms: Terms, *, owner: str
) -> Flow[Ready | Bypassed | Pending | None]:
    """Make the cache if the claim is won; None if somebody else holds it."""
    if blocked := (yield from breaker.blocked(prefix.key)):
        return Bypassed(blocked)
    return (
        yield from under_claim(
            prefix.key,
            lambda entry: make(prefix, terms, owner=owner, entry=entry),
            owner=owner,
            lease=terms.lease,
        )
    )
