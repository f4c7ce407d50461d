"""The request log: what arrived, and what of it reached the engine."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Exchange", "RequestLog"]

Json = dict[str, Any]


@dataclass(slots=True)
class Exchange:
    """One request and what became of it.

    Attributes:
        request_id: The id in the ``Msh-Request-Id`` header.
        at: When it arrived, by the server's clock.
        method: HTTP method.
        path: Path without query.
        query: The query as sent.
        headers: Headers in lower case, without ``authorization``.
        raw: The body, until the request is answered.
        size: Bytes of the body.
        parsed: The body as JSON, if it was JSON.
        account: The account, once the key was accepted.
        status: Status of the answer; None if the connection was cut.
        engine: What the engine was asked and answered, for a chat that got so far.
    """

    request_id: str
    at: float
    method: str
    path: str
    query: str
    headers: dict[str, str]
    raw: bytes = b""
    size: int = 0
    parsed: Any = None
    account: str | None = None
    status: int | None = None
    engine: Json | None = None

    def view(self) -> Json:
        """Return the entry as the control route shows it."""
        return {
            "request_id": self.request_id,
            "at": self.at,
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "headers": self.headers,
            "body_bytes": self.size,
            "body": self.parsed,
            "account": self.account,
            "status": self.status,
            "engine": self.engine,
        }


class RequestLog:
    """The latest requests, bounded in number and in bytes of bodies."""

    def __init__(self, *, entries: int, size: int) -> None:
        self._entries: deque[Exchange] = deque()
        self._most = entries
        self._most_bytes = size
        self._bytes = 0

    def __iter__(self) -> Iterator[Exchange]:
        return iter(self._entries)

    def add(self, exchange: Exchange) -> None:
        """Append an entry whose size is known; the oldest make room."""
        self._entries.append(exchange)
        self._bytes += exchange.size
        while len(self._entries) > self._most or (
            self._bytes > self._most_bytes and len(self._entries) > 1
        ):
            self._bytes -= self._entries.popleft().size

    def clear(self) -> None:
        """Forget all entries."""
        self._entries.clear()
        self._bytes = 0
