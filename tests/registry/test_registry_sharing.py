"""Many threads, many processes, and forks."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING

import pytest
from registry_kit import KINDS, SHARED_KINDS, child, place, shared_redis

from langchain_moonshot_cache.registry import Entry, SqliteRegistry

if TYPE_CHECKING:
    from pathlib import Path

THREADS = 16
PROCESSES = 8
KEYS = 40


def url_of(kind: str, directory: Path) -> str:
    """Name an empty registry, which other processes can be told of."""
    if kind == "redis":
        redis = shared_redis()
        redis.stop()  # it keeps nothing: what other tests left is gone
        redis.start()
        return redis.patient_url
    return place(kind, directory).url


@pytest.mark.parametrize("kind", KINDS)
def test_sixteen_threads_claim_and_one_wins_each_key(kind: str, tmp_path: Path) -> None:
    registry = place(kind, tmp_path).make(lambda: 0.0)
    start = Barrier(THREADS)

    def claim_all(owner: str) -> list[str]:
        start.wait()
        keys = [f"key-{number}" for number in range(KEYS)]
        return [k for k in keys if registry.claim(k, owner=owner, lease=9.0).won]

    with ThreadPoolExecutor(THREADS) as threads:
        won = list(threads.map(claim_all, [f"owner-{n}" for n in range(THREADS)]))
    assert sorted(key for keys in won for key in keys) == sorted(
        f"key-{number}" for number in range(KEYS)
    )
    registry.close()


@pytest.mark.parametrize("kind", SHARED_KINDS)
def test_eight_processes_claim_and_one_wins_each_key(kind: str, tmp_path: Path) -> None:
    url = url_of(kind, tmp_path)
    claimers = child("claim", url, str(PROCESSES), str(KEYS))
    won, trouble = claimers.communicate()
    assert (claimers.returncode, trouble) == (0, "")
    assert sorted(won.split()) == sorted(f"key-{number}" for number in range(KEYS))


@pytest.mark.parametrize("kind", SHARED_KINDS)
def test_a_fork_takes_nothing_from_the_parent_and_both_go_on(
    kind: str, tmp_path: Path
) -> None:
    process = child("fork", url_of(kind, tmp_path))
    told, _ = process.communicate()
    assert process.returncode == 0
    assert json.loads(told) == {
        "status": 0,
        "tokens": 1,
        "others": 1,
        "recorded": True,
    }


@pytest.mark.parametrize("kind", SHARED_KINDS)
def test_a_registry_that_nobody_closed_ends_without_a_warning(
    kind: str, tmp_path: Path
) -> None:
    process = child("lose", url_of(kind, tmp_path))
    assert process.communicate() == ("", "")
    assert process.returncode == 0


def test_a_lookup_does_not_wait_for_a_writer(tmp_path: Path) -> None:
    registry = SqliteRegistry(tmp_path / "registry.sqlite")
    registry.record(Entry(key="key", tokens=1))
    with registry._database.writing():
        # A writer of this process and, to a reader, of any other.
        assert registry.lookup("key") == Entry(key="key", tokens=1)
    registry.close()
