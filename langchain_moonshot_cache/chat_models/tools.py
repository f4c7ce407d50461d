"""Tools on their way to the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.chat_models.marks import unmarked
from langchain_moonshot_cache.manager import check_tools

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["check_tools", "plain_tools"]


def plain_tools(tools: Sequence[Any]) -> list[Any]:
    """Take other vendors' markers out of tools in wire form."""
    return [unmarked(tool) for tool in tools]
