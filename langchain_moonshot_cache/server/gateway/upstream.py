"""The engine behind a URL: any server that speaks chat completions as OpenAI does."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import httpx

from langchain_moonshot_cache.server.backend import EngineError
from langchain_moonshot_cache.server.gateway.events import Events
from langchain_moonshot_cache.server.gateway.troubles import (
    broken_off,
    fell_silent,
    unreadable,
    upstream_refusal,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from langchain_moonshot_cache.server.backend import Question

__all__ = ["Upstream", "UpstreamSettings"]

Json = dict[str, Any]

CONNECT_WITHIN: Final = 5.0
"""Seconds to reach the engine, which is near or not there."""
KEEP_IDLE: Final = 4.0
"""Seconds that an idle connection is kept. Servers close idle ones after 5 (uvicorn,
which vLLM and SGLang run on) or later, and one that closes just as it is used again
would fail a call."""
LARGEST_ANSWER: Final = 64 * 1024 * 1024
"""Bytes: far beyond any model's longest answer, and no threat to the memory."""
LARGEST_REFUSAL: Final = 4 * 1024 * 1024
"""Bytes of an error's body: some engines quote the whole request in it."""
OK: Final = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class UpstreamSettings:
    """Where an engine is, and how it wants to be asked.

    Attributes:
        url: Its base URL, such as ``http://127.0.0.1:8000/v1``.
        key: The key it asks for, if it does.
        models: The names that clients may use, each with the engine's own name; empty
            hands every name on as it is.
        headers: Further headers of every request.
        timeout: Seconds that the engine may be silent: before its answer, and between
            two pieces of it. A long prefix takes a small machine minutes.
        connections: Most connections at a time; more calls wait for one.
        cache_salt: Whether to send ``cache_salt``, by which vLLM keeps the prefixes of
            accounts apart. Other engines may refuse or ignore it.
    """

    url: str
    key: str | None = field(default=None, repr=False)
    models: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout: float = 600.0
    connections: int = 1000
    cache_salt: bool = False


class Upstream:
    """An engine that is asked over HTTP, through one pool of connections."""

    def __init__(self, settings: UpstreamSettings) -> None:
        self._settings = settings
        self._client = httpx.AsyncClient(
            base_url=settings.url,
            headers=_headers(settings),
            timeout=httpx.Timeout(settings.timeout, connect=CONNECT_WITHIN),
            limits=httpx.Limits(
                max_connections=settings.connections,
                max_keepalive_connections=settings.connections,
                keepalive_expiry=KEEP_IDLE,
            ),
            trust_env=False,
        )

        self._chat = self._client.base_url.join("chat/completions")

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names that clients may ask for; None if only the engine knows."""
        return tuple(self._settings.models) or None

    async def models(self) -> list[str]:
        """Return the names of the map, or else those that the engine lists."""
        answer = await self._get("models")
        if self.names is not None:
            return list(self.names)
        data = answer.get("data")
        if not isinstance(data, list):
            raise unreadable("a list of models")
        return [str(entry["id"]) for entry in data if isinstance(entry, dict)]

    async def complete(self, question: Question) -> Json:
        """Answer a question as a whole."""
        request = self._request(question, stream=False)
        async with self._answered(request) as response:
            answer = _object(await _read(response, most=LARGEST_ANSWER))
        if not isinstance(answer.get("choices"), list) or not answer["choices"]:
            raise unreadable("a completion")
        return {**answer, "model": question.fields["model"]}

    async def stream(self, question: Question) -> AsyncGenerator[Json, None]:
        """Answer a question piece by piece."""
        request = self._request(question, stream=True)
        async with self._answered(request) as response:
            kind = response.headers.get("content-type", "")
            if not kind.startswith("text/event-stream"):
                raise unreadable("a stream of events")
            events = Events()
            async for data in response.aiter_raw():
                for chunk in events.feed(data):
                    yield {**chunk, "model": question.fields["model"]}
            if not events.complete:
                raise broken_off()

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    def _request(self, question: Question, *, stream: bool) -> httpx.Request:
        fields = question.fields
        changes: Json = {"model": self._upstream_name(fields["model"])}
        if stream:
            asked = fields.get("stream_options") or {}
            changes |= {"stream_options": {**asked, "include_usage": True}}
        if self._settings.cache_salt and question.account:
            changes["cache_salt"] = question.account
        body = question.body(stream=stream, **changes)
        return self._client.build_request("POST", self._chat, content=body)

    def _upstream_name(self, model: str) -> str:
        return self._settings.models.get(model, model)

    async def _get(self, path: str) -> Json:
        request = self._client.build_request("GET", path)
        async with self._answered(request) as response:
            return _object(await _read(response, most=LARGEST_ANSWER))

    @asynccontextmanager
    async def _answered(self, request: httpx.Request) -> AsyncIterator[httpx.Response]:
        """Send a request; what fails on the way or while it is read is told plainly."""
        try:
            response = await self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            raise _unanswered(error) from error
        try:
            if response.status_code != OK:
                body = await _read(response, most=LARGEST_REFUSAL, cut=True)
                raise upstream_refusal(response.status_code, response.headers, body)
            yield response
        except httpx.HTTPError as error:
            raise _unfinished(error) from error
        finally:
            await response.aclose()


def _unanswered(error: httpx.HTTPError) -> EngineError:
    """Return what becomes of a request that got no answer."""
    if isinstance(error, httpx.PoolTimeout):
        message = "Too many calls are waiting for the engine."
        return EngineError("busy", message, status=503, kind="engine_overloaded_error")
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return EngineError("unreachable", "The engine cannot be reached.", status=502)
    if isinstance(error, httpx.TimeoutException):
        return fell_silent("The engine did not answer in time.")
    message = "The engine closed the connection without an answer."
    return EngineError("broken", message, status=502)


def _unfinished(error: httpx.HTTPError) -> EngineError:
    """Return what becomes of an answer that did not end."""
    if isinstance(error, httpx.TimeoutException):
        return fell_silent("The engine fell silent in the middle of its answer.")
    return broken_off()


def _headers(settings: UpstreamSettings) -> dict[str, str]:
    # Compressed streams would have to be taken apart to be handed on in time.
    headers = {"Accept-Encoding": "identity", "Content-Type": "application/json"}
    if settings.key is not None:
        headers["Authorization"] = f"Bearer {settings.key}"
    return headers | dict(settings.headers)


async def _read(response: httpx.Response, *, most: int, cut: bool = False) -> bytes:
    """Read a body; a longer one is cut, or not an answer."""
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_raw():
        size += len(part)
        if size > most and cut:
            break
        if size > most:
            raise unreadable("an answer of a reasonable size")
        parts.append(part)
    return b"".join(parts)


def _object(body: bytes) -> Json:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise unreadable("JSON")
    if isinstance(value.get("error"), dict | str) and "choices" not in value:
        message = "The engine failed under status 200."
        raise EngineError("malformed", message, status=502)
    return value
