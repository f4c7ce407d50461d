"""Writers of a SQLite registry are killed at random; nothing acknowledged is lost."""

from __future__ import annotations

import atexit
import json
import os
import selectors
import signal
import sqlite3
import time
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cache
from random import Random
from typing import TYPE_CHECKING

import pytest
from registry_children import UNKNOWN_FENCE
from registry_kit import child

from langchain_moonshot_cache.registry import Entry, SqliteRegistry, State

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

SEED = 20240701
WORKERS = ("ann", "bob")


@dataclass
class Told:
    """What a writer said until it was killed."""

    known: dict[str, Entry] = field(default_factory=dict)
    begun: Entry | None = None
    fences: list[tuple[str, int]] = field(default_factory=list)

    def hear(self, line: str) -> None:
        kind, rest = line[0], line[2:]
        if kind == "!":
            key, fence = rest.split()
            self.fences.append((key, int(fence)))
            return
        values = json.loads(rest)
        entry = Entry(**{**values, "state": State(values["state"])})
        if kind == "+":
            self.begun = entry
        else:
            self.begun = None
            self.known[entry.key] = entry

    def allows(self, key: str, found: Entry | None) -> bool:
        """Tell whether an entry is as acknowledged, or as begun and cut off."""
        known, begun = self.known.get(key), self.begun
        if found == known:
            return True
        if begun is None or begun.key != key or found is None:
            return False
        if begun.fence == UNKNOWN_FENCE:
            rose = found.fence > (known.fence if known else 0)
            return rose and replace(found, fence=UNKNOWN_FENCE) == begun
        return found == begun


@cache
def nursery() -> subprocess.Popen[str]:
    nursery = child("nursery")
    atexit.register(nursery.communicate)  # it ends with its input
    return nursery


def killed_writers(directory: Path, trial: int) -> dict[str, Told]:
    """Start the writers, kill each at a random point, and return what they said."""
    chance = Random(SEED + trial)  # noqa: S311 - a trial can be repeated
    told = {}
    with selectors.DefaultSelector() as pipes:
        for worker in WORKERS:
            pipes.register(*start(directory, worker, chance))
        while pipes.get_map():
            for key, _ in pipes.select():
                writer: Writer = key.data
                if writer.read(chance):
                    pipes.unregister(key.fileobj)
                    told[writer.name] = writer.told
    return told


def start(directory: Path, worker: str, chance: Random) -> tuple[int, int, Writer]:
    pipe = directory / f"{worker}.pipe"
    os.mkfifo(pipe)
    url = f"sqlite:///{directory}/registry.sqlite"
    born = nursery()
    assert born.stdin is not None
    assert born.stdout is not None
    born.stdin.write(f"{url} {worker} {chance.randrange(10**9)} {pipe}\n")
    born.stdin.flush()
    process = int(born.stdout.readline())
    reader = os.open(pipe, os.O_RDONLY)
    writer = Writer(worker, process, reader, lines=chance.choice([0, 1, 5, 50, 200]))
    if not writer.lines:
        writer.kill(chance, longest=0.02)  # while it opens or makes the file
    return reader, selectors.EVENT_READ, writer


@dataclass
class Writer:
    name: str
    process: int
    reader: int
    lines: int
    told: Told = field(default_factory=Told)
    rest: str = ""
    killed: bool = False

    def read(self, chance: Random) -> bool:
        """Hear what the writer has to say; True once it is dead and all is heard."""
        data = os.read(self.reader, 65_536).decode("ascii")
        if not data:
            os.close(self.reader)
            return True
        *lines, self.rest = (self.rest + data).split("\n")
        for line in lines:
            self.told.hear(line)
        self.lines -= len(lines)
        if self.lines <= 0 and not self.killed:
            self.kill(chance, longest=0.001)
        return False

    def kill(self, chance: Random, *, longest: float) -> None:
        # At any point of what the writer does meanwhile, not always after a line.
        end = time.perf_counter() + chance.random() * longest
        while time.perf_counter() < end:
            pass
        os.kill(self.process, signal.SIGKILL)
        self.killed = True


def what_is_wrong(directory: Path, told: dict[str, Told]) -> list[str]:
    """Open the file again, and compare it with what was acknowledged."""
    wrong = []
    path = directory / "registry.sqlite"
    with closing(SqliteRegistry(path, clock=lambda: time.time() + 3600)) as registry:
        found = {entry.key: entry for entry in registry.entries()}
        for worker, heard in told.items():
            mine = {key for key in found if key.startswith(worker)} | set(heard.known)
            wrong += [
                f"{key}: found {found.get(key)}, told {heard.known.get(key)}"
                for key in mine
                if not heard.allows(key, found.get(key))
            ]
        fences = [pair for heard in told.values() for pair in heard.fences]
        if len(fences) != len(set(fences)):
            wrong.append(f"a fence was given twice: {fences}")
        highest: dict[str, int] = defaultdict(int)
        for key, fence in fences:
            highest[key] = max(highest[key], fence)
        for key, fence in highest.items():
            if not (entry := found.get(key)) or entry.fence < fence:
                wrong.append(f"{key}: acknowledged fence {fence}, found {entry}")
            if not registry.claim(key, owner="heir", lease=9).won:
                wrong.append(f"{key}: the lease of the dead never ends")
    with closing(sqlite3.connect(path)) as file:
        (integrity,) = file.execute("PRAGMA integrity_check").fetchone()
    if integrity != "ok":
        wrong.append(integrity)
    return wrong


def try_to_lose_something(directory: Path, trials: range) -> None:
    acknowledged = 0
    for trial in trials:
        place = directory / str(trial)
        place.mkdir()
        told = killed_writers(place, trial)
        wrong = what_is_wrong(place, told)
        assert not wrong, f"seed {SEED}, trial {trial}: {wrong}"
        acknowledged += sum(len(heard.known) for heard in told.values())
    assert acknowledged >= len(trials)


def test_ten_kills_lose_nothing_acknowledged(tmp_path: Path) -> None:
    try_to_lose_something(tmp_path, range(10))


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_three_hundred_kills_lose_nothing_acknowledged(tmp_path: Path) -> None:
    try_to_lose_something(tmp_path, range(300))


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_five_thousand_kills_lose_nothing_acknowledged(tmp_path: Path) -> None:
    try_to_lose_something(tmp_path, range(5000))
