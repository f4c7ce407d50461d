"""What the engine answers, and the pieces in which a stream hands it over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Reply", "deltas"]

PIECE: Final = 8
"""Characters in one piece of a stream: about two tokens, as a model would send."""

PIECES: Final = 200
"""About how many pieces a long text is cut into; longer texts get longer pieces."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of the engine.

    Attributes:
        content: The text, or None when the answer is tool calls alone.
        tool_calls: Calls in the form of the chat-completions API: ``id``, ``type`` and
            ``function`` with ``name`` and ``arguments``, the latter a JSON text.
        finish_reason: ``"stop"``, ``"length"`` or ``"tool_calls"``.
        reasoning_content: What a thinking model shows of its thoughts, or None.
    """

    content: str | None
    tool_calls: tuple[dict[str, Any], ...] = ()
    finish_reason: str = "stop"
    reasoning_content: str | None = None


def deltas(reply: Reply) -> Iterator[dict[str, Any]]:
    """Cut an answer into the ``delta`` objects of a stream.

    The first names the role. Reasoning comes before content, content before tool
    calls. Each call is announced with its index, id and name, and its arguments follow
    in pieces. Put together again in order, the pieces are the answer, character by
    character.

    Args:
        reply: The answer.

    Yields:
        Deltas, at least one; none carries the finish reason.
    """
    yield {"role": "assistant", "content": "" if reply.content is not None else None}
    for piece in _pieces(reply.reasoning_content):
        yield {"reasoning_content": piece}
    for piece in _pieces(reply.content):
        yield {"content": piece}
    for index, call in enumerate(reply.tool_calls):
        yield from _call_deltas(index, call)


def _call_deltas(index: int, call: dict[str, Any]) -> Iterator[dict[str, Any]]:
    function = call["function"]
    announced = {**call, "index": index, "function": {**function, "arguments": ""}}
    yield {"tool_calls": [announced]}
    for piece in _pieces(function["arguments"]):
        yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _pieces(text: str | None) -> Iterator[str]:
    if not text:
        return
    step = max(PIECE, len(text) // PIECES)
    for start in range(0, len(text), step):
        yield text[start : start + step]
