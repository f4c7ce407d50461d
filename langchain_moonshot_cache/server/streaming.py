"""A chat answer as server-sent events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .connection import cut
from .faults import STREAM_KINDS, Fault
from .kimi_rules import STREAM_USAGE_ASKED
from .marks import implements
from .models import caches_prefixes
from .rules import STREAM_USAGE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

    from .calls import Call
    from .chat import Completion

__all__ = ["DONE", "EVENT_STREAM", "EventStream"]

Json = dict[str, Any]

EVENT_STREAM = "text/event-stream"
DONE = b"data: [DONE]\n\n"


class EventStream:
    """An ASGI answer that sends one event for each chunk."""

    def __init__(self, call: Call, completion: Completion, *, with_usage: bool) -> None:
        """Prepare a stream.

        Args:
            call: The call that is answered.
            completion: The answer.
            with_usage: Whether the request asks for a chunk of its own for usage.
        """
        self._call = call
        self._completion = completion
        self._with_usage = with_usage

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events, or as many as a scripted fault lets through."""
        exchange = self._call.exchange
        fault = self._call.world.faults.take(
            STREAM_KINDS, method=exchange.method, path=exchange.path
        )
        headers = {
            "Content-Type": f"{EVENT_STREAM}; charset=utf-8",
            "Cache-Control": "no-cache",
            **self._completion.headers,
        }
        raw = [(name.lower().encode(), text.encode()) for name, text in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": raw})
        sent = 0
        async for chunk in self._chunks():
            if fault is not None and sent >= fault.chunks:
                await _break_off(fault, scope, receive, send)
                return
            await _send_event(send, chunk)
            sent += 1
        await send({"type": "http.response.body", "body": DONE})

    async def _chunks(self) -> AsyncIterator[Json]:
        completion = self._completion
        if completion.reply is not None:
            async for delta in self._call.world.script.stream(completion.reply):
                yield self._chunk([{"index": 0, "delta": delta, "finish_reason": None}])
        for chunk in self._last_chunks():
            yield chunk

    @implements(STREAM_USAGE, STREAM_USAGE_ASKED)
    def _last_chunks(self) -> list[Json]:
        completion, layout = self._completion, self._call.world.settings.usage_layout
        usage = completion.wire_usage()
        asked = self._with_usage and usage is not None
        in_choice = asked or (
            usage is not None and not caches_prefixes(completion.model)
        )
        chunks = []
        if completion.reply is not None:
            finish = completion.reply.finish_reason
            choice: Json = {"index": 0, "delta": {}, "finish_reason": finish}
            if in_choice and layout != "chunk":
                choice["usage"] = usage
            chunks.append(self._chunk([choice]))
        if completion.reply is None or (asked and layout != "choice"):
            chunks.append({**self._chunk([]), "usage": usage})
        return chunks

    def _chunk(self, choices: list[Json]) -> Json:
        return {**self._completion.frame("chat.completion.chunk"), "choices": choices}


async def _send_event(send: Send, event: Json) -> None:
    data = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    body = f"data: {data}\n\n".encode()
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _break_off(fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
    if fault.kind == "error_in_stream":
        await _send_event(send, fault.body or fault.error_body("server_error"))
        await send({"type": "http.response.body", "body": b""})
    else:
        await cut(scope, receive)
