"""What a registry costs: latencies, threads, a million entries, and bytes on disk.

    python benchmarks/registry.py [--entries 1000000] [--redis redis://localhost/0]

Times are wall time of single calls on an otherwise idle machine, after a warm-up.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from langchain_moonshot_cache.registry import (
    Entry,
    MemoryRegistry,
    Registry,
    SqliteRegistry,
    State,
    open_registry,
    statements,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BATCH = 10_000
"""Entries written per transaction while filling; each alone would take minutes."""
CALLS = 20_000
WRITES = 2_000
THREADS = 16
CHANCE = Random(1)  # noqa: S311 - the same sample in every run


def key_of(number: int) -> str:
    """Make a key that looks and spreads like a fingerprint."""
    return blake2b(str(number).encode(), digest_size=20).hexdigest()


def entry_of(number: int) -> Entry:
    """Make an entry as it stands there in earnest."""
    return Entry(
        key=key_of(number),
        state=State.READY,
        fence=1,
        cache_id=f"cache-{key_of(-number - 1)[:20]}",
        tokens=64_000,
        ttl=300,
        expires_at=time.time() + 300.123,
    )


def fill(registry: SqliteRegistry, entries: int) -> None:
    """Write many entries quickly, in the order of no one's keys."""
    day = int(time.time() / 86_400) + 8

    def rows(start: int) -> Iterator[tuple[object, ...]]:
        for number in range(start, min(start + BATCH, entries)):
            entry = entry_of(number)
            yield (*(getattr(entry, name) for name in statements.FIELDS), day)

    for start in range(0, entries, BATCH):
        with registry._database.writing() as file:  # noqa: SLF001 - nobody else fills
            file.executemany(statements.RECORD, rows(start))


def latencies(call: Callable[[int], object], *, calls: int, among: int) -> list[float]:
    """Time single calls on random entries, in microseconds, sorted."""
    numbers = [CHANCE.randrange(among) for _ in range(calls + 200)]
    times = []
    for number in numbers:
        start = time.perf_counter()
        call(number)
        times.append((time.perf_counter() - start) * 1e6)
    return sorted(times[200:])


def show(name: str, times: list[float]) -> None:
    """Print the percentiles of one operation."""
    cuts = (times[int(len(times) * part)] for part in (0.5, 0.99, 0.999))
    print(f"  {name:<18}" + "".join(f"{cut:>10.1f}" for cut in cuts))


def operations(name: str, registry: Registry, *, among: int) -> None:
    """Time each operation on its own."""
    print(f"\n{name}; us at p50, p99, p99.9")
    looked = latencies(
        lambda number: registry.lookup(key_of(number)), calls=CALLS, among=among
    )
    show("lookup", looked)
    writes: dict[str, Callable[[int], object]] = {
        "record": lambda n: registry.record(entry_of(n)),
        "hold": lambda n: registry.hold(key_of(n), holder="h1", seconds=300.0),
        "drop": lambda n: registry.drop(key_of(n), holder="h1"),
        "claim": lambda n: registry.claim(key_of(n), owner="ann", lease=120.0),
        "release": lambda n: registry.release(key_of(n), owner="ann"),
        "mark": lambda n: registry.mark(key_of(n), value="1", seconds=30.0),
        "marked": lambda n: registry.marked(key_of(n)),
    }
    for label, call in writes.items():
        show(label, latencies(call, calls=WRITES, among=among))


def size_and_plan(path: Path, entries: int) -> None:
    """Print what the file takes, and that a lookup is one search by key."""
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        plan = [
            row[-1]
            for row in file.execute(f"EXPLAIN QUERY PLAN {statements.LOOKUP}", ("k",))
        ]
    size = path.stat().st_size
    print(f"\nfile: {size / 2**20:.0f} MiB, {size / entries:.0f} bytes an entry")
    print(f"plan of a lookup: {'; '.join(plan)}")


def threads(path: Path, *, among: int) -> None:
    """Compare ways of sharing a file between threads, by lookups a second."""
    registry = SqliteRegistry(path)
    lock = threading.Lock()
    shared = connect(path)
    own = threading.local()

    def one_connection(key: str) -> object:
        with lock:
            return shared.execute(statements.LOOKUP, (key,)).fetchone()

    def one_each(key: str) -> object:
        if not hasattr(own, "file"):
            own.file = connect(path)
        return own.file.execute(statements.LOOKUP, (key,)).fetchone()

    print(f"\nlookups a second by {THREADS} threads, median of 5 runs")
    ways: dict[str, Callable[[str], object]] = {
        "the registry (locks, checks, entries)": registry.lookup,
        "bare: one connection and a lock": one_connection,
        "bare: one connection per thread": one_each,
    }
    for name, lookup in ways.items():
        rates = sorted(rate(lookup, among=among) for _ in range(5))
        print(f"  {name:<40}{rates[2]:>10,.0f}")
    shared.close()
    registry.close()


def connect(path: Path) -> sqlite3.Connection:
    """Open a bare connection that any thread may use."""
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


def rate(lookup: Callable[[str], object], *, among: int) -> float:
    """Return lookups a second, all threads together."""
    keys = [key_of(CHANCE.randrange(among)) for _ in range(CALLS // THREADS)]

    def work(_: int) -> None:
        for key in keys:
            lookup(key)

    with ThreadPoolExecutor(THREADS) as pool:
        start = time.perf_counter()
        list(pool.map(work, range(THREADS)))
        return len(keys) * THREADS / (time.perf_counter() - start)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--redis", help="URL of a Redis that may be written to")
    options = parser.parse_args()
    memory = MemoryRegistry()
    for number in range(1000):
        memory.record(entry_of(number))
    operations("memory, 1,000 entries", memory, among=1000)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "registry.sqlite"
        with closing(SqliteRegistry(path)) as registry:
            start = time.perf_counter()
            fill(registry, options.entries)
            taken = time.perf_counter() - start
            print(f"\nSQLite {sqlite3.sqlite_version}: filled in {taken:.0f} s")
            name = f"sqlite, {options.entries:,} entries"
            operations(name, registry, among=options.entries)
        size_and_plan(path, options.entries)
        threads(path, among=options.entries)
    if options.redis:
        with closing(open_registry(options.redis)) as shared:
            for number in range(10_000):
                shared.record(entry_of(number))
            operations("redis, 10,000 entries", shared, among=10_000)


if __name__ == "__main__":
    main()
