"""Reported tokens in LangChain's terms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.messages.ai import InputTokenDetails, UsageMetadata

    from langchain_moonshot_cache.economics import Usage

__all__ = ["usage_in_chunk", "usage_metadata"]


def usage_metadata(usage: Usage, base: UsageMetadata | None) -> UsageMetadata | None:
    """Correct LangChain's reading of a usage object by what it does not look at.

    A figure that was not reported has no key: unknown is not zero. Where the tiers of
    written tokens are known, ``cache_creation`` is 0 and they stand under keys of their
    own, or the details would add up to more than the input.

    Args:
        usage: What the reply reported.
        base: What the OpenAI integration made of it.
    """
    if base is None:
        return None
    split = usage.written_5m is not None or usage.written_1h is not None
    figures = {
        "cache_read": usage.cached,
        "cache_creation": 0 if split else usage.written,
        "ephemeral_5m_input_tokens": usage.written_5m,
        "ephemeral_1h_input_tokens": usage.written_1h,
    }
    details = {**(base.get("input_token_details") or {}), **figures}
    known = {name: tokens for name, tokens in details.items() if tokens is not None}
    corrected = base.copy()
    corrected["input_token_details"] = cast("InputTokenDetails", known)
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
