"""Reported tokens in LangChain's terms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.messages.ai import InputTokenDetails, UsageMetadata

    from langchain_moonshot_cache.economics import Usage

__all__ = ["plain_usage", "usage_in_chunk", "usage_metadata"]


def usage_metadata(usage: Usage, base: UsageMetadata | None) -> UsageMetadata | None:
    """Correct LangChain's reading of a usage object by what it does not look at.

    Without the tokens of input and output there is no usage at all, and a figure that
    was not reported has no key: unknown is not zero. Where the tiers of written tokens
    are known, ``cache_creation`` is 0 and they stand under keys of their own, or the
    details would add up to more than the input.

    Args:
        usage: What the reply reported.
        base: What the OpenAI integration made of it.
    """
    if base is None or usage.prompt is None or usage.output is None:
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
    corrected["total_tokens"] = usage.prompt + usage.output
    corrected["input_token_details"] = cast("InputTokenDetails", known)
    return corrected


def _counts(details: Mapping[str, Any]) -> dict[str, int]:
    return {name: value for name, value in details.items() if type(value) is int}


def plain_usage(usage: Any) -> dict[str, Any] | None:
    """Reduce a usage object to counts, which is all that LangChain can add up.

    It warns of anything else where it adds up several answers, and gives an answer up
    whose details are no object.
    """
    if not isinstance(usage, dict):
        return None
    details = {
        name: _counts(value) for name, value in usage.items() if isinstance(value, dict)
    }
    return {**_counts(usage), **details}


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
