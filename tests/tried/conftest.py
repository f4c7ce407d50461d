from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from tried_kit import COLOURS, KIMI, LINES, MODEL, Face, Stand, Trial

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from langchain_moonshot_cache.testing import MoonshotServer


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """All models of a script share a registry, as they do unless told otherwise."""
    monkeypatch.setenv("MOONSHOT_CACHE_REGISTRY", f"sqlite:///{tmp_path}/caches.db")


@pytest.fixture(params=COLOURS)
def face(request: pytest.FixtureRequest) -> Face:
    """Each test that asks for it runs in both colours."""
    return Face(request.param)


@pytest.fixture
def server(moonshot_server: MoonshotServer) -> MoonshotServer:
    """A server whose caches are ready at once."""
    moonshot_server.configure(ready_after=0)
    return moonshot_server


@pytest.fixture
async def clients() -> AsyncIterator[dict[str, Any]]:
    """Connections that end with the test, as options of a model.

    No TLS is spoken here, and reading the certificates takes a tenth of a second.
    """
    async with httpx2.AsyncClient(verify=False) as aio:
        with httpx2.Client(verify=False) as sync:
            yield {"http_client": sync, "http_async_client": aio}


@pytest.fixture(params=[MODEL, KIMI])
def trial(
    request: pytest.FixtureRequest, server: MoonshotServer, clients: dict[str, Any]
) -> Trial:
    """Both mechanisms, and each line that a user may change for them.

    In front of a plain model, a prompt has nothing to do where caching is automatic.
    """
    lines = LINES if request.param == MODEL else LINES[:2]
    return Trial(Stand(server, clients, name=request.param), lines)


@pytest.fixture
def named(server: MoonshotServer, clients: dict[str, Any]) -> Trial:
    """Named caches alone, and each line that a user may change for them."""
    return Trial(Stand(server, clients), LINES)


@pytest.fixture
def ours(trial: Trial) -> Trial:
    """Both mechanisms, with a model of ours."""
    return replace(trial, lines=LINES[:2])
