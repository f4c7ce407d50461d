"""What moved among the messages of two requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.prefix.drift.finding import Cause
from langchain_moonshot_cache.prefix.drift.moving import alike, moved
from langchain_moonshot_cache.prefix.drift.parting import MISSING, Parting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["in_message"]

Told = tuple[Cause, str]

_INSTRUCTIONS = ("system", "developer")


def in_message(
    found: Parting,
    before: Sequence[Mapping[str, Any]],
    after: Sequence[Mapping[str, Any]],
) -> Told:
    """Name what changed in a conversation.

    Args:
        found: Where the messages part.
        before: The messages of the earlier request.
        after: Those of the later one.

    Returns:
        The cause and a detail, which quotes nothing.
    """
    index = int(found.path[1])
    if other := _shifted(index, before, after):
        return other
    field = found.path[2]
    if field == "reasoning_content":
        return Cause.REASONING, _coming_or_going(found)
    if field == "tool_call_id" or found.path[-1:] == ("id",):
        return Cause.CALL_ID, ""
    if field == "content" and _is_about_media(found):
        return Cause.IMAGE, _coming_or_going(found)
    cause, detail = Cause.TEXT, ""
    if found.offset is not None:
        cause, detail = moved(found.before, found.after, found.offset)
    if cause is Cause.TEXT:
        cause = _whose(found, before, after)
    return cause, detail


def _shifted(
    index: int,
    before: Sequence[Mapping[str, Any]],
    after: Sequence[Mapping[str, Any]],
) -> Told | None:
    """Tell whether messages were put in or taken out where the two part."""
    left, come = list(before[index:]), list(after[index:])
    gone, new = _place_of(come[:1], left), _place_of(left[:1], come)
    if gone and not (new and new < gone):
        return Cause.REMOVED, f"{gone} before what follows"
    return (Cause.INSERTED, f"{new} before what follows") if new else None


def _place_of(first: list[Any], others: list[Any]) -> int:
    """Find a message among others; nothing stands behind all of them."""
    if not first:
        return len(others)
    return others.index(first[0]) if first[0] in others else 0


def _coming_or_going(found: Parting) -> str:
    if found.after is MISSING:
        return "left out"
    return "new" if found.before is MISSING else ""


def _is_about_media(found: Parting) -> bool:
    """Tell whether a content differs in a part that is no text."""
    if found.path[-1] == "text":
        return False
    sides = (found.before, found.after)
    return len(found.path) > len(("messages", 0, "content")) or any(
        isinstance(side, list | tuple) for side in sides
    )


def _whose(
    found: Parting,
    before: Sequence[Mapping[str, Any]],
    after: Sequence[Mapping[str, Any]],
) -> Cause:
    """Judge a change that has no name by whose message it is in."""
    index = int(found.path[1])
    role = after[index].get("role")
    texts = found.offset is not None
    similar = texts and alike(found.before, found.after, found.offset or 0)
    if role in _INSTRUCTIONS:
        return Cause.TEXT if similar else Cause.PROMPT
    last = index in {len(before) - 1, len(after) - 1}
    if role == "assistant" or (similar and not last):
        return Cause.TEXT
    return Cause.QUESTION
