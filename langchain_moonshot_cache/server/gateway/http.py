"""HTTP to an engine: h11 over asyncio's streams, with connections that are kept.

Not httpx, which the rest of the package uses: its layers cost a gateway as much time a
call as everything else that it does, and its pool looks through all its connections
whenever it is asked for one. What a gateway needs is little: one host, no redirects, no
cookies, bodies that are there as a whole, answers that are read as they come.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import h11

from langchain_moonshot_cache.server.backend import EngineError
from langchain_moonshot_cache.server.gateway.troubles import (
    broken_off,
    fell_silent,
    no_answer,
    no_connection,
    no_room,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    _Event = type[h11.NEED_DATA | h11.PAUSED] | h11.Event

__all__ = ["Pool", "Response"]

CONNECT_WITHIN: Final = 5.0
"""Seconds to reach the engine, which is near or not there."""
KEEP_IDLE: Final = 4.0
"""Seconds that an idle connection is kept. Servers close idle ones after 5 (uvicorn,
which vLLM and SGLang run on) or later, and one that closes just as it is used again
would fail a call."""
END_WITHIN: Final = 1.0
"""Seconds that an answer which has said all may take to end."""
READ: Final = 65_536
"""Bytes that are read at a time."""


class Response:
    """An answer whose head is there.

    Attributes:
        status: HTTP status.
        headers: Headers by their names in lower case; of several the last.
    """

    def __init__(self, line: _Line, head: h11.Response, *, patience: float) -> None:
        self.status = head.status_code
        self.headers = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in head.headers
        }
        self._line = line
        self._patience = patience

    async def parts(self) -> AsyncGenerator[bytes, None]:
        """Yield the body as it comes.

        Raises:
            EngineError: When it breaks off, or nothing comes for too long.
        """
        try:
            while True:
                event = await self._line.event(self._patience)
                if isinstance(event, h11.Data):
                    yield bytes(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    return
                else:
                    raise broken_off()
        except TimeoutError as error:
            message = "The engine fell silent in the middle of its answer."
            raise fell_silent(message) from error
        except (OSError, h11.RemoteProtocolError) as error:
            raise broken_off() from error

    async def finish(self) -> None:
        """Wait a moment for the end of a body that has said all.

        Some servers leave the connection open behind their last word. It is not used
        again then, and nobody waits for it.
        """
        with suppress(OSError, h11.RemoteProtocolError):  # TimeoutError is an OSError
            async with asyncio.timeout(END_WITHIN):
                while isinstance(await self._line.event(END_WITHIN), h11.Data):
                    pass


class _Line:
    """One connection, on which one request at a time is answered."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT)
        self._idle_since = 0.0
        self._kept = self._heard = False

    async def ask(
        self, head: h11.Request, body: bytes, *, patience: float
    ) -> h11.Response:
        """Send a request and return the head of its answer."""
        self._heard = False
        send = self._http.send
        parts = send(head), body and send(h11.Data(body)), send(h11.EndOfMessage())
        self._writer.write(b"".join(part for part in parts if part))
        # An engine may refuse a request before it has read all of it.
        with suppress(ConnectionError):
            async with asyncio.timeout(patience):
                await self._writer.drain()
        while True:
            event = await self.event(patience)
            if isinstance(event, h11.Response):
                return event
            if not isinstance(event, h11.InformationalResponse):
                raise h11.RemoteProtocolError("no response")

    async def event(self, patience: float) -> _Event:
        """Return what comes next; nothing is read before it is asked for."""
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            async with asyncio.timeout(patience):
                data = await self._reader.read(READ)
            self._heard = self._heard or bool(data)
            self._http.receive_data(data)

    def rest(self) -> bool:
        """Make ready for another request; return whether that can be."""
        done = self._http.our_state is self._http.their_state is h11.DONE
        if not done or self._http.trailing_data[0]:
            return False
        self._http.start_next_cycle()
        self._idle_since, self._kept = time.monotonic(), True
        return True

    @property
    def usable(self) -> bool:
        """Whether it is there still, and will be for a moment."""
        fresh = time.monotonic() - self._idle_since < KEEP_IDLE
        return fresh and not (self._reader.at_eof() or self._writer.is_closing())

    @property
    def was_closing(self) -> bool:
        """Whether it failed as one does that was kept, and closed just then."""
        return self._kept and not self._heard

    def cut(self) -> None:
        """Close it at once: the engine learns that nobody listens any more."""
        self._writer.transport.abort()


