"""Tools on their way to the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.errors import InvalidPromptError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["check_tools"]


def check_tools(tools: Sequence[Mapping[str, Any]]) -> None:
    """Refuse tools whose parameters are no JSON schema of an object.

    Raises:
        InvalidPromptError: It names the tool and what its parameters must be.
    """
    for index, tool in enumerate(tools):
        if tool.get("type") != "function":
            continue
        function = tool.get("function")
        if not isinstance(function, dict) or not function.get("name"):
            raise InvalidPromptError(
                f"tools[{index}] has no function with a name; give a tool, a function, "
                "a pydantic class, or {'type': 'function', 'function': {'name': ...}}."
            )
        schema = function.get("parameters", {})
        fits = isinstance(schema, dict) and schema.get("type", "object") == "object"
        if not fits or not isinstance(schema.get("properties", {}), dict):
            raise InvalidPromptError(
                f"the parameters of tool {function['name']!r} are no JSON schema of an "
                "object; they look like {'type': 'object', 'properties': {...}}."
            )
