"""Registries with one fault each, to see that the conformance kit is not blind."""

from __future__ import annotations

import sqlite3
import time
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.errors import RegistryError
from langchain_moonshot_cache.registry import Claim, Entry, MemoryRegistry
from langchain_moonshot_cache.registry.admission import admit_entry

if TYPE_CHECKING:
    from collections.abc import Iterator


class AcceptsStaleWrites(MemoryRegistry):
    def record(self, entry: Entry) -> bool:
        admit_entry(entry)
        self._entries[entry.key] = entry
        return True


class AcceptsAnyHigherFence(MemoryRegistry):
    def record(self, entry: Entry) -> bool:
        known = self._entries.get(entry.key)
        if known is not None and entry.fence > known.fence:
            self._entries[entry.key] = entry
        return super().record(entry)


class SaysNoButWrites(MemoryRegistry):
    def record(self, entry: Entry) -> bool:
        done = super().record(entry)
        self._entries[entry.key] = entry
        return done


class IgnoresLeases(MemoryRegistry):
    def claim(self, key: str, *, owner: str, lease: float) -> Claim:
        self._leases.pop(key, None)
        return super().claim(key, owner=owner, lease=lease)


class LeasesNeverEnd(MemoryRegistry):
    def _holder_of_lease(self, key: str) -> str | None:
        return self._leases.get(key, (None, 0.0))[0]


class LocksOutItsOwner(MemoryRegistry):
    def claim(self, key: str, *, owner: str, lease: float) -> Claim:
        if self.owner(key) == owner:
            return Claim(won=False, entry=self._entries[key])
        return super().claim(key, owner=owner, lease=lease)


class KeepsTheOldEndOfALease(MemoryRegistry):
    def claim(self, key: str, *, owner: str, lease: float) -> Claim:
        before = self._leases.get(key) if self.owner(key) == owner else None
        claim = super().claim(key, owner=owner, lease=lease)
        if before is not None:
            self._leases[key] = before
        return claim


class RefusedClaimsRaiseTheFence(MemoryRegistry):
    def claim(self, key: str, *, owner: str, lease: float) -> Claim:
        claim = super().claim(key, owner=owner, lease=lease)
        if not claim.won:
            entry = self._entries[key]
            self._entries[key] = replace(entry, fence=entry.fence + 1)
        return claim


class ClaimsWithoutALock(MemoryRegistry):
    def claim(self, key: str, *, owner: str, lease: float) -> Claim:
        entry = self._entries.get(key) or Entry(key=key)
        if self._holder_of_lease(key) not in {None, owner}:
            return Claim(won=False, entry=entry)
        # Let other threads come between the look and the write.
        for _ in range(100):
            time.sleep(0)
        self._entries[key] = entry = replace(entry, fence=entry.fence + 1)
        self._leases[key] = (owner, self._clock() + lease)
        return Claim(won=True, entry=entry)


class StartsFencesAnewAfterClearing(MemoryRegistry):
    def clear(self, key: str, *, cache_id: str) -> bool:
        cleared = super().clear(key, cache_id=cache_id)
        if cleared:
            self._entries[key] = Entry(key=key)
        return cleared


class ForgetsTheEntryWhenClearing(MemoryRegistry):
    def clear(self, key: str, *, cache_id: str) -> bool:
        cleared = super().clear(key, cache_id=cache_id)
        if cleared:
            del self._entries[key]
        return cleared


class ClearsWhateverIsThere(MemoryRegistry):
    def clear(self, key: str, *, cache_id: str) -> bool:
        known = self._entries.get(key)
        return super().clear(key, cache_id=(known and known.cache_id) or cache_id)


class ClearsTheLeaseToo(MemoryRegistry):
    def clear(self, key: str, *, cache_id: str) -> bool:
        cleared = super().clear(key, cache_id=cache_id)
        if cleared:
            self._leases.pop(key, None)
        return cleared


class LeavesHoldsOnAClearedCache(MemoryRegistry):
    def clear(self, key: str, *, cache_id: str) -> bool:
        holds = self._holds.get(key, {})
        cleared = super().clear(key, cache_id=cache_id)
        self._holds[key] = holds
        return cleared


class ForgetsWhatWasObserved(MemoryRegistry):
    def clear(self, key: str, *, cache_id: str) -> bool:
        cleared = super().clear(key, cache_id=cache_id)
        if cleared:
            known = self._entries[key]
            self._entries[key] = replace(known, gaps="", used_at=0.0)
        return cleared


class LetsStrangersRelease(MemoryRegistry):
    def release(self, key: str, *, owner: str) -> None:
        super().release(key, owner=self.owner(key) or owner)


class ReleasingTwiceFails(MemoryRegistry):
    def release(self, key: str, *, owner: str) -> None:
        super().release(key, owner=owner)
        if key in self._leases:
            return
        self._leases[key] = ("nobody", 0.0)
        if key in self.__dict__.setdefault("released", set()):
            raise KeyError(key)
        self.__dict__["released"].add(key)


class CountsExpiredHolds(MemoryRegistry):
    def drop(self, key: str, *, holder: str) -> int:
        self._holds[key].pop(holder, None)
        return len(self._holds[key])


class DropsTheHoldsOfOthers(MemoryRegistry):
    def drop(self, key: str, *, holder: str) -> int:
        rest = super().drop(key, holder=holder)
        self._holds.pop(key, None)
        return rest


