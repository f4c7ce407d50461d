"""Running the server: in a thread beside a test, or in the foreground."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from abc import ABC, abstractmethod
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Self

import uvicorn

from .app import create_app
from .connection import CuttableProtocol
from .settings import Settings
from .store import StoreError

if TYPE_CHECKING:
    from types import TracebackType

    from starlette.applications import Starlette

__all__ = [
    "InThread",
    "StandIn",
    "announce",
    "config",
    "listen",
    "origin",
    "serve",
]

# Long enough for a connection pool to reuse a connection, also while a test thinks.
KEEP_ALIVE = 60
BACKLOG = 2048  # uvicorn's own default
STOP_WITHIN = 10.0  # seconds; far more than closing sockets takes


class InThread(ABC):
    """A server in a thread of its own.

    Use it as a context manager: it listens when ``with`` is entered, and when ``with``
    is left no thread, socket or task of it remains.

    Attributes:
        protocol: How it speaks HTTP.
    """

    protocol: type[asyncio.Protocol] = CuttableProtocol

    def __init__(self, *, host: str, port: int) -> None:
        self._host = host
        self._wanted = port
        self._thread: threading.Thread | None = None
        self._server: _Server | None = None
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

    @abstractmethod
    def make_app(self) -> Starlette:
        """Return the application to serve, made anew at each start."""

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port

    @property
    def url(self) -> str:
        """The address without the API's path."""
        return origin(self._host, port=self._port)

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
        listener = listen(self._host, port=self._wanted)
        try:
            app = self.make_app()
        except BaseException:
            listener.close()
            raise
        self._port = listener.getsockname()[1]
        ready: Future[None] = Future()
        settings = config(app, http=self.protocol)
        self._server = _Server(settings, listener=listener, ready=ready)
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


class StandIn(InThread):
    """The stand-in in a thread of its own.

    For example::

        with StandIn(Settings()) as server:
            httpx.get(server.base_url + "/models", headers=...)

    Args:
        settings: How it behaves; the defaults if None.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        super().__init__(host=self.settings.host, port=self.settings.port)

    def make_app(self) -> Starlette:
        """Return the stand-in's application, with a state of its own."""
        return create_app(self.settings)


def origin(host: str, *, port: int) -> str:
    """Return the beginning of every URL of a server."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def listen(host: str, *, port: int) -> socket.socket:
    """Return a socket that is bound to an address and listens already.

    Raises:
        OSError: If the address is taken or is not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches Nagle's algorithm off only on sockets that say they are TCP, and
    # with it every answer would wait 40 ms for the client's acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
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
    server = uvicorn.Server(config(create_app(settings)))
    announce(greeting)
    server.run(sockets=[listener])


def announce(greeting: str) -> None:
    """Write a line to standard output, at once."""
    sys.stdout.write(f"{greeting}\n")
    sys.stdout.flush()


def config(app: Starlette, **changes: Any) -> uvicorn.Config:
    """Return how uvicorn serves an application of ours.

    Args:
        app: The application.
        **changes: Settings of uvicorn's, in place of those of the stand-in.
    """
    settings: dict[str, Any] = {
        "http": CuttableProtocol,
        "ws": "none",
        "loop": "asyncio",
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "date_header": False,
        "server_header": False,
        "timeout_keep_alive": KEEP_ALIVE,
    }
    return uvicorn.Config(app, **(settings | changes))


class _Server(uvicorn.Server):
    """uvicorn's server without its ticks: it starts and stops at once."""

    def __init__(
        self,
        settings: uvicorn.Config,
        *,
        listener: socket.socket,
        ready: Future[None],
    ) -> None:
        super().__init__(settings)
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
            if not self._ready.done():
                failure = StoreError("The server did not start; its log says why.")
                self._ready.set_exception(failure)

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
