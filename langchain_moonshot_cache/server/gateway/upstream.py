"""The engine behind a URL: any server that speaks chat completions as OpenAI does."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from langchain_moonshot_cache.server.backend import loaded
from langchain_moonshot_cache.server.gateway.events import Events
from langchain_moonshot_cache.server.gateway.http import Pool, Response
from langchain_moonshot_cache.server.gateway.troubles import (
    broken_off,
    failed_under_ok,
    unreadable,
    upstream_refusal,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping
    from contextlib import AbstractAsyncContextManager

    from langchain_moonshot_cache.server.backend import EngineError, Question

    AnsweredRequest = AbstractAsyncContextManager[Response]

__all__ = ["Upstream", "UpstreamSettings"]

Json = dict[str, Any]

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
        self._pool = Pool(
            settings.url,
            headers=_headers(settings),
            patience=settings.timeout,
            connections=settings.connections,
        )

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names that clients may ask for; None if only the engine knows."""
        return tuple(self._settings.models) or None

    async def models(self) -> list[str]:
        """Return the names of the map, or else those that the engine lists."""
        async with self._answered("GET", "models") as response:
            answer = _object(await _read(response, most=LARGEST_ANSWER))
        if self.names is not None:
            return list(self.names)
        data = answer.get("data")
        if not isinstance(data, list):
            raise unreadable("a list of models")
        return [str(entry["id"]) for entry in data if isinstance(entry, dict)]

    async def complete(self, question: Question) -> Json:
        """Answer a question as a whole."""
        async with self._asked(question, stream=False) as response:
            answer = _object(await _read(response, most=LARGEST_ANSWER))
        if not isinstance(answer.get("choices"), list) or not answer["choices"]:
            raise unreadable("a completion")
        return {**answer, "model": question.fields["model"]}

    async def stream(self, question: Question) -> AsyncGenerator[Json, None]:
        """Answer a question piece by piece."""
        async with self._asked(question, stream=True) as response:
            kind = response.headers.get("content-type", "")
            if not kind.lower().startswith("text/event-stream"):
                body = await _read(response, most=LARGEST_REFUSAL, cut=True)
                raise _failed(loaded(body)) or unreadable("a stream of events")
            events = Events()
            async with aclosing(response.parts()) as parts:
                async for data in parts:
                    for chunk in events.feed(data):
                        yield {**chunk, "model": question.fields["model"]}
                    if events.done:
                        await response.finish()
                        break
            if not events.complete:
                raise broken_off()

    async def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    def _asked(self, question: Question, *, stream: bool) -> AnsweredRequest:
        fields = question.fields
        changes: Json = {"model": self._upstream_name(fields["model"])}
        if stream:
            asked = fields.get("stream_options") or {}
            changes |= {"stream_options": {**asked, "include_usage": True}}
        if self._settings.cache_salt and question.account:
            changes["cache_salt"] = question.account
        body = question.body(stream=stream, **changes)
        return self._answered("POST", "chat/completions", body)

    def _upstream_name(self, model: str) -> str:
        return self._settings.models.get(model, model)

    @asynccontextmanager
    async def _answered(
        self, method: str, path: str, body: bytes = b""
    ) -> AsyncIterator[Response]:
        """Send a request; lend its answer, unless it is an error."""
        async with self._pool.request(method, path, body) as response:
            if response.status != OK:
                told = await _read(response, most=LARGEST_REFUSAL, cut=True)
                raise upstream_refusal(response.status, response.headers, told)
            if response.headers.get("content-encoding", "identity") != "identity":
                raise unreadable("a body without compression, as it was asked")
            yield response


def _headers(settings: UpstreamSettings) -> dict[str, str]:
    # Compressed streams would have to be taken apart to be handed on in time.
    headers = {"Accept-Encoding": "identity", "Content-Type": "application/json"}
    if settings.key is not None:
        headers["Authorization"] = f"Bearer {settings.key}"
    given = {name.title(): value for name, value in settings.headers.items()}
    return headers | given  # names have no case, and none may stand there twice


async def _read(response: Response, *, most: int, cut: bool = False) -> bytes:
    """Read a body; a longer one is cut, or not an answer."""
    parts: list[bytes] = []
    size = 0
    async for part in response.parts():
        size += len(part)
        if size > most and cut:
            break
        if size > most:
            raise unreadable("an answer of a reasonable size")
        parts.append(part)
    return b"".join(parts)


def _object(body: bytes) -> Json:
    value = loaded(body)
    if not isinstance(value, dict):
        raise unreadable("JSON")
    failure = _failed(value)
    if failure is not None:
        raise failure
    return value


def _failed(answer: Any) -> EngineError | None:
    """Return the failure that an answer is, under whatever status."""
    if not isinstance(answer, dict) or "choices" in answer:
        return None
    is_error = isinstance(answer.get("error"), dict | str)
    return failed_under_ok(answer) if is_error else None
