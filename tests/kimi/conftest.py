from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from colour_kit import COLOURS
from kimi_kit import Talk, kimi_of

if TYPE_CHECKING:
    from kimi_kit import Make

    from langchain_moonshot_cache import ChatMoonshotCached
    from langchain_moonshot_cache.testing import MoonshotServer


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
def make(server: MoonshotServer, clients: dict[str, Any]) -> Make:
    """Makes models at that server, ``kimi-k3`` unless told otherwise."""

    def make(**options: Any) -> ChatMoonshotCached:
        return kimi_of(server, **{**clients, **options})

    return make


@pytest.fixture
def llm(make: Make) -> ChatMoonshotCached:
    """A ``kimi-k3``."""
    return make()
