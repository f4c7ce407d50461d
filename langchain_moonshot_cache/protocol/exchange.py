"""The values that flows and transports hand to each other; no I/O, no httpx."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

__all__ = ["Failure", "Flow", "Reply", "Request", "Sleep"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request to be sent, without key and host.

    Attributes:
        method: HTTP method.
        path: Path below the base URL, already quoted, beginning with a slash.
        body: Encoded once however often it is sent. Holds prompts, hence not in
            ``repr``.
        content_type: What the body is: JSON in UTF-8, but for uploads.
        params: Query parameters, in order; metadata filters are among them.
        cache_id: The cache this is about, for error attributes.
        private: The body of the request that this one serves, if it has none itself:
            a server's complaint may quote that one, too.
    """

    method: str
    path: str
    body: bytes | None = field(default=None, repr=False)
    content_type: str = field(default="application/json", repr=False)
    params: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    cache_id: str | None = None
    private: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A complete reply, as it came.

    Attributes:
        status: HTTP status.
        headers: Names in lower case.
        body: The bytes of the body, still compressed if they came compressed.
        received_at: Local wall clock at the end of its headers, Unix seconds.
        seconds: How long the exchange took.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    received_at: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An exchange without a complete reply.

    Attributes:
        reason: What went wrong, in words that quote neither request nor reply.
        sent: False when it is certain that the server never saw the request.
        seconds: How long it took to fail.
    """

    reason: str
    sent: bool
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Sleep:
    """A pause before the next attempt, in seconds."""

    seconds: float


# What a transport sends back is `Reply | Failure` for a `Request` and None for a
# `Sleep`; typing cannot tie the one to the other, so the flows narrow it themselves.
Flow: TypeAlias = Generator[Request | Sleep, Any, T]
