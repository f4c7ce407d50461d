"""Conversations to be changed, for the tests of drift."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.prefix.drift import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, Any]

SYSTEM: Json = {
    "role": "system",
    "content": "You know every lighthouse there is. " * 60,
}
QUESTION = {"role": "user", "content": "How tall is the Pharos?"}
LATER = {"role": "user", "content": "And who built it, at whose expense?"}
CALL = {
    "id": "height:0",
    "type": "function",
    "function": {"name": "height", "arguments": '{ "name":"Phårøs", "unit": "m"}'},
}
TURN = {"role": "assistant", "reasoning_content": "I look it up.", "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "height:0", "content": "100 m"}
ANSWER = {"role": "assistant", "content": "A hundred metres."}
PICTURE = {"type": "image_url", "image_url": {"url": "ms://first"}}


def tool(name: str, **more: Any) -> Json:
    """Describe a tool."""
    parameters = {
        "type": "object",
        "properties": {"name": {"type": "string", "description": f"Of the {name}."}},
        "required": ["name"],
    }
    function = {"name": name, "description": f"Tell the {name}.", **more}
    return {"type": "function", "function": {"parameters": parameters, **function}}


TOOLS = [tool("height"), tool("keeper"), tool("range")]
CONVERSATION: list[Json] = [SYSTEM, QUESTION, TURN, RESULT, ANSWER, LATER]


def asked(*messages: Mapping[str, Any], tools: Any = TOOLS, **more: Any) -> Request:
    """Make a request."""
    return Request(messages=messages, tools=tools, **more)


def opened(text: str) -> Request:
    """Make a request whose system message holds a text in its middle."""
    half = "You know every lighthouse there is. " * 30
    content = f"{half}{text}. {half}"
    return asked({"role": "system", "content": content}, QUESTION)


def called(**changes: Any) -> Request:
    """Make the conversation with its tool call changed."""
    turn = {**TURN, "tool_calls": [{**CALL, **changes}]}
    return asked(SYSTEM, QUESTION, turn, RESULT, ANSWER, LATER)


def with_arguments(arguments: str) -> Request:
    """Make the conversation with other arguments."""
    return called(function={"name": "height", "arguments": arguments})