class SharesHoldsBetweenKeys(MemoryRegistry):
    def hold(self, key: str, *, holder: str, seconds: float) -> None:
        del key
        super().hold("all", holder=holder, seconds=seconds)

    def drop(self, key: str, *, holder: str) -> int:
        del key
        return super().drop("all", holder=holder)


class MarksNeverEnd(MemoryRegistry):
    def marked(self, name: str) -> str | None:
        return self._marks.get(name, (None, 0.0))[0]


class MarksKeepTheirFirstValue(MemoryRegistry):
    def mark(self, name: str, *, value: str, seconds: float) -> None:
        kept = self.marked(name) or value
        super().mark(name, value=kept, seconds=seconds)


class CannotTakeMarksBack(MemoryRegistry):
    def unmark(self, name: str) -> None:
        """Do nothing."""


class LooksUpYesterday(MemoryRegistry):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._seen: dict[str, Entry] = {}

    def lookup(self, key: str) -> Entry | None:
        found = super().lookup(key)
        return None if found is None else self._seen.setdefault(key, found)


class RoundsTimes(MemoryRegistry):
    def record(self, entry: Entry) -> bool:
        return super().record(replace(entry, expires_at=float(int(entry.expires_at))))


class ForgetsNotes(MemoryRegistry):
    def record(self, entry: Entry) -> bool:
        return super().record(replace(entry, note=""))


class ShowsOnlyTheFirstPage(MemoryRegistry):
    def entries(self) -> Iterator[Entry]:
        return iter(list(super().entries())[:10])


class ShowsEntriesTwice(MemoryRegistry):
    def entries(self) -> Iterator[Entry]:
        return iter([*super().entries(), *super().entries()])


class GoesThroughWhatChanges(MemoryRegistry):
    def entries(self) -> Iterator[Entry]:
        return iter(self._entries.values())


class TakesAnything(MemoryRegistry):
    def record(self, entry: Entry) -> bool:
        self._entries.setdefault(entry.key, entry)
        try:
            return super().record(entry)
        except RegistryError:
            return True


class RepeatsWhatItRefuses(MemoryRegistry):
    def mark(self, name: str, *, value: str, seconds: float) -> None:
        try:
            super().mark(name, value=value, seconds=seconds)
        except RegistryError:
            raise RegistryError(f"refused {value}") from None


class ClosesOnce(MemoryRegistry):
    def close(self) -> None:
        del self._marks


class RaisesWhatIsUnderneath(MemoryRegistry):
    def marked(self, name: str) -> str | None:
        raise sqlite3.OperationalError(name)


class ForgetsOverNight(MemoryRegistry):
    def lookup(self, key: str) -> Entry | None:
        now = self._clock()
        self.__dict__.setdefault("asked", defaultdict(lambda: now))
        asked = self.__dict__["asked"][key]
        return super().lookup(key) if now - asked < 600 else None


CAUGHT_BY: dict[type[MemoryRegistry], str] = {
    LooksUpYesterday: "a_lookup_returns_what_was_recorded_last",
    RoundsTimes: "a_lookup_returns_what_was_recorded_last",
    ForgetsNotes: "a_lookup_returns_what_was_recorded_last",
    ForgetsOverNight: "a_lookup_returns_what_was_recorded_last",
    ShowsOnlyTheFirstPage: "going_through_the_entries_misses_none",
    ShowsEntriesTwice: "going_through_the_entries_misses_none",
    GoesThroughWhatChanges: "going_through_the_entries_misses_none",
    IgnoresLeases: "one_owner_at_a_time",
    RefusedClaimsRaiseTheFence: "one_owner_at_a_time",
    ClaimsWithoutALock: "of_many_claims_at_once_one_is_won",
    LocksOutItsOwner: "an_owner_may_claim_again",
    KeepsTheOldEndOfALease: "an_owner_may_claim_again",
    LeasesNeverEnd: "an_expired_lease_can_be_claimed",
    StartsFencesAnewAfterClearing: "every_won_claim_has_a_higher_fence",
    ForgetsTheEntryWhenClearing: "every_won_claim_has_a_higher_fence",
    AcceptsStaleWrites: "a_stale_write_is_rejected",
    AcceptsAnyHigherFence: "a_stale_write_is_rejected",
    SaysNoButWrites: "a_stale_write_is_rejected",
    LetsStrangersRelease: "a_release_by_a_stranger_changes_nothing",
    ReleasingTwiceFails: "a_release_by_a_stranger_changes_nothing",
    ClearsWhateverIsThere: "clearing_is_by_cache_id",
    ClearsTheLeaseToo: "clearing_is_by_cache_id",
    ForgetsWhatWasObserved: "what_was_observed_outlives_the_cache",
    LeavesHoldsOnAClearedCache: "clearing_is_by_cache_id",
    CountsExpiredHolds: "a_dropped_hold_is_gone_an_expired_one_too",
    DropsTheHoldsOfOthers: "a_dropped_hold_is_gone_an_expired_one_too",
    SharesHoldsBetweenKeys: "a_dropped_hold_is_gone_an_expired_one_too",
    MarksNeverEnd: "a_mark_is_forgotten_when_its_time_is_over",
    MarksKeepTheirFirstValue: "a_mark_is_forgotten_when_its_time_is_over",
    CannotTakeMarksBack: "a_mark_is_forgotten_when_its_time_is_over",
    TakesAnything: "text_is_refused",
    RepeatsWhatItRefuses: "text_is_refused",
    ClosesOnce: "closing_twice_is_no_error",
    RaisesWhatIsUnderneath: "trouble_is_a_registryerror",
}
"""Each mutant, and the promise that it breaks above all."""
