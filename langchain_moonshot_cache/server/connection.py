"""The wire under a request: reading its body, waiting, and cutting it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from uvicorn.protocols.http.h11_impl import H11Protocol

from .refusals import RefusedError

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

__all__ = ["ClientGoneError", "CuttableProtocol", "cut", "read_body", "wait"]

CLOSE = "stand_in.close"


class ClientGoneError(Exception):
    """The client closed the connection before it was answered."""


class CuttableProtocol(H11Protocol):
    """HTTP/1.1 by uvicorn, where an application may also close the connection."""

    def connection_made(  # type: ignore[override] # as narrow as in uvicorn
        self, transport: asyncio.Transport
    ) -> None:
        """Hand the transport's ``close`` to every request of the connection."""
        super().connection_made(transport)
        app = self.app

        async def closable(scope: Scope, receive: Receive, send: Send) -> None:
            scope["extensions"] = {CLOSE: {"close": transport.close}}
            await app(scope, receive, send)

        self.app = closable


async def cut(scope: Scope, receive: Receive) -> None:
    """Close the connection; what was sent so far still goes out.

    Raises:
        ConnectionAbortedError: When there is no connection, as in-process.
    """
    extension = scope.get("extensions", {}).get(CLOSE)
    if extension is None:
        raise ConnectionAbortedError("cut by a scripted fault")
    extension["close"]()
    # uvicorn takes it for an error if a request ends before the loss was noticed.
    while (await receive())["type"] != "http.disconnect":
        pass


async def wait(seconds: float, receive: Receive) -> None:
    """Wait in real seconds, for as long as the client does.

    Raises:
        ClientGoneError: When the client gave up.
    """
    if seconds <= 0:
        return
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return
    raise ClientGoneError


async def read_body(receive: Receive, *, limit: int) -> bytes:
    """Read a request's body.

    Raises:
        ClientGoneError: When it breaks off.
        RefusedError: 413, when it is larger than the limit.
    """
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= limit:
            chunks.append(chunk)
        else:
            chunks.clear()  # read on, or the client never gets to read the answer
        more = message.get("more_body", False)
    if size > limit:
        kind = "invalid_request_error"
        raise RefusedError(
            413, kind, f"The body has {size} bytes; at most {limit} fit."
        )
    return b"".join(chunks)
