"""Reported tokens in LangChain's terms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from langchain_moonshot_cache.economics import Usage, read_usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.messages.ai import InputTokenDetails, UsageMetadata

__all__ = ["usage_in_chunk", "usage_metadata"]


def usage_metadata(
    wire: Mapping[str, Any] | None, base: UsageMetadata | None
) -> UsageMetadata | None:
    """Correct LangChain's reading of a usage object by what it does not look at.

    Args:
        wire: The object as it came.
        base: What the OpenAI integration made of it.

    Returns:
        The same with the cache's figures. A figure that was not reported has no key:
        unknown is not zero.
    """
    if not wire or base is None:
        return base
    usage: Usage = read_usage(wire)
    details = dict(base.get("input_token_details") or {})
    for name, tokens in (
        ("cache_read", usage.cached),
        ("cache_creation", usage.written),
    ):
        details.pop(name, None)
        if tokens is not None:
            details[name] = tokens
    corrected = base.copy()
    corrected["input_token_details"] = cast("InputTokenDetails", details)
    return corrected


def usage_in_chunk(chunk: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Find the usage in a chunk of a stream.

    Moonshot puts it into the finishing choice, into a last chunk without choices, or
    into both.
    """
    usage: Any = chunk.get("usage")
    if isinstance(usage, dict):
        return usage
    for choice in chunk.get("choices") or ():
        usage = choice.get("usage")
        if isinstance(usage, dict):
            return usage
    return None
