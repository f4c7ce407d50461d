"""What moved among the tools of two requests."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.prefix.canonical import canonical_bytes
from langchain_moonshot_cache.prefix.drift.finding import Cause
from langchain_moonshot_cache.prefix.drift.moving import moved

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_moonshot_cache.prefix.drift.parting import Parting

__all__ = ["among_tools", "name_of"]


def among_tools(
    found: Parting,
    before: Sequence[Mapping[str, Any]],
    after: Sequence[Mapping[str, Any]],
) -> tuple[Cause, str]:
    """Name what changed among the tools.

    Args:
        found: Where they part.
        before: The tools of the earlier request.
        after: Those of the later one.

    Returns:
        The cause and a detail, which names tools and quotes nothing of them.
    """
    if _sorted(before) == _sorted(after):
        if list(map(name_of, before)) == list(map(name_of, after)):
            return Cause.REWRITTEN, "order of keys"
        return Cause.TOOL_ORDER, ""
    names = [Counter(map(name_of, tools)) for tools in (before, after)]
    changes = {"added": names[1] - names[0], "removed": names[0] - names[1]}
    told = [f"{how}: {', '.join(which)}" for how, which in changes.items() if which]
    if told:
        return Cause.TOOL_SET, "; ".join(told)
    index = found.path[1]
    if isinstance(index, int) and name_of(before[index]) != name_of(after[index]):
        return Cause.TOOL_ORDER, ""
    if isinstance(found.before, str) and isinstance(found.after, str):
        cause, detail = moved(found.before, found.after, found.offset or 0)
        if cause is not Cause.TEXT:
            return cause, detail
    return Cause.TOOL_SCHEMA, ""


def _sorted(tools: Sequence[Mapping[str, Any]]) -> list[bytes]:
    return sorted(map(canonical_bytes, tools))


def name_of(tool: Mapping[str, Any]) -> str:
    """Return the name of a tool; that of its type if it has none."""
    function = tool.get("function")
    named = function if isinstance(function, dict) else tool
    return str(named.get("name") or tool.get("type") or "?")
