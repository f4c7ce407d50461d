"""The promises of a registry, each as a function that finds out whether it is kept.

A function is given a registry and the clock that the registry measures with. It returns
if the promise is kept and raises :class:`BrokenPromiseError` if not. Its name is the
promise, as :mod:`langchain_moonshot_cache.registry.base` words it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from threading import Barrier
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from langchain_moonshot_cache.errors import RegistryError
from langchain_moonshot_cache.lifecycle import Entry, State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from langchain_moonshot_cache.registry.base import Registry

__all__ = ["PROMISES", "BrokenPromiseError", "Clock", "trouble_is_a_registryerror"]

_START = 1_800_000_000.0
"""Where the clock starts: some day in 2027. A clock that starts at 0 would hide faults
of those who keep whole unix seconds in too few digits."""

_THREADS = 16
_ROUNDS = 10
"""Claims made at once, and how often: a registry without a lock is caught in the first
few rounds."""


@dataclass
class Clock:
    """A clock that stands still until it is moved.

    Attributes:
        now: What it shows, in unix seconds.
    """

    now: float = _START

    def __call__(self) -> float:
        """Read it."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Move it."""
        self.now += seconds


class BrokenPromiseError(Exception):
    """A registry did not do what it promised; the message says what it did."""


def _expect(kept: object, otherwise: str) -> None:
    if not kept:
        raise BrokenPromiseError(otherwise)


def _key() -> str:
    return uuid4().hex


def _claimed(registry: Registry, key: str, *, owner: str = "ann") -> Entry:
    claim = registry.claim(key, owner=owner, lease=10.0)
    _expect(claim.won, "a claim on a free key was refused")
    return claim.entry


def _recorded(registry: Registry, *, cache_id: str = "cache-1") -> Entry:
    """Record the cache of a new key, and give up the lease."""
    claimed = _claimed(registry, _key())
    entry = replace(
        claimed,
        state=State.READY,
        cache_id=cache_id,
        tokens=72,
        ttl=300,
        expires_at=_START + 300.25,
        retry_at=_START + 0.5,
        failures=2,
        note="ServerError (503)",
        gaps="0a" * 16,
        used_at=_START + 0.75,
    )
    _expect(registry.record(entry), "a record under the latest fence was rejected")
    registry.release(entry.key, owner="ann")
    return entry


def a_lookup_returns_what_was_recorded_last(registry: Registry, clock: Clock) -> None:
    """Every field comes back, from the same thread and from another, at any time."""
    _expect(registry.lookup(_key()) is None, "an unknown key has an entry")
    first = _recorded(registry)
    _expect(registry.lookup(first.key) == first, "an entry came back changed")
    later = replace(first, state=State.PENDING, cache_id=None, tokens=None, ttl=None)
    registry.record(later)
    _expect(registry.lookup(first.key) == later, "a lookup is behind the last record")
    clock.advance(3600)
    with ThreadPoolExecutor(1) as threads:
        found = threads.submit(registry.lookup, first.key).result()
    _expect(found == later, "another thread, an hour later, found something else")


def going_through_the_entries_misses_none(registry: Registry, clock: Clock) -> None:
    """They come each once, also while others are written."""
    clock.advance(1)
    recorded = {entry.key: entry for entry in (_recorded(registry) for _ in range(20))}
    claimed = _claimed(registry, _key())
    found: list[Entry] = []
    for entry in registry.entries():
        found.append(entry)
        if len(found) == 1:
            _recorded(registry)
    mine = {entry.key: entry for entry in found if entry.key in recorded}
    _expect(mine == recorded, "going through the entries missed some or changed them")
    keys = [entry.key for entry in found]
    _expect(len(keys) == len(set(keys)), "an entry came twice")
    _expect(claimed in found, "an entry that was only claimed is missing")


def one_owner_at_a_time(registry: Registry, clock: Clock) -> None:
    """A refused claim leaves entry, owner and fence as they were."""
    entry = _recorded(registry)
    held = _claimed(registry, entry.key)
    clock.advance(9.5)
    refused = registry.claim(entry.key, owner="bob", lease=10.0)
    _expect(not refused.won, "a second owner was let in while the lease lasted")
    _expect(refused.entry == held, "a refused claim does not show the entry")
    _expect(registry.lookup(entry.key) == held, "a refused claim changed the entry")
    _expect(registry.owner(entry.key) == "ann", "a refused claim changed the owner")
    _expect(registry.owner(_key()) is None, "a key that nobody claimed has an owner")
    other = registry.claim(_key(), owner="bob", lease=10.0)
    _expect(other.won, "a lease on one key kept another from being claimed")
    _expect(registry.record(held), "a refused claim made the owner's write stale")


