"""Messages on their way to the wire, byte for byte as they came from it.

The prefix that the provider holds is what the model *generated*. A client that parses
the arguments of a tool call and writes them again, with other spaces or escapes, sends
other bytes, and the match ends at that turn. LangChain keeps the parsed arguments, so
what was received is kept beside them and sent back while the two still agree.
"""

from __future__ import annotations

import json
import weakref
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage

from langchain_moonshot_cache.chat_models.marks import without_markers
from langchain_moonshot_cache.chat_models.views import view
from langchain_moonshot_cache.prefix import canonical_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from langchain_core.messages import BaseMessage

__all__ = ["RAW_CALLS", "REASONING", "History", "keep_raw", "raw_deltas"]

REASONING = "reasoning_content"
"""Where the model's reasoning stands, on the wire and in ``additional_kwargs``."""

RAW_CALLS = "moonshot_tool_calls"
"""Key in ``additional_kwargs`` of the tool calls as they were received: ``index``,
``id``, ``name`` and the ``arguments`` string. Chunks of it add up to the whole."""

Wire = dict[str, Any]


def keep_raw(received: Mapping[str, Any]) -> dict[str, Any]:
    """Take from a received message what LangChain would lose.

    Args:
        received: A choice's ``message``.

    Returns:
        What belongs into ``additional_kwargs``.
    """
    kept: dict[str, Any] = {}
    if received.get(REASONING):
        kept[REASONING] = received[REASONING]
    calls = received.get("tool_calls") or ()
    raw = [_raw(index, call) for index, call in enumerate(calls)]
    if raw:
        kept[RAW_CALLS] = raw
    return kept


def raw_deltas(delta: Mapping[str, Any]) -> dict[str, Any]:
    """Take from a chunk's ``delta`` what LangChain would lose; see :func:`keep_raw`."""
    kept: dict[str, Any] = {}
    if delta.get(REASONING):
        kept[REASONING] = delta[REASONING]
    calls = delta.get("tool_calls") or ()
    raw = [_raw(call.get("index", at), call) for at, call in enumerate(calls)]
    if raw:
        kept[RAW_CALLS] = raw
    return kept


def _raw(index: int, call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function") or {}
    return {
        "index": index,
        "id": call.get("id"),
        "name": function.get("name"),
        "arguments": function.get("arguments") or "",
    }


class History:
    """Converts messages, each one once for as long as it lives unchanged.

    Args:
        convert: LangChain's own conversion of a list of messages.
    """

    def __init__(self, convert: Callable[[Sequence[BaseMessage]], list[Wire]]) -> None:
        self._convert = convert
        self._known: dict[int, tuple[weakref.ref[BaseMessage], Any, Wire]] = {}

    def to_wire(self, messages: Sequence[BaseMessage]) -> list[Wire]:
        """Convert messages.

        A message converted before is recognised by being the same object with the same
        parts; what was changed in place is converted again.
        """
        wire: list[Wire | None] = []
        fresh: list[tuple[int, Any]] = []
        for index, message in enumerate(messages):
            seen = view(message)
            known = self._known.get(id(message))
            if known is not None and known[0]() is message and known[1] == seen:
                wire.append(known[2])
            else:
                wire.append(None)
                fresh.append((index, seen))
        if fresh:
            converted = self._convert([messages[index] for index, _ in fresh])
            for (index, seen), plain in zip(fresh, converted, strict=True):
                message = messages[index]
                wire[index] = done = _faithful(message, without_markers(plain))
                self._remember(message, seen, done)
        return [message for message in wire if message is not None]

    def _remember(self, message: BaseMessage, seen: Any, wire: Wire) -> None:
        name, known = id(message), self._known
        reference = weakref.ref(message, lambda _: known.pop(name, None))
        known[name] = (reference, seen, wire)


def _faithful(message: BaseMessage, wire: Wire) -> Wire:
    """Put back into an assistant's turn what the model generated."""
    if not isinstance(message, AIMessage):
        return wire
    wire = dict(wire)
    if reasoning := _reasoning_of(message):
        wire[REASONING] = reasoning
        if isinstance(wire.get("content"), list):
            wire["content"] = _without_reasoning(wire["content"])
    if calls := wire.get("tool_calls"):
        raw = _received(message)
        wire["tool_calls"] = [_as_received(call, raw) for call in calls]
    return wire


def _reasoning_of(message: AIMessage) -> str:
    """Find the reasoning, as it was received or in standard content blocks."""
    kept = message.additional_kwargs.get(REASONING)
    if isinstance(kept, str) and kept:
        return kept
    if not isinstance(message.content, list):
        return ""
    return "".join(
        str(block.get("reasoning") or "")
        for block in message.content
        if isinstance(block, dict) and block.get("type") == "reasoning"
    )


def _without_reasoning(content: Sequence[Any]) -> Any:
    """Drop reasoning blocks; text that stood alone before becomes a string again."""
    rest = [
        block
        for block in content
        if not (isinstance(block, dict) and block.get("type") == "reasoning")
    ]
    texts = [block.get("text") for block in rest if isinstance(block, dict)]
    if len(texts) == len(rest) and all(isinstance(text, str) for text in texts):
        return "".join(map(str, texts)) or None
    return rest


def _received(message: AIMessage) -> dict[Any, tuple[Any, str]]:
    """Index the calls as they were received by their ids."""
    raw = message.additional_kwargs.get(RAW_CALLS)
    if not isinstance(raw, list):
        return {}
    return {
        call.get("id"): (call.get("name"), call.get("arguments") or "")
        for call in raw
        if isinstance(call, dict)
    }


def _as_received(call: Wire, raw: Mapping[Any, tuple[Any, str]]) -> Wire:
    """Send a call's arguments as they were received, unless they were changed since."""
    name, arguments = raw.get(call.get("id"), (None, ""))
    function = call.get("function") or {}
    if name != function.get("name") or not _agree(arguments, function["arguments"]):
        return call
    return {**call, "function": {**function, "arguments": arguments}}


def _agree(received: str, written: str) -> bool:
    """Tell whether two argument strings mean the same."""
    try:
        mine = canonical_bytes(json.loads(received))
        return mine == canonical_bytes(json.loads(written))
    except ValueError:
        return False
