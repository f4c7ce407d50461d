from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from runnable_kit import COLOURS, KINDS, Bench, Face

if TYPE_CHECKING:
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


@pytest.fixture(params=KINDS)
def bench(request: pytest.FixtureRequest, server: MoonshotServer) -> Bench:
    """Chains in front of a model of ours, and in front of a plain one."""
    return Bench(server, request.param)


@pytest.fixture
def ours(server: MoonshotServer) -> Bench:
    """Chains in front of a model of ours."""
    return Bench(server, "ours")


@pytest.fixture
def plain(server: MoonshotServer) -> Bench:
    """Chains in front of a plain ``ChatOpenAI``."""
    return Bench(server, "plain")