def of_many_claims_at_once_one_is_won(registry: Registry, clock: Clock) -> None:
    """Threads that start together, again and again."""
    clock.advance(1)
    start = Barrier(_THREADS)

    def claim(key: str, owner: str) -> bool:
        start.wait()
        return registry.claim(key, owner=owner, lease=10.0).won

    with ThreadPoolExecutor(_THREADS) as threads:
        for _ in range(_ROUNDS):
            key = _key()
            owners = [f"owner-{number}" for number in range(_THREADS)]
            won = list(threads.map(claim, [key] * _THREADS, owners))
            _expect(won.count(True) == 1, f"{won.count(True)} claims at once were won")
            winner = owners[won.index(True)]
            _expect(registry.owner(key) == winner, "the owner is not who won")


def an_owner_may_claim_again(registry: Registry, clock: Clock) -> None:
    """The second lease counts from the second claim, and its fence is the latest."""
    key = _key()
    first = _claimed(registry, key)
    clock.advance(6)
    again = registry.claim(key, owner="ann", lease=10.0)
    _expect(again.won, "an owner was refused by its own lease")
    _expect(again.entry.fence > first.fence, "the second claim has no fence of its own")
    clock.advance(6)
    _expect(registry.owner(key) == "ann", "the lease did not start anew")


def an_expired_lease_can_be_claimed(registry: Registry, clock: Clock) -> None:
    """From the end of the lease on, whether or not it was given back."""
    key = _key()
    _claimed(registry, key)
    clock.advance(10)
    _expect(registry.owner(key) is None, "an expired lease still has an owner")
    _claimed(registry, key, owner="bob")
    _expect(registry.owner(key) == "bob", "the new owner does not hold the lease")
    registry.release(key, owner="bob")
    _claimed(registry, key, owner="cid")


def every_won_claim_has_a_higher_fence(registry: Registry, clock: Clock) -> None:
    """After a release, after a record, after clearing, and much later."""
    entry = _recorded(registry)
    fences = [entry.fence]
    for pause in (0.0, 0.0, 3600.0):
        clock.advance(pause)
        claimed = _claimed(registry, entry.key)
        fences.append(claimed.fence)
        registry.record(replace(claimed, cache_id="cache-1"))
        _expect(registry.clear(entry.key, cache_id="cache-1"), "clearing failed")
        registry.release(entry.key, owner="ann")
    rising = all(earlier < later for earlier, later in pairwise(fences))
    _expect(rising, f"fences do not rise: {fences}")
    shown = registry.lookup(entry.key)
    _expect(shown and shown.fence == fences[-1], "a lookup shows another fence")


def a_stale_write_is_rejected(registry: Registry, clock: Clock) -> None:
    """An owner that slept through its lease cannot overwrite its successor."""
    stale = _recorded(registry)
    clock.advance(60)
    latest = _claimed(registry, stale.key, owner="bob")
    _expect(not registry.record(stale), "a stale write was accepted")
    _expect(registry.lookup(stale.key) == latest, "a rejected write changed the entry")
    ahead = replace(latest, fence=latest.fence + 1)
    _expect(not registry.record(ahead), "a fence that nobody won was accepted")
    registry.release(stale.key, owner="bob")
    _expect(registry.record(latest), "a write under the latest fence was rejected")
    registry.clear(stale.key, cache_id="cache-1")
    _expect(not registry.record(stale), "a stale write was accepted after clearing")
    unknown = Entry(key=_key(), fence=latest.fence)
    _expect(registry.record(unknown), "an entry of an unknown key was rejected")
    claimed = _claimed(registry, unknown.key)
    _expect(claimed.fence > unknown.fence, "a recorded fence was not counted on from")


