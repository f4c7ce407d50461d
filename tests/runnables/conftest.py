from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from runnable_kit import COLOURS, KINDS, Bench, Face

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from langchain_moonshot_cache.testing import MoonshotServer


@pytest.fixture(params=COLOURS)
def face(request: pytest.FixtureRequest) -> Face:
    """Each test that asks for it runs in both colours."""
    return Face(request.param)


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain model has no option for it, and the user's own must stay as it is."""
    monkeypatch.setenv("MOONSHOT_CACHE_REGISTRY", "memory://")


@pytest.fixture
def server(moonshot_server: MoonshotServer) -> MoonshotServer:
    """A server whose caches are ready at once."""
    moonshot_server.configure(ready_after=0)
    return moonshot_server


@pytest.fixture
async def clients() -> AsyncIterator[dict[str, Any]]:
    """Connections that end with the test, as options of a model.

    Those that LangChain opens by itself would outlive the event loop of a test. No TLS
    is spoken here, and reading the certificates takes a tenth of a second.
    """
    async with httpx2.AsyncClient(verify=False) as aio:
        with httpx2.Client(verify=False) as sync:
            yield {"http_client": sync, "http_async_client": aio}


@pytest.fixture(params=KINDS)
def bench(
    request: pytest.FixtureRequest, server: MoonshotServer, clients: dict[str, Any]
) -> Bench:
    """Chains in front of a model of ours, and in front of a plain one."""
    return Bench(server, clients, request.param)


@pytest.fixture
def ours(server: MoonshotServer, clients: dict[str, Any]) -> Bench:
    """Chains in front of a model of ours."""
    return Bench(server, clients, "ours")


@pytest.fixture
def plain(server: MoonshotServer, clients: dict[str, Any]) -> Bench:
    """Chains in front of a plain ``ChatOpenAI``."""
    return Bench(server, clients, "plain")
