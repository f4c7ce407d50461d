"""Many processes ask at once for the same new prefixes; each is paid for once."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import pytest
from faults_kit import SHARED_KINDS, child, empty_registry

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_moonshot_cache.testing import MoonshotServer

PREFIXES = 100


@pytest.mark.parametrize("kind", SHARED_KINDS)
@pytest.mark.parametrize(
    "processes",
    [
        2,
        8,
        pytest.param(16, marks=[pytest.mark.faults, pytest.mark.timeout(300)]),
        pytest.param(32, marks=[pytest.mark.faults, pytest.mark.timeout(300)]),
    ],
)
def test_a_prefix_is_created_once_however_many_processes_ask(
    moonshot_server: MoonshotServer, kind: str, processes: int, tmp_path: Path
) -> None:
    registry = empty_registry(kind, tmp_path)
    moonshot_server.configure(ready_after=0.0)
    racers = child(
        "race", moonshot_server.base_url, registry, str(processes), str(PREFIXES)
    )
    told, trouble = racers.communicate()
    assert (racers.returncode, trouble) == (0, "")
    got = defaultdict(list)
    for line in told.splitlines():
        number, cache_id = line.split(maxsplit=1)
        got[int(number)].append(cache_id)
    assert moonshot_server.creates() == PREFIXES
    living = {cache["id"] for cache in moonshot_server.caches()}
    assert {ids[0] for ids in got.values()} == living
    for ids in got.values():
        assert ids == ids[:1] * processes
