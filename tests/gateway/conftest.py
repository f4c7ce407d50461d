from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from gateway_kit import Engineroom, Gate

from langchain_moonshot_cache.server.gateway import (
    Gateway,
    GatewaySettings,
    Upstream,
    UpstreamSettings,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway_kit import Json, MakeGate

    from langchain_moonshot_cache.testing import MoonshotServer


@pytest.fixture
def make_gate(moonshot_server: MoonshotServer) -> Iterator[MakeGate]:
    """Starts gateways; before the stand-in, unless another engine is named."""
    with ExitStack() as stack:

        def make(
            *, upstream: Json | None = None, key: str = "sk-ours", **fields: Any
        ) -> Gate:
            usual: Json = {"url": moonshot_server.base_url, "key": "sk-engine"}
            engine = UpstreamSettings(**usual | (upstream or {}))
            settings = GatewaySettings(**fields)
            gateway = Gateway(settings, engine=lambda: Upstream(engine))
            stack.enter_context(gateway)
            return stack.enter_context(Gate(gateway, key=key))

        yield make


@pytest.fixture
def gate(make_gate: MakeGate) -> Gate:
    """An account at a gateway before the stand-in."""
    return make_gate()


@pytest.fixture
def engineroom() -> Iterator[Engineroom]:
    """An engine that does what a test says."""
    with Engineroom() as room:
        yield room
