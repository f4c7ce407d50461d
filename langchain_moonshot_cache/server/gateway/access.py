"""The access log: one line of JSON a request, without prompts, answers or keys."""

from __future__ import annotations

import json
import threading
from queue import Full, Queue
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from io import RawIOBase

    from langchain_moonshot_cache.server.gateway.metrics import Metrics
    from langchain_moonshot_cache.server.gateway.visit import Visit

__all__ = ["AccessLog"]

MOST_WAITING: Final = 10_000
"""Lines that wait to be written: some megabytes, and minutes of calls."""
STOP_WITHIN: Final = 2.0
"""Seconds that writing what is left may take when the gateway stops."""


class AccessLog:
    """Writes the lines, in a thread: who reads them slowly holds up no stream.

    Lines that find no room, or cannot be written, are lost and counted. What a client
    made up for itself is left out, too: of the path only the kind of the route, since
    tags are names of the client's own, and no query.

    Args:
        stream: Where to, unbuffered; None writes none.
        metrics: Counts the lines that were lost.
    """

    def __init__(self, stream: RawIOBase | None, *, metrics: Metrics) -> None:
        self._stream = stream
        self._metrics = metrics
        self._lines: Queue[bytes | None] = Queue(MOST_WAITING)
        self._thread: threading.Thread | None = None

    def __call__(self, visit: Visit) -> None:
        """Have one line written."""
        if self._stream is not None:
            self._put(_line(visit))

    def start(self) -> None:
        """Begin to write."""
        if self._stream is not None:
            self._thread = threading.Thread(target=self._write, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Write what is left, for as long as that may take."""
        if self._thread is not None:
            self._put(None)
            self._thread.join(STOP_WITHIN)

    def _put(self, line: bytes | None) -> None:
        try:
            self._lines.put_nowait(line)
        except Full:
            self._metrics.lost_line()

    def _write(self) -> None:
        assert self._stream is not None  # noqa: S101 - started with one only
        while (line := self._lines.get()) is not None:
            try:
                self._stream.write(line)
            except OSError:
                self._metrics.lost_line()


def _line(visit: Visit) -> bytes:
    """Return what is known about a request; the rest is left out."""
    reported, first = visit.reported, visit.first
    line = {
        "at": round(visit.world.clock.now(), 3),
        "request_id": visit.request_id,
        "method": visit.method,
        "route": visit.route,
        "status": visit.status or None,
        "seconds": round(visit.elapsed(), 4),
        "first_token_seconds": None if first is None else round(first, 4),
        "account": visit.account or None,
        "model": visit.model and visit.model[:80],
        "cache_id": visit.cache_id,
        "prompt_tokens": reported.prompt,
        "cached_tokens": reported.cached,
        "completion_tokens": reported.completion,
        "engine": visit.trouble,
    }
    known = {name: value for name, value in line.items() if value is not None}
    return json.dumps(known).encode() + b"\n"
