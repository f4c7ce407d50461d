"""Prompts that ask for JSON in words: the schema that such a prompt shows."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from langchain_moonshot_cache.server.engine.conversation import Conversation

__all__ = ["embedded_schema", "without_format"]

LONGEST_PROMPT: Final = 20_000
"""Characters at the end of a text in which a schema is looked for."""

MOST_BRACES: Final = 200
"""Opening braces at which a JSON object is tried."""

# An order, not just the words: a document on JSON schemas must not ask for JSON.
_ANNOUNCED: Final = re.compile(
    r"\b(?:output|answer|respon[ds]e?|reply|return)\b.{0,80}json.{0,40}schema",
    re.IGNORECASE | re.DOTALL,
)
_FORMAT_LINE: Final = re.compile(r"^[^\n]*\bJSON\b", re.IGNORECASE | re.MULTILINE)


def embedded_schema(talk: Conversation) -> Mapping[str, Any] | None:
    """Find the JSON schema that a prompt wants its answer to conform to.

    Args:
        talk: The conversation.

    Returns:
        The last schema with properties in the newest text that announces one; None if
        no text does. An example in front of the real schema is thereby passed over.
    """
    for text in (talk.question, *reversed(talk.texts)):
        tail = text[-LONGEST_PROMPT:]
        if _ANNOUNCED.search(tail) and (found := _last_schema(tail)):
            return found
    return None


def without_format(question: str) -> str:
    """Cut a question before the line that starts to speak of JSON.

    Args:
        question: The question.

    Returns:
        The part before it; the whole question if nothing stands before it.
    """
    found = _FORMAT_LINE.search(question)
    head = question[: found.start()].strip() if found else ""
    return head or question


def _last_schema(text: str) -> Mapping[str, Any] | None:
    decoder = json.JSONDecoder()
    schema, place = None, text.find("{")
    for _ in range(MOST_BRACES):
        if place < 0:
            break
        try:
            value, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            end = place + 1
        else:
            if isinstance(value.get("properties"), Mapping):
                schema = value
        place = text.find("{", end)
    return schema
