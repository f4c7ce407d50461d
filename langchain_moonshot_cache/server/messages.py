"""What a schema cannot say about a conversation: which message may follow which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .marks import implements
from .refusals import bad_request
from .rules import CACHE_FIRST, CHAT_TOOL_TURNS, MESSAGES, TOOL_CHOICE, TOOL_TURNS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["check_cached", "check_conversation", "check_tool_choice"]


@implements(MESSAGES, TOOL_TURNS)
def check_cached(body: Mapping[str, Any]) -> None:
    """Check the messages and tools of a cache.

    Raises:
        RefusedError: 400, naming the first message that is out of place.
    """
    check_conversation(body["messages"])
    known = _tool_names(body.get("tools"))
    for index, message in enumerate(body["messages"]):
        for call in message.get("tool_calls") or ():
            name = call["function"]["name"]
            if name not in known:
                raise bad_request(
                    f"messages[{index}] calls {name[:80]!r}, which is not in tools."
                )


@implements(CHAT_TOOL_TURNS, CACHE_FIRST)
def check_conversation(messages: Sequence[Mapping[str, Any]]) -> None:
    """Check that calls and answers pair up, in order.

    Raises:
        RefusedError: 400, naming the first message that is out of place.
    """
    open_calls: set[str] = set()
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            call_id = message["tool_call_id"]
            if call_id not in open_calls:
                raise bad_request(
                    f"messages[{index}] answers the tool call {call_id[:80]!r}, which "
                    "no assistant message before it has left open."
                )
            open_calls.remove(call_id)
        elif open_calls:
            raise _unanswered(open_calls, index=index)
        else:
            open_calls = {call["id"] for call in message.get("tool_calls") or ()}
    if open_calls:
        raise _unanswered(open_calls, index=len(messages))


def _unanswered(calls: set[str], *, index: int) -> Exception:
    return bad_request(
        f"Before messages[{index}] the tool calls "
        f"{sorted(call[:80] for call in calls)} need an answer of role tool each."
    )


def _tool_names(tools: Sequence[Mapping[str, Any]] | None) -> set[str]:
    return {tool["function"]["name"] for tool in tools or ()}


@implements(TOOL_CHOICE)
def check_tool_choice(
    choice: str | Mapping[str, Any] | None,
    *,
    tools: Sequence[Mapping[str, Any]] | None,
) -> None:
    """Check that a tool that must be called is there.

    Raises:
        RefusedError: 400.
    """
    if choice == "required" and not tools:
        raise bad_request("tool_choice is 'required', but there are no tools.")
    if choice is None or isinstance(choice, str):
        return
    name = choice["function"]["name"]
    if name not in _tool_names(tools):
        raise bad_request(f"tool_choice names {name[:80]!r}, which is not in tools.")
