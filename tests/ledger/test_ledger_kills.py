"""Processes are killed in the midst of calls; what came back to them is counted."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ledger_children import NAMES

from langchain_moonshot_cache import Ledger
from langchain_moonshot_cache.server import StandIn
from langchain_moonshot_cache.testing import MoonshotServer

if TYPE_CHECKING:
    from collections.abc import Iterator

SEED = 20240807
CHILDREN = Path(__file__).with_name("ledger_children.py")


@pytest.fixture(scope="module")
def nursery() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, str(CHILDREN)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process  # it ends with its input


def let_two_be_killed(
    nursery: subprocess.Popen[str], server: MoonshotServer, directory: Path, seed: int
) -> None:
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    nursery.stdin.write(f"{server.base_url} {directory} {seed}\n")
    nursery.stdin.flush()
    assert nursery.stdout.readline() == "dead\n"


def said_by(directory: Path, name: str) -> list[tuple[Decimal, str | None]]:
    lines = (directory / f"{name}.said").read_text("ascii").splitlines()
    return [(Decimal(cost), cache) for cost, cache in map(json.loads, lines)]


def what_is_wrong(server: MoonshotServer, directory: Path) -> list[str]:
    """Compare the ledger with the server's bill, up to what came back."""
    ledger, wrong = Ledger.open(f"sqlite:///{directory}/registry.sqlite"), []
    costs = {name: Decimal(0) for name in NAMES}
    calls = dict.fromkeys(NAMES, 0)
    for row in ledger.rows(by="tag"):
        if row.tag in costs:
            costs[row.tag] += row.cost
            calls[row.tag] += row.calls
    lives = {life.cache_id: life for life in ledger.caches()}
    for name in NAMES:
        said = said_by(directory, name)
        lines = server.bill(f"sk-{name}").lines
        charged = [Decimal(li["amount"]) for li in lines if li["kind"] == "chat"]
        if [cost for cost, _ in said] != charged[: len(said)]:
            wrong.append(f"{name} was told other costs than were charged")
        # The call in which it was killed may be counted, and may be charged.
        if not len(said) <= calls[name] <= len(said) + 1:
            wrong.append(f"{name}: {len(said)} came back, {calls[name]} are counted")
        if costs[name] != sum(charged[: calls[name]]):
            wrong.append(f"{name}: {costs[name]} counted, charged were {charged}")
        for line in lines:
            life = lives.get(str(line.get("cache_id")))
            if line["kind"] == "creation" and life is not None:
                bill = life.bill(now=0)
                if bill is None or bill.creation != Decimal(line["amount"]):
                    wrong.append(f"{name}: {line} was counted as {bill}")
        unknown = {cache for _, cache in said if cache} - lives.keys()
        wrong += [f"{name} used {cache}, which is not counted" for cache in unknown]
    ledger.close()
    left = list(directory.glob("registry.sqlite-ledger-*"))
    return wrong + [f"left behind: {file.name}" for file in left]


def kill(nursery: subprocess.Popen[str], directory: Path, trials: range) -> int:
    came_back = 0
    for trial in trials:
        place = directory / str(trial)
        place.mkdir()
        with StandIn() as stand_in:
            server = MoonshotServer(stand_in.url)
            server.configure(ready_after=0.0)
            let_two_be_killed(nursery, server, place, SEED + trial)
            came_back += sum(len(said_by(place, name)) for name in NAMES)
            wrong = what_is_wrong(server, place)
        assert not wrong, f"seed {SEED}, trial {trial}: {wrong}"
    return came_back


def test_what_came_back_before_a_kill_is_counted_to_the_last_digit(
    nursery: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert kill(nursery, tmp_path, range(3))


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_what_came_back_before_two_hundred_kills_is_counted_to_the_last_digit(
    nursery: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert kill(nursery, tmp_path, range(3, 103)) > 500
