"""How the gateway's answers go out: what is written at once is sent at once."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["GatewayProtocol"]


class GatewayProtocol(H11Protocol):
    """HTTP/1.1 by uvicorn, over a transport that sends once a turn of the event loop.

    uvicorn sends head and body of an answer, and each event of a stream, by themselves.
    A call into the kernel costs as much as composing what it sends, and engines often
    hand over several events at a time.
    """

    def connection_made(  # type: ignore[override] # as narrow as in uvicorn
        self, transport: asyncio.Transport
    ) -> None:
        """Put the collecting transport in between."""
        super().connection_made(_Collecting(transport))  # type: ignore[arg-type] # one in all that uvicorn uses of it


class _Collecting:
    """A transport that hands on what was written once the running task pauses."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._loop.call_soon(self._hand_on)
        self._parts.append(data)

    def close(self) -> None:
        self._hand_on()
        self._transport.close()

    def _hand_on(self) -> None:
        parts, self._parts = self._parts, []
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))
