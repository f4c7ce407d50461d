"""Nothing blocks an event loop; and if something did, every test would notice."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from blocking_kit import watched
from faults_kit import MODEL, async_manager_at, empty_registry, system

from langchain_moonshot_cache.registry import SqliteRegistry, open_registry

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from langchain_moonshot_cache.testing import MoonshotServer


async def use_all(server: MoonshotServer, registry: object) -> None:
    """Look up, claim, create, hold, list, release: everything asks the registry."""
    async with async_manager_at(server, registry=registry) as caches:
        prefix = caches.prefix(model=MODEL, messages=system("lighthouses"))
        await caches.ensure(prefix, wait=10)
        await caches.sweep()
        await caches.release()


async def test_registries_of_files_and_networks_are_asked_in_threads(
    moonshot_server: MoonshotServer, tmp_path: Path
) -> None:
    for kind in ("sqlite", "redis"):
        registry = open_registry(empty_registry(kind, tmp_path))
        with watched() as blocked:
            await use_all(moonshot_server, registry)
        assert not blocked
        registry.close()


def test_a_registry_that_is_asked_on_the_loop_is_noticed(
    moonshot_server: MoonshotServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not asynchronous itself: there the watch over all such tests would object."""
    monkeypatch.setattr(SqliteRegistry, "nonblocking", True)
    registry = SqliteRegistry(tmp_path / "registry.sqlite")
    with watched() as blocked:
        asyncio.run(use_all(moonshot_server, registry))
    registry.close()
    assert any(line.startswith("sqlite3.Connection.execute") for line in blocked)
