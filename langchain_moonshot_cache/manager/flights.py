"""One flow for all who ask at once for the same prefix in one process.

The registry keeps processes and hosts from creating a cache twice. Within a process
there is no need to ask it, or the server, a thousand times: the first caller leads,
the others wait for its outcome within their own budgets.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from threading import Event, Lock
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

__all__ = ["AsyncFlights", "Flights", "Landing"]

R = TypeVar("R")


class Landing(Generic[R]):
    """Where a leader puts its outcome; None while there is none."""

    def __init__(self) -> None:
        self.outcome: R | None = None


class _Flight(Landing[R]):
    def __init__(self) -> None:
        super().__init__()
        self.over = Event()


class Flights(Generic[R]):
    """Flights of threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._going: dict[str, _Flight[R]] = {}

    @contextmanager
    def lead(self, key: str) -> Iterator[Landing[R] | None]:
        """Lead a flight, or get None because somebody else does."""
        with self._lock:
            flight = None if key in self._going else _Flight[R]()
            if flight is not None:
                self._going[key] = flight
        try:
            yield flight
        finally:
            if flight is not None:
                with self._lock:
                    del self._going[key]
                flight.over.set()

    def follow(self, key: str, *, seconds: float) -> R | None:
        """Wait for a leader's outcome; None if none came in time, or it failed."""
        with self._lock:
            flight = self._going.get(key)
        if flight is not None:
            flight.over.wait(max(seconds, 0.0))
            return flight.outcome
        return None


class _AsyncFlight(Landing[R]):
    def __init__(self) -> None:
        super().__init__()
        self.over = asyncio.Event()


class AsyncFlights(Generic[R]):
    """Flights of tasks; each event loop has its own."""

    def __init__(self) -> None:
        self._going: dict[tuple[int, str], _AsyncFlight[R]] = {}

    @asynccontextmanager
    async def lead(self, key: str) -> AsyncIterator[Landing[R] | None]:
        """Lead a flight, or get None because somebody else does."""
        name = (id(asyncio.get_running_loop()), key)
        flight = None if name in self._going else _AsyncFlight[R]()
        if flight is not None:
            self._going[name] = flight
        try:
            yield flight
        finally:
            if flight is not None:
                del self._going[name]
                flight.over.set()

    async def follow(self, key: str, *, seconds: float) -> R | None:
        """Wait for a leader's outcome; None if none came in time, or it failed."""
        flight = self._going.get((id(asyncio.get_running_loop()), key))
        if flight is None:
            return None
        try:
            async with asyncio.timeout(max(seconds, 0.0)):
                await flight.over.wait()
        except TimeoutError:
            return None
        return flight.outcome