def a_release_by_a_stranger_changes_nothing(registry: Registry, clock: Clock) -> None:
    """A stranger is also whoever held the lease before."""
    clock.advance(1)
    entry = _recorded(registry)
    registry.release(_key(), owner="ann")
    held = _claimed(registry, entry.key, owner="bob")
    registry.release(entry.key, owner="ann")
    _expect(registry.owner(entry.key) == "bob", "a stranger released a lease")
    _expect(registry.lookup(entry.key) == held, "a stranger's release left a trace")
    registry.release(entry.key, owner="bob")
    registry.release(entry.key, owner="bob")
    _expect(registry.owner(entry.key) is None, "a released lease still has an owner")
    _expect(registry.lookup(entry.key) == held, "releasing changed the entry")


def clearing_is_by_cache_id(registry: Registry, clock: Clock) -> None:
    """Another id clears nothing; the right one all that is about the cache."""
    entry = _recorded(registry, cache_id="cache-2")
    held = _claimed(registry, entry.key)
    registry.hold(entry.key, holder="h1", seconds=60.0)
    clock.advance(1)
    _expect(not registry.clear(_key(), cache_id="cache-2"), "cleared an unknown key")
    _expect(
        not registry.clear(entry.key, cache_id="cache-1"),
        "cleared by another cache's id",
    )
    _expect(registry.lookup(entry.key) == held, "a refused clearing changed the entry")
    _expect(registry.clear(entry.key, cache_id="cache-2"), "clearing failed")
    found = registry.lookup(entry.key) or held
    bare = Entry(
        key=entry.key, fence=held.fence, gaps=found.gaps, used_at=found.used_at
    )
    _expect(found == bare, "clearing left something behind")
    _expect(registry.owner(entry.key) == "ann", "clearing took the lease away")
    _expect(registry.drop(entry.key, holder="h2") == 0, "clearing left a hold behind")
    _expect(not registry.clear(entry.key, cache_id="cache-2"), "cleared twice")


def what_was_observed_outlives_the_cache(registry: Registry, clock: Clock) -> None:
    """Neither clearing nor another claim loses the pauses between uses."""
    entry = _recorded(registry, cache_id="cache-3")
    registry.clear(entry.key, cache_id="cache-3")
    clock.advance(60)
    claimed = _claimed(registry, entry.key, owner="bob")
    for found in (claimed, registry.lookup(entry.key) or Entry(key=entry.key)):
        _expect(found.gaps == entry.gaps, "clearing lost what was observed")
        _expect(found.used_at == entry.used_at, "clearing lost when it was used")


def a_dropped_hold_is_gone_an_expired_one_too(registry: Registry, clock: Clock) -> None:
    """What a drop returns counts the living holds of others."""
    key = _recorded(registry).key
    others = 2
    _expect(registry.drop(key, holder="h1") == 0, "there are holds that nobody made")
    registry.hold(key, holder="h1", seconds=10.0)
    registry.hold(key, holder="h2", seconds=20.0)
    registry.hold(key, holder="h3", seconds=30.0)
    registry.hold(_key(), holder="h4", seconds=60.0)
    _expect(
        registry.drop(key, holder="h3") == others, "a drop did not leave the others"
    )
    registry.hold(key, holder="h3", seconds=60.0)
    clock.advance(10)
    _expect(registry.drop(key, holder="h0") == others, "an expired hold counted")
    registry.hold(key, holder="h2", seconds=60.0)
    clock.advance(15)
    _expect(registry.drop(key, holder="h3") == 1, "a hold made anew kept its old end")
    _expect(registry.drop(key, holder="h2") == 0, "the last hold remained")


def a_mark_is_forgotten_when_its_time_is_over(registry: Registry, clock: Clock) -> None:
    """It can be read until then, replaced, and taken back."""
    name = _key()
    _expect(registry.marked(name) is None, "there is a mark that nobody made")
    registry.mark(name, value="1", seconds=10.0)
    clock.advance(9)
    _expect(registry.marked(name) == "1", "a mark was forgotten too early")
    registry.mark(name, value="2", seconds=10.0)
    clock.advance(9)
    _expect(registry.marked(name) == "2", "a mark made anew kept its old value or end")
    clock.advance(1)
    _expect(registry.marked(name) is None, "a mark outlived its time")
    registry.mark(name, value="3", seconds=10.0)
    registry.unmark(name)
    registry.unmark(name)
    _expect(registry.marked(name) is None, "a mark that was taken back remained")


