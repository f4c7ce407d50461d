"""Chat completions at the gateway: streams, handed on as they come."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.server.backend import EngineError, dumped
from langchain_moonshot_cache.server.connection import ClientGoneError
from langchain_moonshot_cache.server.gateway.presence import while_there
from langchain_moonshot_cache.server.gateway.rules import SAVED_LATER
from langchain_moonshot_cache.server.gateway.settling import (
    cache_headers,
    settle,
    use,
)
from langchain_moonshot_cache.server.gateway.troubles import broken_off
from langchain_moonshot_cache.server.gateway.usage import (
    Reported,
    read_usage,
    tells,
    told,
)
from langchain_moonshot_cache.server.marks import implements
from langchain_moonshot_cache.server.streaming import DONE, EVENT_STREAM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

    from langchain_moonshot_cache.server.backend import Question
    from langchain_moonshot_cache.server.gateway.prompts import Prompt
    from langchain_moonshot_cache.server.gateway.visit import Visit

__all__ = ["Stream"]

Json = dict[str, Any]


class Stream:
    """An ASGI answer: one event for each chunk, taken from the engine when it is sent.

    Nothing is kept in between: a client that reads slowly holds its engine's stream
    back, and one that goes away ends it.
    """

    def __init__(self, visit: Visit, question: Question, prompt: Prompt) -> None:
        self._visit = visit
        self._question = question
        self._prompt = prompt
        asked = question.fields.get("stream_options") or {}
        self._with_usage = bool(asked.get("include_usage"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer.

        Raises:
            EngineError: When the engine refuses before anything was sent.
            ClientGoneError: When the client goes away.
        """
        del scope
        try:
            await while_there(receive, self._hand_on(send))
        except ClientGoneError:
            settle(self._visit, self._prompt)
            raise
        settle(self._visit, self._prompt)

    async def _hand_on(self, send: Send) -> None:
        engine, metrics = self._visit.world.engine, self._visit.world.metrics
        with metrics.asking():
            async with aclosing(engine.stream(self._question)) as chunks:
                first = await anext(chunks, None)
                if first is None:
                    raise broken_off()
                await self._begin(send)
                await self._send(send, first)
                await self._send_all(send, chunks)

    @implements(SAVED_LATER)
    async def _begin(self, send: Send) -> None:
        expired_at = await use(self._visit, self._prompt)
        headers = {
            "Content-Type": f"{EVENT_STREAM}; charset=utf-8",
            "Cache-Control": "no-cache",
            "X-Accel-Buffering": "no",  # nginx would else collect the stream
            **cache_headers(self._prompt, saved=None, expired_at=expired_at),
        }
        raw = [(name.lower().encode(), text.encode()) for name, text in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": raw})

    async def _send_all(self, send: Send, chunks: AsyncIterator[Json]) -> None:
        last = DONE
        try:
            async for chunk in chunks:
                await self._send(send, chunk)
        except EngineError as error:
            # The status is out; the API tells of it in an event, and does not end.
            self._visit.world.metrics.failed(error)
            self._visit.trouble = error.trouble
            told_error = {"error": {"type": error.kind, "message": error.message}}
            last = _event(told_error)
        await send({"type": "http.response.body", "body": last})

    async def _send(self, send: Send, chunk: Json) -> None:
        visit = self._visit
        if visit.first is None and _says_something(chunk):
            visit.first = visit.elapsed()
        if tells(chunk):
            visit.reported = _joined(visit.reported, read_usage(chunk))
        if "usage" in chunk:
            usage = told(chunk["usage"], visit.reported)
            chunk = {**chunk, "usage": usage}
            if not self._with_usage:
                del chunk["usage"]
                if not chunk.get("choices"):
                    return
        body = _event(chunk)
        await send({"type": "http.response.body", "body": body, "more_body": True})


def _event(value: Json) -> bytes:
    return b"data: " + dumped(value) + b"\n\n"


def _says_something(chunk: Json) -> bool:
    """Tell whether a chunk holds more than the role of who speaks."""
    for choice in chunk.get("choices") or ():
        delta = choice.get("delta") or {}
        if any(value for name, value in delta.items() if name != "role"):
            return True
    return False


def _joined(before: Reported, after: Reported) -> Reported:
    """Return what two chunks told, the later one first."""
    return Reported(
        prompt=before.prompt if after.prompt is None else after.prompt,
        cached=before.cached if after.cached is None else after.cached,
        completion=(
            before.completion if after.completion is None else after.completion
        ),
    )
