"""Where a prefix ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["boundary", "settled"]


def boundary(unanswered: Sequence[int]) -> int:
    """Tell how many leading messages a prefix may have at most.

    Args:
        unanswered: What :func:`settled` returns for the messages that are wanted.

    Returns:
        The number of messages, 0 when there is nothing to cache but tools.
    """
    length = len(unanswered)
    while length > 0 and unanswered[length - 1]:
        length -= 1
    return length


def settled(calls: Sequence[Sequence[str]], answers: Sequence[str | None]) -> list[int]:
    """Count, after each message, the tool calls that no message has answered yet.

    A cache may not end between a call and its answer: "every call answered" is a
    rule of the named-caching API for the messages of a cache.

    Args:
        calls: For each message, the ids of the tool calls that it makes.
        answers: For each message, the id of the call that it answers, or None.

    Returns:
        One count per message; 0 where a prefix may end.
    """
    open_calls: set[str] = set()
    counts: list[int] = []
    for made, answered in zip(calls, answers, strict=True):
        open_calls.update(made)
        if answered is not None:
            open_calls.discard(answered)
        counts.append(len(open_calls))
    return counts
