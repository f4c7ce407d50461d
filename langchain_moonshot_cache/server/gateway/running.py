"""Running a gateway: in a thread beside a test, or in the foreground."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import uvicorn

from langchain_moonshot_cache.server.gateway.app import create_gateway
from langchain_moonshot_cache.server.gateway.wire import GatewayProtocol
from langchain_moonshot_cache.server.serve import InThread, announce, config

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from io import RawIOBase

    from starlette.applications import Starlette

    from langchain_moonshot_cache.server.backend import Engine
    from langchain_moonshot_cache.server.gateway.settings import GatewaySettings
    from langchain_moonshot_cache.server.gateway.world import GatewayWorld

__all__ = ["Gateway", "serve_gateway"]


class Gateway(InThread):
    """A gateway in a thread of its own.

    Args:
        settings: How it behaves.
        engine: Makes the engine, at each start anew.
        access_log: Where to write a line for each request, unbuffered; None writes
            none.
    """

    protocol = GatewayProtocol

    def __init__(
        self,
        settings: GatewaySettings,
        *,
        engine: Callable[[], Engine],
        access_log: RawIOBase | None = None,
    ) -> None:
        self.settings = settings
        self._engine = engine
        self._access_log = access_log
        self.world: GatewayWorld
        super().__init__(host=settings.host, port=settings.port)

    def make_app(self) -> Starlette:
        """Return the application, with its parts made anew."""
        app = create_gateway(
            self.settings, engine=self._engine(), access_log=self._access_log
        )
        self.world = app.state.world
        return app


def serve_gateway(
    settings: GatewaySettings,
    *,
    engine: Engine,
    listener: socket.socket,
    greeting: str,
    access_log: RawIOBase | None = None,
) -> None:
    """Serve in the foreground until told to stop; calls that are running end first.

    Args:
        settings: How the gateway behaves.
        engine: What answers.
        listener: The socket, listening already.
        greeting: A line for standard output once the state is open.
        access_log: Where to write a line for each request, unbuffered; None writes
            none.

    Raises:
        StoreError: If the state cannot be used.
    """
    app = create_gateway(settings, engine=engine, access_log=access_log)
    asyncio.run(_serve(app, settings, listener=listener, greeting=greeting))


async def _serve(
    app: Starlette,
    settings: GatewaySettings,
    *,
    listener: socket.socket,
    greeting: str,
) -> None:
    # Before the server runs, which would print a traceback where a line will do.
    await app.state.world.open()
    server = uvicorn.Server(
        config(
            app,
            http=GatewayProtocol,
            date_header=True,
            timeout_graceful_shutdown=round(settings.stop_seconds),
        )
    )
    announce(greeting)
    await server.serve(sockets=[listener])
