"""Which tools a request offers, and which of them its question asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from langchain_moonshot_cache.server.engine import program, words
from langchain_moonshot_cache.server.engine.conversation import (
    as_list,
    as_object,
    as_text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Tool", "fitting", "mentioned", "offered"]

ENOUGH: Final = 2.0
"""The least fit at which a tool is called unasked: one word of its name, or its
numbers, or two words of its description."""

LONGEST_DESCRIPTION: Final = 2000
"""Characters of a description that are compared with the question."""

_ASKS_FOR_TOOL: Final = re.compile(r"\b(?:the|a|your) \w* ?tool\b|工具", re.IGNORECASE)
_CODE_KEYS: Final = frozenset({"code", "script", "program", "source"})
# A built-in tool has no definition in the request: it is known by its name.
_BUILT_IN: Final[Mapping[str, Any]] = {
    "description": "search the web internet online 搜索 联网 查找",
    "parameters": {
        "type": "object",
        "properties": {"query": {"type": "string"}},
        "required": ["query"],
    },
}


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that a request offers.

    Attributes:
        name: Its name.
        description: What it says of itself.
        schema: The JSON schema of its arguments; an empty object if it has none.
        kind: The ``type`` of a call to it, ``"function"`` but for built-in tools.
    """

    name: str
    description: str
    schema: Any
    kind: str = "function"

    @property
    def properties(self) -> Mapping[str, Any]:
        """The arguments' schemas by name."""
        return as_object(as_object(self.schema).get("properties"))


def offered(request: Mapping[str, Any]) -> list[Tool]:
    """List the tools of a request that may be called.

    Args:
        request: The chat request.

    Returns:
        The tools in order; with a named ``tool_choice`` the named one alone, with
        ``"none"`` no tool.
    """
    choice = request.get("tool_choice")
    if choice == "none":
        return []
    tools = [_tool(as_object(tool)) for tool in as_list(request.get("tools"))]
    wanted = as_text(as_object(as_object(choice).get("function")).get("name"))
    return [tool for tool in tools if tool.name and wanted in ("", tool.name)]


def mentioned(tool: Tool, question: str) -> bool:
    """Tell whether a question names a tool in full.

    Args:
        tool: The tool.
        question: The question.

    Returns:
        True if the name stands there as a word of its own, in any case.
    """
    name = re.escape(tool.name)
    pattern = rf"(?<![A-Za-z0-9_]){name}(?![A-Za-z0-9_])"
    return re.search(pattern, question, re.IGNORECASE) is not None


def fitting(tools: Sequence[Tool], question: str, *, forced: bool) -> Tool | None:
    """Pick the tool that fits a question best.

    Args:
        tools: The tools to choose from.
        question: The question.
        forced: Whether one must be picked, however little fits.

    Returns:
        The best tool, the first of equals; None if none is good enough. If one must be
        picked and nothing speaks for any, the last: clients that want an answer in
        the form of a call put its tool there.
    """
    if not tools:
        return None
    asked = words.stems(question)
    alone = len(tools) == 1
    fits = [_fit(tool, question, asked, alone=alone) for tool in tools]
    best = max(range(len(tools)), key=fits.__getitem__)
    if fits[best] >= ENOUGH:
        return tools[best]
    return (tools[best] if fits[best] else tools[-1]) if forced else None


def _tool(definition: Mapping[str, Any]) -> Tool:
    function = as_object(definition.get("function"))
    kind = as_text(definition.get("type")) or "function"
    if kind == "builtin_function":
        function = {**_BUILT_IN, **function}
    return Tool(
        name=as_text(function.get("name")),
        description=as_text(function.get("description")),
        schema=function.get("parameters", {}),
        kind=kind,
    )


def _fit(tool: Tool, question: str, asked: frozenset[str], *, alone: bool) -> float:
    """Add up what speaks for a tool."""
    fit = 10.0 * mentioned(tool, question)
    fit += 2.5 * len(asked & words.stems(tool.name))
    fit += len(asked & words.stems(tool.description[:LONGEST_DESCRIPTION]))
    fit += len(asked & words.stems(" ".join(tool.properties)))
    fit += 3.0 * (alone and bool(_ASKS_FOR_TOOL.search(question)))
    fit += 5.0 * (_runs_code(tool) and program.wants_program(question))
    return fit + 2.0 * _takes_numbers(tool, question)


def _runs_code(tool: Tool) -> bool:
    return any(_CODE_KEYS & set(words.spoken(key)) for key in tool.properties)


def _takes_numbers(tool: Tool, question: str) -> bool:
    """Tell whether the question holds the numbers that a tool cannot do without."""
    required = as_list(as_object(tool.schema).get("required"))
    kinds = [as_object(tool.properties.get(k)).get("type") for k in map(str, required)]
    numeric = sum(kind in ("integer", "number") for kind in kinds)
    return 0 < numeric == len(kinds) <= len(words.numbers(question))
