"""The scripted engine as the stand-in uses it: answers by rules, or from a queue."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .engine import SYSTEM_FINGERPRINT, Reply, ScriptedEngine, deltas, thinks
from .kimi_rules import THINKING
from .marks import implements
from .rules import SCRIPTED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

__all__ = ["Script"]

Json = dict[str, Any]

# What a thinking model thought about an answer that was handed to it without thoughts.
FORETOLD = "The answer stands in the script."


class Script:
    """The scripted engine, with a queue of answers that a test puts before it."""

    fingerprint = SYSTEM_FINGERPRINT

    def __init__(self) -> None:
        self._engine = ScriptedEngine()
        self._next: deque[Reply] = deque()

    @property
    def waiting(self) -> int:
        """How many answers are left in the queue."""
        return len(self._next)

    def answer_next(self, answers: Iterable[str | Json]) -> None:
        """Append answers to the queue; each serves one call, whoever makes it.

        Args:
            answers: Texts, or objects with ``content``, ``tool_calls``,
                ``reasoning_content`` and ``finish_reason``. A tool call is given in
                the API's form or as ``{"name", "arguments"}`` with arguments as
                text or as an object.
        """
        self._next.extend([_reply(answer) for answer in answers])

    def clear(self) -> None:
        """Forget the answers that were not asked for."""
        self._next.clear()

    @implements(SCRIPTED, THINKING)
    async def complete(self, request: Mapping[str, Any]) -> Reply:
        """Answer from the queue, or else by the engine's rules."""
        if not self._next:
            return self._engine.reply(request)
        reply = self._next.popleft()
        if reply.reasoning_content is None and thinks(request):
            return replace(reply, reasoning_content=FORETOLD)
        return reply

    async def stream(self, reply: Reply) -> AsyncIterator[Json]:
        """Hand an answer over in small pieces."""
        for delta in deltas(reply):
            yield delta


def _reply(answer: str | Json) -> Reply:
    if isinstance(answer, str):
        return Reply(content=answer)
    calls = tuple(
        _tool_call(call, index)
        for index, call in enumerate(answer.get("tool_calls") or ())
    )
    finish = answer.get("finish_reason") or ("tool_calls" if calls else "stop")
    return Reply(
        content=answer.get("content"),
        tool_calls=calls,
        finish_reason=finish,
        reasoning_content=answer.get("reasoning_content"),
    )


def _tool_call(call: Json, index: int) -> Json:
    function = call.get("function") or call
    arguments = function.get("arguments", {})
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    return {
        "id": call.get("id") or f"{function['name']}:{index}",
        "type": call.get("type", "function"),
        "function": {"name": function["name"], "arguments": arguments},
    }
