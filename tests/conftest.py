from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from server_kit import Api

from langchain_moonshot_cache.testing import moonshot_server, moonshot_server_factory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_moonshot_cache.testing import MoonshotServer

__all__ = ["moonshot_server", "moonshot_server_factory"]


@pytest.fixture
def api(moonshot_server: MoonshotServer) -> Iterator[Api]:
    """An account on a server whose clock stands still."""
    moonshot_server.clock.freeze()
    with Api(moonshot_server) as client:
        yield client


@pytest.fixture
def stranger(moonshot_server: MoonshotServer) -> Iterator[Api]:
    """Another account on the same server."""
    with Api(moonshot_server, key="sk-somebody-else") as client:
        yield client
