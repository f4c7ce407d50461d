"""Where a prefix ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["boundary", "leading", "settled"]


def leading(roles: Sequence[str]) -> int:
    """Count the system messages that a prompt begins with."""
    for index, role in enumerate(roles):
        if role != "system":
            return index
    return len(roles)


def boundary(
    roles: Sequence[str], *, marks: Sequence[int], unanswered: Sequence[int]
) -> int:
    """Decide how many leading messages are the prefix of a call.

    A mark wins over the default, the last mark over earlier ones. The last message
    is never part of the prefix: a call asks something that the cache does not hold.

    Args:
        roles: The wire role of each message.
        marks: Indices of the messages that the user marked as the end of a prefix.
        unanswered: What :func:`settled` returns for these messages.

    Returns:
        The number of messages, 0 when there is nothing to cache but tools.
    """
    wanted = marks[-1] + 1 if marks else leading(roles)
    wanted = min(wanted, len(roles) - 1)
    while wanted > 0 and unanswered[wanted - 1]:
        wanted -= 1
    return max(wanted, 0)


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
