"""What the tests of the wire share: both clients behind one face, raw servers."""

from __future__ import annotations

import asyncio
import inspect
import socket
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Self

from langchain_moonshot_cache.protocol import (
    AsyncMoonshotCachingClient,
    MoonshotCachingClient,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

KEY = "sk-canary-9f8e7d6c5b4a"
PROMPT = "The canary prompt that must never be seen outside of the request."
MESSAGES = [{"role": "system", "content": PROMPT}]
MODEL = "moonshot-v1"


class Face:
    """Either client, called as if it were the one for threads.

    Pauses between attempts are noted in ``sleeps`` and not taken, and the jitter is
    drawn from a constant, so that no test waits or depends on chance.
    """

    def __init__(self, client: Any, runner: asyncio.Runner | None) -> None:
        self.client = client
        self.sleeps: list[float] = []
        self._runner = runner
        client._operations.chance = lambda: 0.5
        client._sleep = self._note if runner is None else self._anote

    def _note(self, seconds: float) -> None:
        self.sleeps.append(seconds)

    async def _anote(self, seconds: float) -> None:
        self.sleeps.append(seconds)

    def __getattr__(self, name: str) -> Any:
        return self._called(getattr(self.client, name))

    def tag(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return self._called(getattr(self.client.tags, name))(*args, **kwargs)

    def _called(self, value: Any) -> Any:
        if self._runner is None or not callable(value):
            return value
        runner = self._runner

        def call(*args: Any, **kwargs: Any) -> Any:
            result = value(*args, **kwargs)
            if inspect.isasyncgen(result):
                return iter(runner.run(_collected(result)))
            return runner.run(result)

        return call


async def _collected(items: Any) -> list[Any]:
    return [item async for item in items]


@contextmanager
def faces(colour: str) -> Iterator[Callable[..., Face]]:
    """A function that makes clients of a colour and closes them at the end."""
    with ExitStack() as closing:

        def connect(base_url: str, *, api_key: str = KEY, **options: Any) -> Face:
            if colour == "sync":
                client = MoonshotCachingClient(
                    api_key=api_key, base_url=base_url, **options
                )
                closing.callback(client.close)
                return Face(client, None)
            runner = closing.enter_context(asyncio.Runner())
            twin = AsyncMoonshotCachingClient(
                api_key=api_key, base_url=base_url, **options
            )
            closing.callback(lambda: runner.run(twin.aclose()))
            return Face(twin, runner)

        yield connect


class RawServer:
    """Answers each connection with the next of some prepared byte strings.

    The last one is repeated. A list of byte strings is sent piece by piece, a piece
    whenever ``pace`` seconds have passed or the client is gone. Then the connection is
    closed, unless ``hold`` says to keep it open until the test ends.
    """

    def __init__(
        self,
        *replies: bytes | Sequence[bytes],
        pace: float = 0.0,
        hold: bool = False,
        listen_first: bool = True,
    ) -> None:
        self.requests: list[bytes] = []
        self._replies = replies
        self._pace = pace
        self._hold = hold
        self._listen_first = listen_first
        self.arrived = threading.Event()
        self._over = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self.base_url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._over.set()
        # Wakes accept(): closing a listening socket does not.
        socket.create_connection(self._socket.getsockname()[:2]).close()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection:
                if self._over.is_set():
                    return
                connection.settimeout(60)
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        try:
            if self._listen_first:
                self.requests.append(_request(connection))
                self.arrived.set()
            number = min(len(self.requests), len(self._replies)) - 1
            reply = self._replies[max(number, 0)]
            for piece in [reply] if isinstance(reply, bytes) else reply:
                connection.sendall(piece)
                if self._pace:
                    self._over.wait(self._pace)
            if self._hold:
                self._over.wait()
        except OSError:
            return  # the client gave up, as many of these tests want it to


def _request(connection: socket.socket) -> bytes:
    """Read one request, its body included."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [
        int(line.split(b":")[1])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    ]
    while len(body) < sum(lengths):
        body += _more(connection)
    return head + b"\r\n\r\n" + body


def _more(connection: socket.socket) -> bytes:
    """Read what came; that a client is gone is an error, and not nothing for ever."""
    data = connection.recv(65536)
    if not data:
        raise ConnectionAbortedError
    return data


def http(
    body: bytes = b"",
    *,
    status: str = "200 OK",
    headers: str = "",
    content_type: str = "application/json",
) -> bytes:
    """A well-formed HTTP/1.1 reply around a body."""
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n{headers}\r\n"
    )
    return head.encode() + body
