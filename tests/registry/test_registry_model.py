"""Whatever is asked in whatever order, SQLite and Redis answer as memory does."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from registry_kit import SHARED_KINDS, place

from langchain_moonshot_cache.registry import Claim, Entry, MemoryRegistry, State
from langchain_moonshot_cache.registry.conformance import Clock

keys = st.sampled_from(["key-1", "key-2"])
people = st.sampled_from(["ann", "bob", "cid"])
cache_ids = st.sampled_from(["cache-1", "cache-2"])
seconds = st.integers(0, 40).map(float)
times = st.floats(0, 2e9)
counts = st.none() | st.integers(0, 2**53 - 1)

entries = st.builds(
    Entry,
    key=keys,
    state=st.sampled_from(State),
    cache_id=st.none() | cache_ids,
    tokens=counts,
    ttl=counts,
    expires_at=times,
    retry_at=times,
    failures=st.integers(0, 9),
    note=st.sampled_from(["", "ServerError (503)"]),
    gaps=st.sampled_from(["", "00ff" * 8]),
    used_at=times,
)


class Comparison(RuleBasedStateMachine):
    """Does the same with a registry and with memory, and compares.

    Fences may leave out numbers, so they are compared by what they belong to.
    """

    kind = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.clock = Clock()
        self.where = place(self.kind, Path(self.directory.name))
        self.registry = self.where.make(self.clock)
        self.other = self.where.make(self.clock)
        self.model = MemoryRegistry(clock=self.clock)
        self.fences: dict[tuple[str, int], int] = {}
        self.last: dict[str, int] = {}

    def teardown(self) -> None:
        self.registry.close()
        self.other.close()
        self.directory.cleanup()

    def as_real(self, entry: Entry | None) -> Entry | None:
        if entry is None or entry.fence == 0:
            return entry
        return replace(entry, fence=self.fences[entry.key, entry.fence])

    @rule(key=keys, owner=people, lease=seconds)
    def claim(self, key: str, owner: str, lease: float) -> None:
        expected = self.model.claim(key, owner=owner, lease=lease)
        real = self.registry.claim(key, owner=owner, lease=lease)
        if real.won:
            assert real.entry.fence > self.last.get(key, 0)
            self.last[key] = real.entry.fence
            self.fences[key, expected.entry.fence] = real.entry.fence
        assert real == Claim(expected.won, self.as_real(expected.entry) or real.entry)

    @rule(key=keys, behind=st.integers(0, 2), written=entries)
    def record(self, key: str, behind: int, written: Entry) -> None:
        known = self.model.lookup(key)
        fence = max((known.fence if known else 0) - behind, 0)
        entry = replace(written, key=key, fence=fence)
        real = self.as_real(entry)
        assert real is not None
        assert self.registry.record(real) == self.model.record(entry)

    @rule(key=keys, owner=people)
    def release(self, key: str, owner: str) -> None:
        self.model.release(key, owner=owner)
        self.registry.release(key, owner=owner)

    @rule(key=keys, cache_id=cache_ids)
    def clear(self, key: str, cache_id: str) -> None:
        expected = self.model.clear(key, cache_id=cache_id)
        assert self.registry.clear(key, cache_id=cache_id) == expected

    @rule(key=keys, holder=people, lasting=seconds)
    def hold(self, key: str, holder: str, lasting: float) -> None:
        self.model.hold(key, holder=holder, seconds=lasting)
        self.registry.hold(key, holder=holder, seconds=lasting)

    @rule(key=keys, holder=people)
    def drop(self, key: str, holder: str) -> None:
        expected = self.model.drop(key, holder=holder)
        assert self.registry.drop(key, holder=holder) == expected

    @rule(name=keys, value=people, lasting=seconds)
    def mark(self, name: str, value: str, lasting: float) -> None:
        self.model.mark(name, value=value, seconds=lasting)
        self.registry.mark(name, value=value, seconds=lasting)

    @rule(name=keys)
    def unmark(self, name: str) -> None:
        self.model.unmark(name)
        self.registry.unmark(name)

    @rule(lasting=seconds)
    def wait(self, lasting: float) -> None:
        self.clock.advance(lasting)

    @rule()
    def change_places(self) -> None:
        """Go on in what might be another process."""
        self.registry, self.other = self.other, self.registry

    @invariant()
    def everything_that_can_be_read_is_the_same(self) -> None:
        for key in ("key-1", "key-2"):
            expected = self.as_real(self.model.lookup(key))
            assert self.registry.lookup(key) == expected
            assert self.registry.owner(key) == self.model.owner(key)
            assert self.registry.marked(key) == self.model.marked(key)
        found = sorted(self.registry.entries(), key=lambda entry: entry.key)
        real = [self.as_real(entry) for entry in self.model.entries()]
        assert found == sorted(filter(None, real), key=lambda entry: entry.key)


@pytest.mark.parametrize("kind", SHARED_KINDS)
def test_it_answers_as_memory_does(kind: str) -> None:
    machine = type(kind, (Comparison,), {"kind": kind})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=40,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
