"""Processes that use caches are killed at random; the next one finds all in order."""

from __future__ import annotations

import atexit
import sqlite3
from collections import Counter
from contextlib import closing
from functools import cache
from typing import TYPE_CHECKING

import pytest
from faults_children import prefix_of
from faults_kit import child, manager_at

from langchain_moonshot_cache.lifecycle import Ready
from langchain_moonshot_cache.registry import SqliteRegistry
from langchain_moonshot_cache.server import StandIn
from langchain_moonshot_cache.testing import MoonshotServer

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from langchain_moonshot_cache import ContextCacheManager

SEED = 20240701
LATER = 1000.0
"""Seconds after which every lease and every hold of the dead is over, and no cache."""


@cache
def nursery() -> subprocess.Popen[str]:
    nursery = child("nursery")
    atexit.register(nursery.communicate)  # it ends with its input
    return nursery


def let_two_be_killed(server: MoonshotServer, directory: Path, *, trial: int) -> None:
    killers = nursery()
    assert killers.stdin is not None
    assert killers.stdout is not None
    killers.stdin.write(
        f"{server.base_url} {server.api_key} {directory} {SEED + trial}\n"
    )
    killers.stdin.flush()
    assert killers.stdout.readline() == "dead\n"


def acknowledged(directory: Path) -> dict[str, str]:
    """Return the caches that workers were told of, and not about to let go.

    A prefix that was about to be let go may or may not have its cache; one that was
    ensured again after that has one.
    """
    told: dict[str, str] = {}
    for file in directory.glob("*.told"):
        for line in file.read_text("ascii").splitlines():
            sign, name, cache_id = line.split()
            if sign == "+":
                told[name] = cache_id
            else:
                told.pop(name, None)
    return told


def heir(server: MoonshotServer, directory: Path) -> ContextCacheManager:
    """Return a client that comes when the leases and holds of the dead are over."""
    server.clock.advance(LATER)
    path = directory / "registry.sqlite"
    registry = SqliteRegistry(path, clock=server.clock.now)
    caches = manager_at(server, registry=registry)
    caches.client.list()  # learns the time
    return caches


def lost(caches: ContextCacheManager, told: dict[str, str]) -> list[str]:
    """Name what was acknowledged and is not as it was told."""
    wrong = []
    for name, cache_id in told.items():
        entry = caches.shared.registry.lookup(prefix_of(caches, name).key)
        if entry is None or entry.cache_id != cache_id:
            wrong.append(f"{name}: was told {cache_id}, found {entry}")
    return wrong


def paid_twice(server: MoonshotServer, *, leases: int) -> list[str]:
    """Name the prefixes with more living caches than one and one per expired lease."""
    names: Counter[str] = Counter(
        cache["messages"][0]["content"] for cache in server.caches()
    )
    return [f"{name}: {n} caches" for name, n in names.items() if n > 1 + leases]


def what_is_wrong(
    server: MoonshotServer, directory: Path, found: Counter[str]
) -> list[str]:
    """Look at what the dead left, go on in their place, and sweep up after them.

    How the heir came by its caches is added to ``found``.
    """
    told = acknowledged(directory)
    caches = heir(server, directory)
    wrong = lost(caches, told)
    # Nobody came back for the intents of the dead yet, so there is no second cache.
    wrong += paid_twice(server, leases=0)
    for name in sorted({*told, *(f"shared-{n}" for n in range(4))}):
        outcome = caches.ensure(prefix_of(caches, name))
        if not isinstance(outcome, Ready):
            wrong.append(f"{name}: the heir gets {outcome}")
            continue
        found[outcome.how] += 1
        if name in told and outcome.entry.cache_id != told[name]:
            wrong.append(f"{name}: made anew, although it lives")
    # What the dead began was found and adopted: still no second one.
    wrong += paid_twice(server, leases=0)
    wrong += left_by_a_sweep(server, caches)
    caches.client.close()
    caches.shared.registry.close()
    with closing(sqlite3.connect(directory / "registry.sqlite")) as file:
        (integrity,) = file.execute("PRAGMA integrity_check").fetchone()
    return wrong if integrity == "ok" else [*wrong, str(integrity)]


def left_by_a_sweep(server: MoonshotServer, caches: ContextCacheManager) -> list[str]:
    """Let the heir be gone for as long as the dead, and sweep."""
    server.clock.advance(LATER)
    listed = caches.sweep()
    swept = caches.sweep(dry_run=False)
    assert [orphan.cache_id for orphan in swept] == [o.cache_id for o in listed]
    return [f"left after the sweep: {cache['id']}" for cache in server.caches()]


def try_to_lose_something(directory: Path, trials: range) -> Counter[str]:
    told = 0
    found: Counter[str] = Counter()
    for trial in trials:
        place = directory / str(trial)
        place.mkdir()
        with StandIn() as stand_in:
            server = MoonshotServer(stand_in.url)
            server.configure(ready_after=0.0)
            let_two_be_killed(server, place, trial=trial)
            told += len(acknowledged(place))
            wrong = what_is_wrong(server, place, found)
        assert not wrong, f"seed {SEED}, trial {trial}: {wrong}"
    assert told > len(trials)
    return found


def test_ten_kills_lose_no_cache_and_pay_for_none_twice(tmp_path: Path) -> None:
    try_to_lose_something(tmp_path, range(10))


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_three_hundred_kills_lose_no_cache_and_pay_for_none_twice(
    tmp_path: Path,
) -> None:
    found = try_to_lose_something(tmp_path, range(300))
    # Some died between the create and its record, which is what the intent is for.
    assert found["adopted"]


@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_five_thousand_kills_lose_no_cache_and_pay_for_none_twice(
    tmp_path: Path,
) -> None:
    try_to_lose_something(tmp_path, range(5000))
