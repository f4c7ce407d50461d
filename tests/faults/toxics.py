"""A TCP proxy that misbehaves for the requests that it is told to.

The kinds of trouble are those that toxiproxy distinguishes, with two places for an
answer to end early. Each is applied to what
the server answers; ``down`` lets nothing pass in either direction.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

HARMLESS = ("latency", "slow_close", "slicer", "bandwidth")
HANGING = ("timeout",)
HARMFUL = ("down", "reset_peer", "limit_data", "limit_body", *HANGING)

# Clients do not pipeline here, so a request begins where something new is sent. The
# JSON of a body that comes by itself begins with a brace.
_REQUEST = re.compile(rb"([A-Z]+) (/[^ ?]*)")
_LATENCY = 0.1  # seconds
_SLOW_CLOSE = 0.3  # seconds
_SLICE = 5  # bytes
_RATE = 4_000  # bytes a second
_LIMITS = {"limit_data": 60, "limit_body": 220}
"""Bytes of an answer that pass: it ends within its headers, or soon after them."""
_RESET_AFTER = 20  # bytes
_LINGER_NOT = struct.pack("ii", 1, 0)  # makes close() send a reset


class Toxics:
    """Stands before a server, in a thread of its own.

    Attributes:
        struck: How many requests were poisoned.
        base_url: The API's address through the proxy.
    """

    def __init__(self, base_url: str) -> None:
        url = urlsplit(base_url)
        assert url.port is not None
        self._upstream = (url.hostname, url.port)
        self._path = url.path
        self._poison: tuple[str, str, re.Pattern[str]] | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._ready: Future[int] = Future()
        self.struck = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self.base_url = f"http://127.0.0.1:{self._ready.result()}{self._path}"
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def poison(self, kind: str, *, method: str, path: str) -> None:
        """Apply a toxic from now on to the requests of a method and a path.

        Args:
            kind: One of ``HARMLESS`` or ``HARMFUL``.
            method: The method.
            path: The path; ``{id}`` in it stands for any one segment.
        """
        pattern = re.escape(path).replace(re.escape("{id}"), "[^/]+")
        self._poison = (kind, method, re.compile(pattern))

    def cure(self) -> None:
        """Let everything pass; what hangs goes on hanging."""
        self._poison = None

    def toxic_for(self, data: bytes, before: str) -> str:
        """Say which toxic applies after a client sent something."""
        request = _REQUEST.match(data)
        if request is None:
            return before
        method, path = (part.decode() for part in request.groups())
        if self._poison is None:
            return ""
        kind, poisoned, pattern = self._poison
        if method != poisoned or not pattern.fullmatch(path):
            return ""
        self.struck += 1
        return kind

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        links: set[asyncio.Task[None]] = set()

        async def accept(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            task = asyncio.current_task()
            assert task is not None
            links.add(task)
            with suppress(asyncio.CancelledError):
                await _Link(self, reader, writer).run(self._upstream)
            links.discard(task)

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        self._ready.set_result(server.sockets[0].getsockname()[1])
        await self._over.wait()
        server.close()
        for link in links:
            link.cancel()
        await asyncio.gather(*links)


class _Link:
    """One connection and its continuation to the server."""

    def __init__(
        self,
        toxics: Toxics,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._toxics = toxics
        self._reader = reader
        self._writer = writer
        self._toxic = ""
        self._passed = 0

    async def run(self, upstream: tuple[str | None, int]) -> None:
        """Pass on until either side is done."""
        reader, writer = await asyncio.open_connection(*upstream)
        ways = [
            asyncio.create_task(self._ask(writer)),
            asyncio.create_task(self._answer(reader)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in (writer, self._writer):
                end.close()
                with suppress(OSError, asyncio.CancelledError):
                    await end.wait_closed()

    async def _ask(self, upstream: asyncio.StreamWriter) -> None:
        """Pass on what the client sends, until it has gone."""
        while data := await self._reader.read(65_536):
            self._toxic = self._toxics.toxic_for(data, self._toxic)
            if self._toxic == "down":
                return
            self._passed = 0
            upstream.write(data)
            await upstream.drain()

    async def _answer(self, upstream: asyncio.StreamReader) -> None:
        """Pass on what the server answers, as the toxic wills it."""
        while data := await upstream.read(65_536):
            if not await self._pass(data):
                return
        if self._toxic == "slow_close":
            await asyncio.sleep(_SLOW_CLOSE)

    async def _pass(self, data: bytes) -> bool:
        """Pass something on; False if that was the end."""
        ways: dict[str, Callable[[bytes], Awaitable[bool]]] = {
            "latency": self._late,
            "slicer": self._sliced,
            "bandwidth": self._slowly,
            "limit_data": self._limited,
            "limit_body": self._limited,
            "reset_peer": self._reset,
            "timeout": self._never,
        }
        return await ways.get(self._toxic, self._send)(data)

    async def _send(self, data: bytes) -> bool:
        self._writer.write(data)
        await self._writer.drain()
        self._passed += len(data)
        return True

    async def _late(self, data: bytes) -> bool:
        await asyncio.sleep(_LATENCY)
        return await self._send(data)

    async def _sliced(self, data: bytes) -> bool:
        for start in range(0, len(data), _SLICE):
            await self._send(data[start : start + _SLICE])
            await asyncio.sleep(0)
        return True

    async def _slowly(self, data: bytes) -> bool:
        piece = _RATE // 20
        for start in range(0, len(data), piece):
            await asyncio.sleep(len(data[start : start + piece]) / _RATE)
            await self._send(data[start : start + piece])
        return True

    async def _limited(self, data: bytes) -> bool:
        limit = _LIMITS[self._toxic]
        await self._send(data[: limit - self._passed])
        return self._passed < limit

    async def _reset(self, data: bytes) -> bool:
        await self._send(data[:_RESET_AFTER])
        peer = self._writer.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self._writer.transport.abort()
        return False

    async def _never(self, _data: bytes) -> bool:
        return True
