"""A handle on a running stand-in: its clock, its faults, what it saw and charged.

It speaks to the server by its control routes only, so that it serves a server in
another process just as well: ``MoonshotServer("http://127.0.0.1:8000")``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from .settings import UsageFields, UsageLayout, WriteHeaders

__all__ = [
    "Bill",
    "FaultKind",
    "MoonshotServer",
    "RecordedChat",
    "RecordedRequest",
    "ServerClock",
]

Json = dict[str, Any]
FaultKind = Literal[
    "status",
    "delay",
    "cut",
    "cut_body",
    "malformed",
    "reply_lost",
    "html",
    "cut_stream_after",
    "error_in_stream",
    "build_fails",
]

API_KEY = "sk-test"
PATIENCE = 30.0  # seconds for a control request, which takes milliseconds


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One request as it arrived.

    Attributes:
        request_id: The ``Msh-Request-Id`` that it was answered with.
        at: Unix seconds of the server's clock.
        method: HTTP method.
        path: Path without query.
        query: Query as sent.
        headers: Headers in lower case; ``authorization`` is left out.
        body_bytes: Bytes of the body.
        body: The body as JSON; None if it was none.
        account: Digest of the key's account; None if the key was refused.
        status: Status of the answer; None if there was none.
    """

    request_id: str
    at: float
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body_bytes: int
    body: Any
    account: str | None
    status: int | None


@dataclass(frozen=True, slots=True)
class RecordedChat:
    """One chat call that reached the engine.

    Attributes:
        request: The request as it arrived.
        model: The model asked for.
        messages: What the engine saw, the cached messages in their place.
        tools: The tools that the engine saw.
        cache_id: The cache that was used, if one was.
        prompt_tokens: Input tokens, the cached ones included.
        cached_tokens: Those from the cache.
        cache_write_tokens: Those newly written to the prefix cache; None for a model
            that bills no writes.
        cache_write_tier: The life at which they were written, ``"5m"`` or ``"1h"``.
        completion_tokens: Output tokens.
        answer: The assistant message that it answered with.
    """

    request: RecordedRequest
    model: str
    messages: list[Json]
    tools: list[Json] | None
    cache_id: str | None
    prompt_tokens: int
    cached_tokens: int
    cache_write_tokens: int | None
    cache_write_tier: str | None
    completion_tokens: int
    answer: Json


@dataclass(frozen=True, slots=True)
class Bill:
    """What an account owes.

    Attributes:
        currency: ``"CNY"`` or ``"USD"``.
        totals: ``creation``, ``storage``, ``calls`` (fees), ``cache_read``,
            ``cache_write``, ``input`` (the rest of it), ``output`` and ``total``.
        lines: One object for everything charged, with ``amount`` a decimal string.
    """

    currency: str
    totals: dict[str, Decimal]
    lines: list[Json]

    @property
    def total(self) -> Decimal:
        """All of it."""
        return self.totals["total"]


class ServerClock:
    """The server's clock: readiness, expiry, the bill and ``Date`` follow it."""

    def __init__(self, server: MoonshotServer) -> None:
        self._server = server

    def now(self) -> float:
        """Return the server's time in unix seconds."""
        return float(self._server.control("GET", "clock")["now"])

    def set(self, now: float) -> None:
        """Jump to a time."""
        self._server.control("PUT", "clock", {"now": now})

    def advance(self, seconds: float) -> None:
        """Move by some seconds; negative ones move back."""
        self._server.control("PUT", "clock", {"advance": seconds})

    def freeze(self) -> None:
        """Stand still, until moved."""
        self._server.control("PUT", "clock", {"freeze": True})

    def thaw(self) -> None:
        """Run on."""
        self._server.control("PUT", "clock", {"freeze": False})


