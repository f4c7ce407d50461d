"""Tool calls whose arguments are JSON, and no object.

LangChain takes a call whose arguments are no JSON for an invalid one, which an agent
can answer. Arguments such as ``[1]``, though, make it give up on the whole answer,
unless that was streamed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from langchain_core.messages.tool import invalid_tool_call

if TYPE_CHECKING:
    from langchain_core.messages import InvalidToolCall

__all__ = ["without_odd_calls"]

Json = dict[str, Any]


def without_odd_calls(answer: Json) -> tuple[Json, list[list[InvalidToolCall]]]:
    """Take such calls out of an answer.

    Args:
        answer: A chat completion.

    Returns:
        The completion without them, and they themselves for each of its choices.
    """
    odd = [_odd_calls(choice["message"]) for choice in answer["choices"]]
    if not any(odd):
        return answer, [[] for _ in odd]
    choices = [
        {**choice, "message": _without(choice["message"], calls)}
        for choice, calls in zip(answer["choices"], odd, strict=True)
    ]
    invalid = [[_invalid(call) for call in calls] for calls in odd]
    return {**answer, "choices": choices}, invalid


def _odd_calls(message: Json) -> list[Json]:
    return [call for call in message.get("tool_calls") or () if _is_odd(call)]


def _without(message: Json, odd: list[Json]) -> Json:
    calls = message.get("tool_calls") or ()
    return {**message, "tool_calls": [call for call in calls if call not in odd]}


def _is_odd(call: Json) -> bool:
    try:
        value = json.loads(call["function"]["arguments"], strict=False)
    except (KeyError, TypeError, ValueError):
        return False  # LangChain's own business
    # What is empty counts as no arguments.
    return bool(value) and not isinstance(value, dict)


def _invalid(call: Json) -> InvalidToolCall:
    function = call["function"]
    return invalid_tool_call(
        name=function.get("name"),
        args=function["arguments"],
        id=call.get("id"),
        error=f"The arguments of {function.get('name')} are no JSON object.",
    )
