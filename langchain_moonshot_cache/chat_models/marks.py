"""Where a user says that a prefix ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.messages import SystemMessage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_core.messages import BaseMessage

__all__ = [
    "CACHE",
    "TOOLS",
    "Mark",
    "leading_system",
    "marks_of",
    "tools_of",
    "unmarked",
    "without_markers",
]

CACHE = "cache"
"""Key in a message's ``additional_kwargs``: true, or a mapping, of ``ttl`` and
``name`` of the cache."""
TOOLS = "tools"
"""Key in that mapping under which a ``CachedPromptRunnable`` hands over its tools."""

_BLOCK_MARKERS = ("cache_control", "prompt_cache_breakpoint")
"""How other vendors mark a content block. Moonshot ignores the one and refuses the
other, so both are read here and never sent."""

_CACHE_POINT = "cachePoint"
"""Key of a block that is a mark and nothing else, as Bedrock has it."""

_TIERS = {"5m": 300, "1h": 3600}


@dataclass(frozen=True, slots=True)
class Mark:
    """The end of a prefix, set by the user.

    Attributes:
        index: Of the message that is the last one of the prefix.
        ttl: Lifetime in seconds that the mark asks for.
        name: Name for the cache, if it has to be created.
    """

    index: int
    ttl: int | None = None
    name: str | None = None


def leading_system(messages: Sequence[BaseMessage]) -> int:
    """Count the system messages that a prompt begins with."""
    for index, message in enumerate(messages):
        if not isinstance(message, SystemMessage):
            return index
    return len(messages)


def marks_of(messages: Sequence[BaseMessage]) -> list[Mark]:
    """Find all marks, first to last."""
    marks = []
    for index, message in enumerate(messages):
        value = message.additional_kwargs.get(CACHE)
        if value is None and isinstance(message.content, list):
            value = _block_marker(message.content)
        if value:
            marks.append(_mark(index, value))
    return marks


def tools_of(messages: Sequence[BaseMessage]) -> Sequence[Mapping[str, Any]] | None:
    """Find the tools that the last mark brought along."""
    for message in reversed(messages):
        value = message.additional_kwargs.get(CACHE)
        if isinstance(value, dict) and value.get(TOOLS):
            tools: Sequence[Mapping[str, Any]] = value[TOOLS]
            return tools
    return None


def _mark(index: int, value: Any) -> Mark:
    if not isinstance(value, dict):
        return Mark(index)
    ttl = value.get("ttl")
    ttl = _TIERS.get(ttl) if isinstance(ttl, str) else ttl
    ttl = ttl if isinstance(ttl, int) and not isinstance(ttl, bool) else None
    name = value.get("name")
    return Mark(index, ttl=ttl, name=name if isinstance(name, str) else None)


def _block_marker(content: Sequence[Any]) -> Any:
    """Return the last marker in a list of content blocks."""
    for block in reversed(content):
        if not isinstance(block, dict):
            continue
        extras = block.get("extras")
        for place in (block, extras if isinstance(extras, dict) else {}):
            for name in (*_BLOCK_MARKERS, _CACHE_POINT):
                if place.get(name):
                    return place[name]
    return None


def without_markers(message: dict[str, Any]) -> dict[str, Any]:
    """Take other vendors' markers out of a message in wire form."""
    content = message.get("content")
    if not isinstance(content, list):
        return message
    blocks = [unmarked(block) for block in content if not _is_mark(block)]
    return {**message, "content": blocks}


def _is_mark(block: Any) -> bool:
    return isinstance(block, dict) and block.keys() == {_CACHE_POINT}


def unmarked(value: Any) -> Any:
    """Take the markers out of a block or a tool, and out of its ``extras``."""
    if not isinstance(value, dict):
        return value
    clean = {key: val for key, val in value.items() if key not in _BLOCK_MARKERS}
    extras = clean.get("extras")
    if isinstance(extras, dict) and not extras.keys().isdisjoint(_BLOCK_MARKERS):
        rest = unmarked(extras)
        clean = {**clean, "extras": rest}
        if not rest:
            del clean["extras"]
    return clean
