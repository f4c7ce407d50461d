"""What a model reads of a prompt: its tools and messages as one row of pieces.

A prefix cache compares what the model reads, not what was sent. So a message is taken
apart here into what reaches the model and in which order; how it was written in JSON
is left behind, except inside the argument texts of tool calls, which a model reads
character by character.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .engine.conversation import as_list, as_object, as_text
from .kimi_rules import GENERATED_TURNS, RENDERED
from .marks import implements
from .tokens import count_leaves, count_text

__all__ = ["Piece", "count_message", "count_prompt", "render_message", "render_tool"]

Json = Mapping[str, Any]

TURN_TOKENS: Final = 1
"""The role and the delimiters of one message: the recorded 72 leave no more room."""

MEDIA_TOKENS: Final = 1024
"""One image or other attachment. Assumed: its bytes say nothing about its tokens."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of what the model reads.

    Attributes:
        kind: What it is, so that equal texts in other places are told apart.
        text: What stands there.
        tokens: How many tokens it takes if it is one whole, such as an image; None for
            a text, which may be matched up to any of its tokens.
    """

    kind: str
    text: str
    tokens: int | None = None

    def count(self) -> int:
        """Return how many tokens the piece takes."""
        return count_text(self.text) if self.tokens is None else self.tokens


@implements(RENDERED)
def render_tool(tool: Json) -> Piece:
    """Return the piece that a tool's definition is; the order of its keys matters."""
    return Piece("tool", json.dumps(tool.get("function")), _count_tool(tool))


def _count_tool(tool: Json) -> int:
    return count_leaves(tool.get("function"))


@implements(RENDERED, GENERATED_TURNS)
def render_message(message: Json) -> Iterator[Piece]:
    """Yield the pieces of one message, in the order in which a model writes a turn.

    Args:
        message: A message in the form of the chat-completions API. Fields that no
            model reads, such as ``cache_control``, leave no trace.
    """
    head = f"{message.get('role')} {message.get('tool_call_id') or ''}"
    yield Piece("turn", head, TURN_TOKENS)
    for field in ("name", "reasoning_content"):
        if isinstance(text := message.get(field), str) and text:
            yield Piece(field, text)
    yield from _content(message.get("content"))
    for call in map(as_object, as_list(message.get("tool_calls"))):
        function = as_object(call.get("function"))
        yield Piece(
            "call", f"{as_text(call.get('id'))} {as_text(function.get('name'))}"
        )
        yield Piece("arguments", as_text(function.get("arguments")))


def _content(content: Any) -> Iterator[Piece]:
    """Yield texts, neighbouring ones as one, and attachments in their order."""
    parts = [content] if isinstance(content, str) else as_list(content)
    text = ""
    for part in parts:
        found = part.get("text") if isinstance(part, Mapping) else part
        if isinstance(found, str):
            text += found
            continue
        if text:
            yield Piece("content", text)
        text = ""
        yield Piece("media", json.dumps(part), MEDIA_TOKENS)
    if text:
        yield Piece("content", text)


def count_message(message: Json) -> int:
    """Estimate the tokens of one chat message.

    Args:
        message: A message in the form of the chat-completions API.

    Returns:
        Tokens, the message's delimiters included.
    """
    return sum(piece.count() for piece in render_message(message))


def count_prompt(messages: Sequence[Json], tools: Sequence[Json] | None) -> int:
    """Estimate the tokens of a whole prompt.

    Args:
        messages: The messages, in the form of the chat-completions API.
        tools: The tools' definitions, or None.

    Returns:
        Tokens: the sum over the messages and over the tools.
    """
    return sum(map(count_message, messages)) + sum(map(_count_tool, tools or ()))
