"""How the gateway's answers go out: what is written at once is sent at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["GatewayProtocol"]

HEAD_WITHIN: Final = 60.0
"""Seconds that the head of a request may take: it comes in one piece from whoever means
it, and a connection that never says anything is a descriptor less for the others."""
TAKES_NOTHING: Final = 600.0
"""Seconds that a client may take nothing of what waits for it, as long as an engine may
be silent: it holds the engine's stream back all the while, and memory with it."""


class GatewayProtocol(H11Protocol):
    """HTTP/1.1 by uvicorn, over a transport that sends once a turn of the event loop.

    uvicorn sends head and body of an answer, and each event of a stream, by themselves.
    A call into the kernel costs as much as composing what it sends, and engines often
    hand over several events at a time.

    Nor has uvicorn a limit for a client that never ends its request's head, or never
    reads its answer. Here the connection of such a one is cut.
    """

    def connection_made(  # type: ignore[override] # as narrow as in uvicorn
        self, transport: asyncio.Transport
    ) -> None:
        """Put the collecting transport in between."""
        self._head = _Deadline(transport.abort)
        self._reading = _Deadline(transport.abort)
        super().connection_made(_Collecting(transport))  # type: ignore[arg-type] # one in all that uvicorn uses of it
        self._head.begin(HEAD_WITHIN)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        super().connection_lost(exc)
        self._head.end()
        self._reading.end()

    def data_received(self, data: bytes) -> None:
        """Watch how long a head takes to be there."""
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._head.begin(HEAD_WITHIN)
        else:
            self._head.end()

    def pause_writing(self) -> None:
        """Watch how long a client takes nothing."""
        super().pause_writing()
        self._reading.begin(TAKES_NOTHING)

    def resume_writing(self) -> None:
        """Go on writing."""
        super().resume_writing()
        self._reading.end()


class _Deadline:
    """Does something unless it is ended in time."""

    def __init__(self, action: Callable[[], None]) -> None:
        self._action = action
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, seconds: float) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(seconds, self._action)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


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