class Pool:
    """Connections to one engine.

    Args:
        url: The engine's base URL.
        headers: Headers of every request.
        patience: Seconds that the engine may be silent.
        connections: Most of them at a time; more calls wait for one.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        patience: float,
        connections: int,
    ) -> None:
        address = urlsplit(url)
        secure = address.scheme == "https"
        self._host = address.hostname or ""
        self._port = address.port or (443 if secure else 80)
        self._tls = ssl.create_default_context() if secure else None
        self._path = address.path.rstrip("/")
        self._headers = [*({"Host": address.netloc} | dict(headers)).items()]
        self._patience = patience
        self._room = asyncio.Semaphore(connections)
        self._idle: deque[_Line] = deque()
        self._cleaning: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def request(
        self, method: str, path: str, body: bytes = b""
    ) -> AsyncIterator[Response]:
        """Send a request; lend its answer.

        A connection whose answer was not read to its end is closed.

        Args:
            method: HTTP method.
            path: Path below the base URL, without a slash in front.
            body: The whole body.

        Raises:
            EngineError: When there is no answer.
        """
        headers = self._headers
        if body:
            headers = [*headers, ("Content-Length", str(len(body)))]
        target = f"{self._path}/{path}"
        head = h11.Request(method=method, target=target, headers=headers)
        await self._enter()
        try:
            line, answer = await self._answer(head, body)
            try:
                yield Response(line, answer, patience=self._patience)
            finally:
                if line.rest():
                    self._keep(line)
                else:
                    line.cut()
        finally:
            self._room.release()

    async def _enter(self) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._room.acquire()
        except TimeoutError as error:
            raise no_room() from error

    async def _answer(
        self, head: h11.Request, body: bytes
    ) -> tuple[_Line, h11.Response]:
        """Ask; return the head of the answer, and the connection that it came on.

        A server may close a connection that was kept while the next request is on its
        way, which it then leaves unread. That one is sent again, once, on a new one.
        """
        line = self._kept() or await self._connected()
        try:
            return line, await self._heard(line, head, body)
        except EngineError as error:
            if isinstance(error.__cause__, TimeoutError) or not line.was_closing:
                raise
        line = await self._connected()
        return line, await self._heard(line, head, body)

    async def _heard(self, line: _Line, head: h11.Request, body: bytes) -> h11.Response:
        """Ask on a connection, which is closed where no answer comes."""
        try:
            return await line.ask(head, body, patience=self._patience)
        except BaseException as error:
            line.cut()
            if isinstance(error, TimeoutError):
                raise fell_silent("The engine did not answer in time.") from error
            if isinstance(error, OSError | h11.RemoteProtocolError):
                raise no_answer() from error
            raise

    def _kept(self) -> _Line | None:
        """Return the connection that was used last, if it can be used still."""
        while self._idle:
            line = self._idle.pop()
            if line.usable:
                return line
            line.cut()
        return None

    async def _connected(self) -> _Line:
        try:
            async with asyncio.timeout(CONNECT_WITHIN):
                return _Line(
                    *await asyncio.open_connection(
                        self._host, self._port, ssl=self._tls
                    )
                )
        except (OSError, TimeoutError) as error:
            raise no_connection() from error

    def _keep(self, line: _Line) -> None:
        self._idle.append(line)
        if self._cleaning is None:
            self._clean_later()

    def _clean_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._cleaning = loop.call_later(KEEP_IDLE, self._clean)

    def _clean(self) -> None:
        """Close what a burst of calls has left; the longest idle stand first."""
        self._cleaning = None
        while self._idle and not self._idle[0].usable:
            self._idle.popleft().cut()
        if self._idle:
            self._clean_later()

    def close(self) -> None:
        """Close the connections that nobody uses."""
        if self._cleaning is not None:
            self._cleaning.cancel()
        for line in self._idle:
            line.cut()
        self._idle.clear()
