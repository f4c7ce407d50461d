"""Random calls against the server: the ledger equals its bill to the last digit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from registry_kit import place
from trial_kit import LOST, TOLD, Clock, Trial

from langchain_moonshot_cache import Ledger

if TYPE_CHECKING:
    from pathlib import Path

    from trial_kit import Fault

    from langchain_moonshot_cache.testing import MoonshotServer


def tried(
    server: MoonshotServer, url: str, *, seed: int, calls: int, faults: list[Fault]
) -> Trial:
    clock = Clock(server)
    ledger = Ledger.open(url, clock=clock)
    trial = Trial(server, ledger, clock, url, seed=seed, faults=faults)
    trial.run(calls)
    trial.check()
    return trial


@pytest.mark.parametrize("kind", ["memory", "sqlite", "redis"])
def test_random_calls_are_counted_as_the_server_charged_them(
    moonshot_server: MoonshotServer, tmp_path: Path, kind: str
) -> None:
    url = place(kind, tmp_path).url
    trial = tried(moonshot_server, url, seed=7, calls=50, faults=TOLD + LOST)
    assert sum(trial.kinds.values()) == 50


@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("faults", [TOLD, TOLD + LOST], ids=["told", "lost"])
@pytest.mark.parametrize("seed", range(10))
def test_ten_thousand_random_calls_are_counted_as_the_server_charged_them(
    moonshot_server: MoonshotServer, tmp_path: Path, seed: int, faults: list[Fault]
) -> None:
    url = f"sqlite:///{tmp_path}/registry.sqlite"
    trial = tried(moonshot_server, url, seed=seed, calls=500, faults=faults)
    assert trial.replays
    assert trial.kinds["failed"]
    assert bool(trial.lost_charges) == (faults != TOLD)
