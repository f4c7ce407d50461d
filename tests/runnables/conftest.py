from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from runnable_kit import KINDS, Bench

if TYPE_CHECKING:
    from langchain_moonshot_cache.testing import MoonshotServer


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain model has no option for it, and the user's own must stay as it is."""
    monkeypatch.setenv("MOONSHOT_CACHE_REGISTRY", "memory://")


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
