from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from chat_kit import COLOURS, Face, model_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from langchain_moonshot_cache import ChatMoonshotCached
    from langchain_moonshot_cache.testing import MoonshotServer

    Make = Callable[..., ChatMoonshotCached]


@pytest.fixture(params=COLOURS)
def face(request: pytest.FixtureRequest) -> Face:
    """Each test that asks for it runs in both colours."""
    return Face(request.param)


@pytest.fixture(params=("invoke", "stream"))
def style(request: pytest.FixtureRequest) -> str:
    """How the model is called."""
    return str(request.param)


@pytest.fixture
def talk(face: Face, style: str) -> tuple[Face, str]:
    """All four ways of calling, in one."""
    return face, style


@pytest.fixture
def server(moonshot_server: MoonshotServer) -> MoonshotServer:
    """A server whose caches are ready at once."""
    moonshot_server.configure(ready_after=0)
    return moonshot_server


@pytest.fixture
async def clients() -> AsyncIterator[dict[str, Any]]:
    """Connections that end with the test, as options of a model.

    They are httpx2's, so the OpenAI client takes them and ours opens its own. No TLS
    is spoken here, and reading the certificates takes a tenth of a second.
    """
    async with httpx2.AsyncClient(verify=False) as aio:
        with httpx2.Client(verify=False) as sync:
            yield {"http_client": sync, "http_async_client": aio}


@pytest.fixture
def make(server: MoonshotServer, clients: dict[str, Any]) -> Make:
    """Makes models at that server."""

    def make(**options: Any) -> ChatMoonshotCached:
        return model_of(server, **{**clients, **options})

    return make


@pytest.fixture
def llm(make: Make) -> ChatMoonshotCached:
    """A model that caches every prefix."""
    return make()