class MoonshotServer:
    """A handle on a running stand-in server.

    Attributes:
        url: The address without the API's path.
        base_url: What a client takes as its base URL, with ``/v1``.
        api_key: A key that it accepts; every other key is another account.
        clock: Its clock.
    """

    def __init__(self, url: str, *, api_key: str = API_KEY) -> None:
        self.url = url.rstrip("/").removesuffix("/v1")
        self.base_url = f"{self.url}/v1"
        self.api_key = api_key
        self.clock = ServerClock(self)

    def __repr__(self) -> str:
        return f"MoonshotServer({self.url!r})"

    def control(
        self, method: str, name: str, body: Any = None, *, api_key: str | None = None
    ) -> Any:
        """Send a control request and return its answer.

        Args:
            method: HTTP method.
            name: What follows ``/_stand_in/``.
            body: JSON to send.
            api_key: Whose key to send.

        Raises:
            ValueError: If the server refused it; the text says why.
        """
        address = urlsplit(self.url)
        headers = {"Authorization": f"Bearer {api_key or self.api_key}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection = HTTPConnection(
            address.hostname or "", address.port, timeout=PATIENCE
        )
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, f"/_stand_in/{name}", content, headers)
            reply = connection.getresponse()
            text = reply.read().decode()
        finally:
            connection.close()
        if reply.status != 200:  # noqa: PLR2004 - the one status of success here
            raise ValueError(f"/_stand_in/{name} answered {reply.status}: {text}")
        return json.loads(text)

    def fail(
        self,
        kind: FaultKind,
        *,
        method: str | None = None,
        path: str | None = None,
        nth: int | None = None,
        times: int | None = None,
        status: int | None = None,
        body: Any = None,
        error: str | None = None,
        headers: dict[str, str] | None = None,
        seconds: float = 0.0,
        chunks: int = 0,
    ) -> None:
        """Script a fault.

        ``status`` and ``html`` answer in place of the server and ``cut`` closes the
        connection, so that the request has no effect. ``delay`` waits, then serves.
        With ``reply_lost``, ``cut_body`` and ``malformed`` the request takes effect
        and its answer is lost, broken off or garbled. ``cut_stream_after`` and
        ``error_in_stream`` strike streams, ``build_fails`` the making of a cache.

        Args:
            kind: What goes wrong.
            method: Only requests of this method.
            path: Only this path; ``{name}`` in it stands for any one segment.
            nth: The first matching request struck, from 1; None strikes every one.
            times: How many in a row; None means one if ``nth`` is set, else all.
            status: Status of the answer.
            body: Body of the answer: JSON, or a text sent as it is. For
                ``build_fails`` the reason.
            error: Type of an error of the API, such as
                ``"exceeded_current_quota_error"``: its status and its object, or, for
                ``error_in_stream``, the object.
            headers: Further answer headers.
            seconds: Real seconds to wait first.
            chunks: Chunks of a stream that still arrive.
        """
        fault = {
            "kind": kind,
            "method": method,
            "path": path,
            "nth": nth,
            "times": times,
            "status": status,
            "body": body,
            "error": error,
            "headers": headers or {},
            "seconds": seconds,
            "chunks": chunks,
        }
        self.control("POST", "faults", fault)

    def answer_next(self, *answers: str | Json) -> None:
        """Hand the engine its next answers, one for each coming chat call.

        Args:
            answers: Texts, or objects with ``content``, ``tool_calls``,
                ``reasoning_content`` and ``finish_reason``. A tool call may be given
                as ``{"name": ..., "arguments": ...}``.
        """
        self.control("POST", "answers", {"answers": list(answers)})

    def configure(
        self,
        *,
        ready_after: float | None = None,
        cache_token_limit: int | None = None,
        account_token_limit: int | None = None,
        usage_layout: UsageLayout | None = None,
        usage_fields: UsageFields | None = None,
        write_headers: WriteHeaders | None = None,
        cached_surplus: int | None = None,
        require_reasoning: bool | None = None,
        retired_models: bool | None = None,
    ) -> None:
        """Change settings of the running server; None leaves one as it is.

        What each means is said where `server.Settings` is defined.
        """
        wanted = {
            "ready_after": ready_after,
            "cache_token_limit": cache_token_limit,
            "account_token_limit": account_token_limit,
            "usage_layout": usage_layout,
            "usage_fields": usage_fields,
            "write_headers": write_headers,
            "cached_surplus": cached_surplus,
            "require_reasoning": require_reasoning,
            "retired_models": retired_models,
        }
        changed = {name: value for name, value in wanted.items() if value is not None}
        self.control("PUT", "settings", changed)

    def retire(self, status: Literal[200, 404] | None = 404) -> None:
        """Let the host no longer know ``/v1/caching``, or know it again (None).

        Args:
            status: The status under which it says so.
        """
        self.control("PUT", "settings", {"retired": status})

    def forget_prefixes(self) -> None:
        """Let the automatic cache lose every prefix, as a provider's may."""
        self.control("DELETE", "prefixes")

    def requests(
        self, *, method: str | None = None, path: str | None = None
    ) -> list[RecordedRequest]:
        """Return the requests that arrived, oldest first.

        Args:
            method: Only those of this method.
            path: Only those of this path.
        """
        return [
            request
            for entry in self.control("GET", "requests")["data"]
            if (request := _request(entry)).method == (method or request.method)
            and request.path == (path or request.path)
        ]

    def chats(self) -> list[RecordedChat]:
        """Return the chat calls that reached the engine, oldest first."""
        return [
            RecordedChat(request=_request(entry), **entry["engine"])
            for entry in self.control("GET", "requests")["data"]
            if entry["engine"] is not None
        ]

    def bill(self, api_key: str | None = None) -> Bill:
        """Return the bill of a key's account; the handle's own by default."""
        bill = self.control("GET", "bill", api_key=api_key)
        totals = {name: Decimal(amount) for name, amount in bill["totals"].items()}
        return Bill(currency=bill["currency"], totals=totals, lines=bill["lines"])

    def caches(self, *, status: str | None = None) -> list[Json]:
        """Return the cache objects of all accounts that are not deleted.

        Args:
            status: Only those of this status.
        """
        caches: list[Json] = self.control("GET", "caches")["data"]
        return [c for c in caches if status is None or c["status"] == status]

    def creates(self) -> int:
        """Return how many caches were ever made, over all accounts."""
        return sum(self.control("GET", "caches")["creates"].values())

    def clear(self) -> None:
        """Forget faults, answers in waiting and the request log; caches stay."""
        for name in ("faults", "answers", "requests"):
            self.control("DELETE", name)


def _request(entry: Json) -> RecordedRequest:
    return RecordedRequest(**{k: v for k, v in entry.items() if k != "engine"})
