"""Scripted faults: which request is to go wrong, and how."""

from __future__ import annotations

import itertools
import re
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

__all__ = [
    "BUILD_KINDS",
    "EDGE_KINDS",
    "STATUSES",
    "STREAM_KINDS",
    "Fault",
    "Faults",
    "Kind",
]

EdgeKind = Literal[
    "status", "delay", "cut", "cut_body", "malformed", "reply_lost", "html"
]
StreamKind = Literal["cut_stream_after", "error_in_stream"]
BuildKind = Literal["build_fails"]
Kind = Literal[EdgeKind, StreamKind, BuildKind]

EDGE_KINDS: frozenset[str] = frozenset(get_args(EdgeKind))
STREAM_KINDS: frozenset[str] = frozenset(get_args(StreamKind))
BUILD_KINDS: frozenset[str] = frozenset(get_args(BuildKind))

# The API's error types, each with the status that it comes under.
STATUSES: dict[str, int] = {
    "invalid_request_error": 400,
    "content_filter": 400,
    "invalid_authentication_error": 401,
    "incorrect_api_key_error": 401,
    "permission_denied_error": 403,
    "resource_not_found_error": 404,
    "engine_overloaded_error": 429,
    "exceeded_current_quota_error": 429,
    "rate_limit_reached_error": 429,
    "server_error": 500,
}


@dataclass(slots=True, kw_only=True)
class Fault:
    """One scripted fault.

    Attributes:
        kind: What goes wrong. ``status`` and ``html`` answer in place of the server,
            ``cut`` closes the connection instead; in none of them the request takes
            effect. ``delay`` waits first. The request takes effect, but its answer is
            lost (``reply_lost``), broken off in the middle (``cut_body``) or garbled
            (``malformed``). A stream breaks off after some chunks
            (``cut_stream_after``) or ends in an error object (``error_in_stream``).
            ``build_fails`` accepts a cache that ends in status error.
        method: HTTP method; None for any.
        path: Path, where ``{name}`` stands for one segment; None for any.
        nth: The first matching request that it strikes, counted from 1; None strikes
            every one.
        times: How many in a row; None means one if ``nth`` is set, else all.
        status: Status to answer with.
        body: Body to answer with: JSON, or a text that is sent as it is.
        error: Type of the API's error to answer with, such as
            ``"exceeded_current_quota_error"``; its usual status goes with it.
        headers: Further answer headers.
        seconds: Real seconds to wait before anything else.
        chunks: Chunks of a stream before it goes wrong.
        id: Number given by the server.
        seen: Matching requests so far.
        struck: Requests that went wrong so far.
    """

    kind: Kind
    method: str | None = None
    path: str | None = None
    nth: int | None = None
    times: int | None = None
    status: int | None = None
    body: Any = None
    error: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    chunks: int = 0
    id: int = 0
    seen: int = 0
    struck: int = 0

    def matches(self, *, method: str, path: str) -> bool:
        """Tell whether a request is one of those meant."""
        if self.method is not None and self.method != method:
            return False
        if self.path is None:
            return True
        segments = re.split(r"\{[^}]*\}", self.path)
        pattern = "[^/]+".join(re.escape(segment) for segment in segments)
        return re.fullmatch(pattern, path) is not None

    def is_due(self) -> bool:
        """Count a matching request; tell whether it is to go wrong."""
        self.seen += 1
        first = self.nth or 1
        times = self.times or (1 if self.nth else None)
        return self.seen >= first and (times is None or self.seen < first + times)

    def error_status(self, default: int) -> int:
        """Return the status to answer with."""
        return self.status or STATUSES.get(self.error or "", default)

    def error_body(self, default: str) -> dict[str, Any]:
        """Return an error object of the fault's type."""
        kind = self.error or default
        return {"error": {"type": kind, "message": "a scripted fault"}}

    def view(self) -> dict[str, Any]:
        """Return the fault as the control route shows it."""
        return asdict(self)


class Faults:
    """The script: faults in the order in which they were added."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._numbers = itertools.count(1)

    def add(self, fault: Fault) -> Fault:
        """Append a fault; counting starts now."""
        fault.id = next(self._numbers)
        self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Forget all faults."""
        self._faults.clear()

    def view(self) -> list[dict[str, Any]]:
        """Return all faults with their counters."""
        return [fault.view() for fault in self._faults]

    def take(self, kinds: frozenset[str], *, method: str, path: str) -> Fault | None:
        """Count a request in every fault that means it; return the first one due."""
        due = [
            fault
            for fault in self._faults
            if fault.kind in kinds
            and fault.matches(method=method, path=path)
            and fault.is_due()
        ]
        if not due:
            return None
        due[0].struck += 1
        return due[0]
