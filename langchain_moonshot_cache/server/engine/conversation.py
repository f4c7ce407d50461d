"""Reading a request: what is asked, what was called, what came back.

A request has passed the server's validation, yet nothing here relies on more than its
being JSON: what has another shape than expected is read as absent.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

__all__ = ["Call", "Conversation", "as_list", "as_object", "as_text", "read"]

LONG_QUESTION: Final = 2000
"""Characters beyond which a user message is a document with a question beside it."""

LONGEST_MATERIAL: Final = 4000
"""Characters of tool results that values are made from."""

_ASKS: Final = re.compile(r"[?？:：]\s*$")


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call of an earlier turn and, once there is one, its result.

    Attributes:
        id: The call's id.
        name: The tool's name.
        arguments: The arguments as sent, a JSON text.
        result: The text of the tool message that answers the call, or None.
    """

    id: str
    name: str
    arguments: str
    result: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What makes two calls the same, however their arguments are spaced."""
        return self.name, canonical(self.arguments)


@dataclass(frozen=True, slots=True)
class Conversation:
    """A request's messages, as the rules look at them.

    Attributes:
        question: What the last user message asks, without any document before it.
        texts: Every other text that an answer may be found in, oldest first.
        calls: All earlier tool calls.
        fresh: Those of them that were answered since the last user message.
        media: How many attachments of each media type the last user message has.
    """

    question: str
    texts: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    fresh: tuple[Call, ...] = ()
    media: Mapping[str, int] = field(default_factory=dict)

    @property
    def material(self) -> str:
        """What values are made from: fresh results, or else the question."""
        results = "\n".join(call.result or "" for call in self.fresh)
        return results[:LONGEST_MATERIAL] or self.question


def as_object(value: Any) -> Mapping[str, Any]:
    """Give a JSON object, or an empty one in place of anything else."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: Any) -> Sequence[Any]:
    """Give a JSON array, or an empty one in place of anything else."""
    return value if isinstance(value, list | tuple) else ()


def as_text(value: Any) -> str:
    """Give a JSON string, or an empty one in place of anything else."""
    return value if isinstance(value, str) else ""


def canonical(arguments: str) -> str:
    """Write arguments in one form, so that equal ones compare equal."""
    try:
        return json.dumps(json.loads(arguments), sort_keys=True)
    except (ValueError, RecursionError):
        return arguments


def read(messages: Any) -> Conversation:
    """Read the messages of a request.

    Args:
        messages: The request's ``messages``.

    Returns:
        The conversation; an empty one for an empty list.
    """
    turns = [as_object(message) for message in as_list(messages)]
    asked = _last_question(turns)
    if asked is None:
        return Conversation(question="")
    document, question = _split(_text(turns[asked].get("content")))
    texts = [
        _text(turn.get("content"))
        for turn in turns[:asked]
        if turn.get("role") in ("system", "user")
    ]
    calls = _calls(turns)
    fresh = (call for at, call in calls if at > asked and call.result is not None)
    return Conversation(
        question=question,
        texts=tuple(filter(None, dict.fromkeys([*texts, document]))),
        calls=tuple(call for _, call in calls),
        fresh=tuple(fresh),
        media=Counter(_media(turns[asked].get("content"))),
    )


def _last_question(turns: Sequence[Mapping[str, Any]]) -> int | None:
    """Find the last user message; the last message of all if no user spoke."""
    for at in range(len(turns) - 1, -1, -1):
        if turns[at].get("role") == "user":
            return at
    return len(turns) - 1 if turns else None


def _split(text: str) -> tuple[str, str]:
    """Part a long user message into its document and its question.

    The question is the last line, or the first if only that one looks like a question.
    """
    body = text.strip()
    if len(body) <= LONG_QUESTION:
        return "", body
    first, last = body.find("\n", 0, LONG_QUESTION), body.rfind("\n", -LONG_QUESTION)
    if first > 0 and _ASKS.search(body[:first]) and not _ASKS.search(body[last:]):
        return body[first:], body[:first]
    cut = last + 1 or len(body) - LONG_QUESTION
    return body[:cut], body[cut:]


def _text(content: Any) -> str:
    """Join a content's text parts."""
    if isinstance(content, str):
        return content
    parts = as_list(content)
    found = (
        p if isinstance(p, str) else as_text(as_object(p).get("text")) for p in parts
    )
    return "\n".join(filter(None, found))


def _media(content: Any) -> Iterator[str]:
    """Name the media type of every part that is no text."""
    for part in map(as_object, as_list(content)):
        kind = as_text(part.get("type"))
        if kind in ("", "text"):
            continue
        body = as_object(part.get(kind))
        url = as_text(body.get("url")) or as_text(body.get("file_data"))
        head = url[5:64].partition(";")[0] if url.startswith("data:") else ""
        yield head or kind.partition("_")[0]


def _calls(turns: Sequence[Mapping[str, Any]]) -> list[tuple[int, Call]]:
    """Pair every call with its result, and say in which turn it was made.

    A result belongs to the latest call of its id: some clients use ids again.
    """
    calls: list[tuple[int, Call]] = []
    places: dict[str, int] = {}
    for at, turn in enumerate(turns):
        for call in map(as_object, as_list(turn.get("tool_calls"))):
            function = as_object(call.get("function"))
            call_id, name = as_text(call.get("id")), as_text(function.get("name"))
            places[call_id] = len(calls)
            calls.append((at, Call(call_id, name, as_text(function.get("arguments")))))
        place = places.get(as_text(turn.get("tool_call_id")))
        if turn.get("role") == "tool" and place is not None:
            made, answered = calls[place]
            result = _text(turn.get("content"))
            calls[place] = made, replace(answered, result=result)
    return calls
