"""The caching API and chat in front of an engine that runs a model.

`create_gateway` makes the application around any `Engine`; `Upstream` is the engine
that is asked over HTTP. In a program or a test, `Gateway` serves in a thread; on the
command line it is ``moonshot-cache serve --upstream URL``.
"""

from __future__ import annotations

from langchain_moonshot_cache.server.gateway.app import create_gateway
from langchain_moonshot_cache.server.gateway.running import Gateway, serve_gateway
from langchain_moonshot_cache.server.gateway.settings import GatewaySettings
from langchain_moonshot_cache.server.gateway.upstream import Upstream, UpstreamSettings

__all__ = [
    "Gateway",
    "GatewaySettings",
    "Upstream",
    "UpstreamSettings",
    "create_gateway",
    "serve_gateway",
]
