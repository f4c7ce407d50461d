"""The earlier request that is worth comparing with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.prefix.drift.comparing import held_elsewhere
from langchain_moonshot_cache.prefix.drift.parting import parting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_moonshot_cache.prefix.drift.request import Request

__all__ = ["nearest"]

_ELSEWHERE = 0.5
"""What an equal message counts in a request that goes to another model or brings other
tools: nothing of it can be read, but it tells which conversation this is."""


def nearest(earlier: Sequence[Request], request: Request) -> int | None:
    """Find the earlier request that a request most likely carries on.

    It is the one that begins with the most of the same messages, then the one that has
    the most messages in common at all, then the one whose first differing message
    begins alike, then the latest.

    Args:
        earlier: Requests, the oldest first.
        request: The request that came after them.

    Returns:
        An index into ``earlier``; None if it is empty.
    """
    left = list(range(len(earlier)))
    for likeness in (_beginning, _in_common, _first_characters):
        if len(left) < 2:  # noqa: PLR2004 - one is found, or there is none
            break
        scores = [likeness(earlier[index], request) for index in left]
        best = max(scores)
        pairs = zip(left, scores, strict=True)
        left = [index for index, score in pairs if score == best]
    return left[-1] if left else None


def _beginning(before: Request, after: Request) -> float:
    """Count the messages that both begin with."""
    pairs = list(zip(before.messages, after.messages, strict=False))
    same = next(
        (at for at, (one, other) in enumerate(pairs) if one != other), len(pairs)
    )
    other_tools = list(before.tools) != list(after.tools)
    if other_tools or held_elsewhere(before, after, lost=0):
        return same * _ELSEWHERE
    return same


def _in_common(before: Request, after: Request) -> float:
    """Count the messages of the one that the other has, too."""
    return len(_texts(before.messages) & _texts(after.messages))


def _texts(messages: Sequence[Mapping[str, Any]]) -> set[tuple[str, str]]:
    # A string knows its hash, so that this does not read the texts again.
    return {
        (str(message.get("role")), content)
        for message in messages
        if isinstance(content := message.get("content"), str) and content
    }


def _first_characters(before: Request, after: Request) -> float:
    """Count the characters that their first differing messages begin with."""
    found = parting(before, after)
    if found is None or found.path[0] == "tools":
        return 0
    return found.offset or 0
