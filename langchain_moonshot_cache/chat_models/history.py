"""Messages on their way to the wire, byte for byte as they came from it.

The prefix that the provider holds is what the model *generated*. A client that parses
the arguments of a tool call and writes them again, with other spaces or escapes, sends
other bytes, and the match ends at that turn. LangChain keeps the parsed arguments, so
what was received is kept beside them and sent back while the two still agree.
"""

from __future__ import annotations

import json
import weakref
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage
from langchain_core.utils.json import parse_partial_json

from langchain_moonshot_cache.chat_models.marks import without_markers
from langchain_moonshot_cache.chat_models.views import view

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
        wire["content"] = _generated_text(wire["content"])
    if calls := wire.get("tool_calls"):
        wire["tool_calls"] = _as_received(calls, message)
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


_NOT_SAID = {"reasoning", "tool_call", "tool_call_chunk", "invalid_tool_call"}
"""Content blocks that stand elsewhere in a turn on the wire."""


def _generated_text(content: Sequence[Any]) -> Any:
    """Make of content blocks the one string that was generated, if it was one."""
    rest = [
        block
        for block in content
        if not (isinstance(block, dict) and block.get("type") in _NOT_SAID)
    ]
    texts = [block.get("text") if isinstance(block, dict) else block for block in rest]
    if all(isinstance(text, str) for text in texts):
        return "".join(map(str, texts)) or None
    return rest


def _as_received(calls: Sequence[Wire], message: AIMessage) -> list[Wire]:
    """Send arguments as they were received, unless the call was changed since."""
    raw = message.additional_kwargs.get(RAW_CALLS) or []
    left = [call for call in raw if isinstance(call, dict)]
    known: list[tuple[int, Wire]] = []
    for call in calls:
        same = next((one for one in left if _is_same(one, call)), None)
        if same is None:
            known.append((-1, call))
            continue
        left.remove(same)
        function = {**call["function"], "arguments": same["arguments"]}
        known.append((raw.index(same), {**call, "function": function}))
    places = [place for place, _ in known]
    if message.invalid_tool_calls and -1 not in places:
        # LangChain puts calls that it cannot read behind the others.
        known.sort(key=itemgetter(0))
    return [call for _, call in known]


def _is_same(received: Mapping[str, Any], call: Wire) -> bool:
    """Tell whether a call about to be sent is one that was received."""
    function = call.get("function") or {}
    return (
        received.get("id") == call.get("id")
        and received.get("name") == function.get("name")
        and isinstance(received.get("arguments"), str)
        and _meaning(received["arguments"]) == _meaning(function.get("arguments") or "")
    )


def _meaning(arguments: str) -> str:
    """Read arguments as leniently as LangChain does, so that what it read is found."""
    try:
        value = json.loads(arguments or "{}", strict=False)
    except ValueError:
        try:
            value = parse_partial_json(arguments)
        except ValueError:
            return arguments
    return json.dumps(value or {}, sort_keys=True)
