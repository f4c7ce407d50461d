"""pytest fixtures and a handle on the stand-in server.

Use the fixture by importing it, or all of them as a plugin::

    from langchain_moonshot_cache.testing import moonshot_server

    def test_my_chain(moonshot_server):
        llm = ChatMoonshotCached(
            base_url=moonshot_server.base_url, api_key=moonshot_server.api_key
        )
        llm.invoke("hello")
        assert moonshot_server.creates() == 0

The handle that it lends is a :class:`MoonshotServer`, which serves a server in another
process just as well.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

try:
    import pytest

    from .server import Settings, StandIn
    from .server.handle import (
        Bill,
        FaultKind,
        MoonshotServer,
        RecordedChat,
        RecordedRequest,
        ServerClock,
    )
except ImportError as missing:
    raise ImportError(
        "langchain_moonshot_cache.testing needs pytest and the stand-in server: "
        "pip install pytest 'langchain-moonshot-cache[server]'"
    ) from missing

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "Bill",
    "FaultKind",
    "MoonshotServer",
    "RecordedChat",
    "RecordedRequest",
    "ServerClock",
    "ServerFactory",
    "moonshot_server",
    "moonshot_server_factory",
]


class ServerFactory(Protocol):
    """Starts servers that end with the test."""

    def __call__(self, **settings: Any) -> MoonshotServer:
        """Start one; the settings are those of `server.Settings`."""


@pytest.fixture
def moonshot_server() -> Iterator[MoonshotServer]:
    """A server of its own for one test, on a free port of loopback."""
    with StandIn() as server:
        yield MoonshotServer(server.url)


@pytest.fixture
def moonshot_server_factory() -> Iterator[ServerFactory]:
    """A function that starts servers with settings of the test's choice."""
    with ExitStack() as servers:

        def start(**settings: Any) -> MoonshotServer:
            server = servers.enter_context(StandIn(Settings(**settings)))
            return MoonshotServer(server.url)

        yield start
