from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from chat_kit import COLOURS, Face
from kimi_kit import Talk, kimi_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kimi_kit import Make

    from langchain_moonshot_cache import ChatMoonshotCached
    from langchain_moonshot_cache.testing import MoonshotServer


@pytest.fixture(params=COLOURS)
def face(request: pytest.FixtureRequest) -> Face:
    """Each test that asks for it runs in both colours."""
    return Face(request.param)


@pytest.fixture(params=product(COLOURS, ("invoke", "stream")), ids="-".join)
def talk(request: pytest.FixtureRequest) -> Talk:
    """All four ways of asking."""
    return Talk(*request.param)


@pytest.fixture
def server(moonshot_server: MoonshotServer) -> MoonshotServer:
    """A server whose clock stands still."""
    moonshot_server.clock.freeze()
    return moonshot_server


@pytest.fixture
async def clients() -> AsyncIterator[dict[str, Any]]:
    """Connections that end with the test, as options of a model.

    No TLS is spoken here, and reading the certificates takes a tenth of a second.
    """
    async with httpx2.AsyncClient(verify=False) as aio:
        with httpx2.Client(verify=False) as sync:
            yield {"http_client": sync, "http_async_client": aio}


@pytest.fixture
def make(server: MoonshotServer, clients: dict[str, Any]) -> Make:
    """Makes models at that server, ``kimi-k3`` unless told otherwise."""

    def make(**options: Any) -> ChatMoonshotCached:
        return kimi_of(server, **{**clients, **options})

    return make


@pytest.fixture
def llm(make: Make) -> ChatMoonshotCached:
    """A ``kimi-k3``."""
    return make()