_TEXT = "You are a helpful assistant."
_REFUSED: tuple[Mapping[str, Any], ...] = (
    {"key": _TEXT},
    {"key": "sk-abcdefghijklmnopqrstuvwxyz012345"},
    {"key": "月之暗面"},
    {"key": "k" * 200},
    {"key": "a\n"},
    {"cache_id": _TEXT},
    {"cache_id": ""},
    {"note": _TEXT},
    {"note": "ServerError (the prompt was: hello)"},
    {"note": "Error\n"},
    {"state": "ready to serve"},
    {"tokens": _TEXT},
    {"tokens": -1},
    {"ttl": 1.5},
    {"ttl": True},
    {"fence": None},
    {"failures": 2**63},
    {"expires_at": _TEXT},
    {"expires_at": float("nan")},
    {"retry_at": float("inf")},
    {"gaps": _TEXT},
    {"gaps": "00" * 40},
    {"used_at": float("nan")},
)


def text_is_refused(registry: Registry, clock: Clock) -> None:
    """By every door, without a word of it in the error."""
    clock.advance(1)
    key = _recorded(registry).key
    for change in _REFUSED:
        entry = replace(Entry(key=key), **change)
        _refuses(partial(registry.record, entry), next(iter(change)))
    doors: tuple[Callable[[], object], ...] = (
        lambda: registry.claim(_TEXT, owner="ann", lease=10.0),
        lambda: registry.claim(key, owner=_TEXT, lease=10.0),
        lambda: registry.claim(key, owner="ann", lease=float("nan")),
        lambda: registry.hold(key, holder=_TEXT, seconds=10.0),
        lambda: registry.hold(key, holder="h1", seconds=float("inf")),
        lambda: registry.mark(_TEXT, value="1", seconds=10.0),
        lambda: registry.mark(key, value=_TEXT, seconds=10.0),
        lambda: registry.lookup("\ud800"),
    )
    for call in doors:
        _refuses(call, "a name or a time")


def _refuses(call: Callable[[], object], what: str) -> None:
    try:
        call()
    except RegistryError as error:
        _expect(_TEXT not in str(error), "an error repeats the text that was refused")
    else:
        raise BrokenPromiseError(f"took text or nonsense for {what}")


def closing_twice_is_no_error(registry: Registry, clock: Clock) -> None:
    """Nor is closing a registry that was never used."""
    registry.close()
    clock.advance(1)
    registry.close()


def trouble_is_a_registryerror(registry: Registry, clock: Clock) -> None:
    """Whatever is asked of a registry that is out of order."""
    clock.advance(1)
    entry = Entry(key=_key())
    calls: Mapping[str, Callable[[], object]] = {
        "lookup": lambda: registry.lookup(entry.key),
        "claim": lambda: registry.claim(entry.key, owner="ann", lease=10.0),
        "record": lambda: registry.record(entry),
        "release": lambda: registry.release(entry.key, owner="ann"),
        "clear": lambda: registry.clear(entry.key, cache_id="cache-1"),
        "hold": lambda: registry.hold(entry.key, holder="h1", seconds=10.0),
        "drop": lambda: registry.drop(entry.key, holder="h1"),
        "owner": lambda: registry.owner(entry.key),
        "entries": lambda: list(registry.entries()),
        "mark": lambda: registry.mark("m", value="1", seconds=10.0),
        "marked": lambda: registry.marked("m"),
        "unmark": lambda: registry.unmark("m"),
    }
    for name, call in calls.items():
        with suppress(RegistryError):
            call()
            raise BrokenPromiseError(f"{name} succeeded, so it is not out of order")


PROMISES: Mapping[str, Callable[[Registry, Clock], None]] = {
    promise.__name__: promise
    for promise in (
        a_lookup_returns_what_was_recorded_last,
        going_through_the_entries_misses_none,
        one_owner_at_a_time,
        of_many_claims_at_once_one_is_won,
        an_owner_may_claim_again,
        an_expired_lease_can_be_claimed,
        every_won_claim_has_a_higher_fence,
        a_stale_write_is_rejected,
        a_release_by_a_stranger_changes_nothing,
        clearing_is_by_cache_id,
        what_was_observed_outlives_the_cache,
        a_dropped_hold_is_gone_an_expired_one_too,
        a_mark_is_forgotten_when_its_time_is_over,
        text_is_refused,
        closing_twice_is_no_error,
        trouble_is_a_registryerror,
    )
}
"""The checks by the names of the promises, in the order of the contract."""
