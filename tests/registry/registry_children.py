"""What other processes do to a registry in these tests: ``python FILE TASK ...``."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, TextIO

from langchain_moonshot_cache.registry import Entry, State, open_registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_moonshot_cache.registry import Registry

UNKNOWN_FENCE = 0
"""Stands for the fence of a claim whose answer nobody saw."""


def claim(url: str, processes: str, keys: str) -> None:
    """Have many processes claim each key, all at once, and say who won what."""
    gate, key_to_the_gate = os.pipe()
    for number in range(int(processes)):
        if os.fork() == 0:
            os.close(key_to_the_gate)
            os.read(gate, 1)  # returns when the last one who could write has gone
            registry = open_registry(url)
            for key in (f"key-{index}" for index in range(int(keys))):
                if registry.claim(key, owner=f"owner-{number}", lease=600.0).won:
                    os.write(1, f"{key}\n".encode())
            registry.close()
            os._exit(0)
    os.close(key_to_the_gate)
    failed = [os.wait()[1] for _ in range(int(processes))]
    sys.exit(any(failed))


def fork(url: str) -> None:
    """Use a registry on both sides of a fork, and after the child is gone."""
    registry = open_registry(url)
    before = registry.claim("key", owner="parent", lease=600.0).entry
    marks = registry.entries()
    next(marks)
    process = os.fork()
    if process == 0:
        refused = not registry.claim("key", owner="child", lease=600.0).won
        recorded = registry.record(replace(before, tokens=1))
        registry.hold("key", holder="child", seconds=600.0)
        registry.close()
        sys.exit(0 if refused and recorded else 1)
    _, status = os.waitpid(process, 0)
    after = registry.lookup("key")
    others = registry.drop("key", holder="parent")
    recorded = registry.record(replace(before, tokens=2))
    registry.close()
    told = {"status": status, "tokens": after and after.tokens, "others": others}
    sys.stdout.write(json.dumps(told | {"recorded": recorded}))


def lose(url: str) -> None:
    """Use a registry and forget to close it."""
    open_registry(url).claim("key", owner="ann", lease=600.0)


def nursery() -> None:
    """Start a writer for each line, and say its process id.

    Importing the package takes longer than all that a writer lives to do.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        url, worker, seed, pipe = line.split()
        process = os.fork()
        if process == 0:
            with Path(pipe).open("w", buffering=1, encoding="ascii") as told:
                write(url, worker, int(seed), told)
        sys.stdout.write(f"{process}\n")
        sys.stdout.flush()


def write(url: str, worker: str, seed: int, told: TextIO) -> None:
    """Change entries for ever; announce each change, and say when it is done."""
    random = Random(seed)  # noqa: S311 - chance that can be repeated
    registry = open_registry(url)
    known: dict[str, Entry] = {}
    for number in count():
        if random.random() < 0.2:
            key = f"shared-{random.randrange(3)}"
            claim = registry.claim(key, owner=worker, lease=600.0)
            if claim.won:
                told.write(f"! {key} {claim.entry.fence}\n")
                registry.release(key, owner=worker)
            continue
        entry = known.get(key := f"{worker}-{random.randrange(6)}")
        after = _next(entry or Entry(key=key), f"cache-{number}", random)
        told.write(f"+ {json.dumps(asdict(after))}\n")
        known[key] = _change(registry, entry, after, worker)
        told.write(f"= {json.dumps(asdict(known[key]))}\n")


def _next(entry: Entry, cache_id: str, random: Random) -> Entry:
    """Choose a change, and return the entry as it will be."""
    choice = random.randrange(3)
    if entry.fence == UNKNOWN_FENCE or choice == 0:
        return replace(entry, fence=UNKNOWN_FENCE)
    if entry.cache_id is not None and choice == 1:
        return Entry(key=entry.key, fence=entry.fence)
    tokens = random.randrange(10**6)
    return replace(entry, state=State.READY, cache_id=cache_id, tokens=tokens)


def _change(
    registry: Registry, entry: Entry | None, after: Entry, worker: str
) -> Entry:
    if after.fence == UNKNOWN_FENCE:
        return registry.claim(after.key, owner=worker, lease=600.0).entry
    if after.cache_id is None and entry is not None and entry.cache_id is not None:
        registry.clear(after.key, cache_id=entry.cache_id)
    else:
        registry.record(after)
    return after


if __name__ == "__main__":
    tasks: dict[str, Callable[..., None]] = {
        "claim": claim,
        "fork": fork,
        "lose": lose,
        "nursery": nursery,
    }
    tasks[sys.argv[1]](*sys.argv[2:])
