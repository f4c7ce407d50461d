"""Prompts that no server can take, told before anything is sent or recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.errors import InvalidPromptError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["check_conversation", "check_tools"]


def check_conversation(messages: Sequence[Mapping[str, Any]]) -> None:
    """Refuse what is no message, tool messages without a call, calls without answer.

    That calls and answers match is a rule of the named-caching API for the messages of
    a cache.

    Args:
        messages: Messages in the wire's form.

    Raises:
        InvalidPromptError: It names the message and what is missing.
    """
    unanswered: dict[str | None, int] = {}
    for index, message in enumerate(messages):
        if not isinstance(message, Mapping):
            raise InvalidPromptError(
                f"messages[{index}] is no message; give the wire's form, such as "
                "{'role': 'system', 'content': ...}."
            )
        for call in message.get("tool_calls") or ():
            unanswered[call.get("id")] = index
        answered = message.get("tool_call_id")
        if answered is not None and unanswered.pop(answered, None) is None:
            raise InvalidPromptError(
                f"messages[{index}] answers the tool call {answered!r}, which no "
                "message before it makes: put the assistant message with that call "
                "before it, or leave the answer out."
            )
    for call_id, index in unanswered.items():
        raise InvalidPromptError(
            f"messages[{index}] makes the tool call {call_id!r}, which no message "
            "answers: let a tool message with this tool_call_id follow, or end before."
        )


def check_tools(tools: Sequence[Mapping[str, Any]]) -> None:
    """Refuse tools whose parameters are no JSON schema of an object.

    Args:
        tools: Tools in the wire's form.

    Raises:
        InvalidPromptError: It names the tool and what its parameters must be.
    """
    for index, tool in enumerate(tools):
        if isinstance(tool, dict) and tool.get("type", "function") != "function":
            continue
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not function.get("name"):
            raise InvalidPromptError(
                f"tools[{index}] has no function with a name; give a tool, a function, "
                "a pydantic class, or {'type': 'function', 'function': {'name': ...}}."
            )
        schema = function.get("parameters") or {}
        fits = isinstance(schema, dict) and schema.get("type", "object") == "object"
        if not fits or not isinstance(schema.get("properties", {}), dict):
            raise InvalidPromptError(
                f"the parameters of tool {function['name']!r} are no JSON schema of an "
                "object; they look like {'type': 'object', 'properties': {...}}."
            )
