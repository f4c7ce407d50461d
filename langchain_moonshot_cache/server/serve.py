"""Running the server: in a thread beside a test, or in the foreground."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Self

import uvicorn

from .app import create_app
from .connection import CuttableProtocol
from .settings import Settings

if TYPE_CHECKING:
    from types import TracebackType

    from starlette.applications import Starlette

    from .world import World

__all__ = ["StandIn", "listen", "origin", "serve"]

# Long enough for a connection pool to reuse a connection, also while a test thinks.
KEEP_ALIVE = 60
BACKLOG = 2048  # uvicorn's own default
STOP_WITHIN = 10.0  # seconds; far more than closing sockets takes


class StandIn:
    """A server in a thread of its own.

    Use it as a context manager: it listens when ``with`` is entered, and when ``with``
    is left no thread, socket or task of it remains::

        with StandIn(Settings()) as server:
            httpx.get(server.base_url + "/models", headers=...)
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self._thread: threading.Thread | None = None
        self._server: _Server | None = None
        self._world: World | None = None
        self._port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port

    @property
    def url(self) -> str:
        """The address without the API's path."""
        return origin(self.settings.host, port=self._port)

    @property
    def base_url(self) -> str:
        """What a client takes as its base URL."""
        return f"{self.url}/v1"

    def start(self) -> None:
        """Start listening; return when connections are accepted.

        Raises:
            OSError: If the address is taken or is not ours.
            StoreError: If the data file is not one of this server's.
        """
        listener = listen(self.settings)
        try:
            app = create_app(self.settings)
        except BaseException:
            listener.close()
            raise
        self._port = listener.getsockname()[1]
        ready: Future[None] = Future()
        self._server = _Server(app, listener=listener, ready=ready)
        self._thread = threading.Thread(target=self._server.run_in_thread, daemon=True)
        self._thread.start()
        ready.result()

    def stop(self) -> None:
        """Close every connection and end the thread; a second call does nothing."""
        if self._thread is None or self._server is None:
            return
        self._server.stop_soon()
        self._thread.join(STOP_WITHIN)
        self._thread = None


def origin(host: str, *, port: int) -> str:
    """Return the beginning of every URL of a server."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def listen(settings: Settings) -> socket.socket:
    """Return a socket that is bound to the settings' address.

    Raises:
        OSError: If the address is taken or is not ours.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # asyncio switches Nagle's algorithm off only on sockets that say they are TCP, and
    # with it every answer would wait 40 ms for the client's acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        # Before anybody is told the address, so that nobody is refused.
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def serve(settings: Settings, *, listener: socket.socket, greeting: str) -> None:
    """Serve in the foreground until interrupted.

    Args:
        settings: How the server behaves.
        listener: The socket, listening already.
        greeting: A line for standard output once the data file is open, so that a
            parent process reads where to connect.

    Raises:
        StoreError: If the data file is not one of this server's.
    """
    server = uvicorn.Server(_config(create_app(settings)))
    sys.stdout.write(f"{greeting}\n")
    sys.stdout.flush()
    server.run(sockets=[listener])


def _config(app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=CuttableProtocol,
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,
        date_header=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
    )


class _Server(uvicorn.Server):
    """uvicorn's server without its ticks: it starts and stops at once."""

    def __init__(
        self, app: Starlette, *, listener: socket.socket, ready: Future[None]
    ) -> None:
        super().__init__(_config(app))
        self._listener = listener
        self._ready = ready
        self._stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run_in_thread(self) -> None:
        try:
            self.run(sockets=[self._listener])
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)
        finally:
            self._listener.close()

    def stop_soon(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)

    async def main_loop(self) -> None:
        """Wait to be stopped, where uvicorn would look every tenth of a second."""
        self._loop = asyncio.get_running_loop()
        self._ready.set_result(None)
        await self._stop.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close everything now, where uvicorn would wait for clients to be done."""
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        tasks = list(self.server_state.tasks)
        if tasks:
            # They notice the loss of their connection and end by themselves.
            await asyncio.wait(tasks, timeout=STOP_WITHIN)
        await self.lifespan.shutdown()
