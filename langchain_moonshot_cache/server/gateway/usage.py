"""What an engine reports about a call, read without guessing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from langchain_moonshot_cache.server.gateway.rules import HELD, UNKNOWN_USAGE
from langchain_moonshot_cache.server.marks import implements

__all__ = ["Outcome", "Reported", "judge", "read_usage", "tells", "told"]

Json = dict[str, Any]
Outcome = Literal["hit", "partial", "miss", "unknown"]

SLACK: Final = 272
"""Tokens that may be missing of a prefix which is held nevertheless. Engines match in
blocks, of which Moonshot's are the largest with 256; and the run that built the cache
ended with the few tokens that open an answer, which a longer prompt does not have."""


@dataclass(frozen=True, slots=True)
class Reported:
    """Tokens of one call; None where the engine did not say.

    Attributes:
        prompt: All input tokens, cached ones included.
        cached: Those of them that the engine already held.
        completion: Output tokens.
    """

    prompt: int | None = None
    cached: int | None = None
    completion: int | None = None


@implements(UNKNOWN_USAGE)
def read_usage(answer: Mapping[str, Any]) -> Reported:
    """Read the usage of a completion or of a stream's last chunk.

    Args:
        answer: The object, in any of the dialects: ``prompt_tokens_details`` (OpenAI,
            vLLM, SGLang, llama.cpp), ``cached_tokens`` (Moonshot),
            ``prompt_cache_hit_tokens`` (DeepSeek), ``timings.cache_n`` (llama.cpp);
            Moonshot's streams may have the usage in their choice.
    """
    usage = _object(answer.get("usage")) or _of_choice(answer)
    details = _object(usage.get("prompt_tokens_details"))
    places = (
        details.get("cached_tokens"),
        usage.get("cached_tokens"),
        usage.get("prompt_cache_hit_tokens"),
        _object(answer.get("timings")).get("cache_n"),
    )
    counts = (_count(place) for place in places)
    return Reported(
        prompt=_count(usage.get("prompt_tokens")),
        cached=next((count for count in counts if count is not None), None),
        completion=_count(usage.get("completion_tokens")),
    )


def tells(chunk: Mapping[str, Any]) -> bool:
    """Return whether a chunk of a stream reports anything."""
    return bool(chunk.get("usage") or chunk.get("timings") or _of_choice(chunk))


def told(usage: Any, reported: Reported) -> Json | None:
    """Return the usage object for the client: the engine's own, where this API looks.

    Args:
        usage: The engine's usage object, if it sent one.
        reported: What was read from the answer.
    """
    if not isinstance(usage, dict):
        return None
    if reported.cached is None:
        return usage
    details = _object(usage.get("prompt_tokens_details"))
    return {
        **usage,
        "cached_tokens": reported.cached,
        "prompt_tokens_details": {**details, "cached_tokens": reported.cached},
    }


@implements(HELD)
def judge(reported: Reported, *, tokens: int | None) -> Outcome:
    """Tell whether the engine still held a prefix.

    Args:
        reported: What it said about a call that began with the prefix.
        tokens: The prefix's tokens by the engine's own count, if it told.
    """
    if reported.cached is None:
        return "unknown"
    if reported.cached == 0:
        return "miss"
    if tokens is None or tokens - reported.cached <= min(SLACK, tokens / 2):
        return "hit"
    return "partial"


def _of_choice(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = answer.get("choices") or [None]
    return _object(_object(choices[0]).get("usage"))


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _count(value: Any) -> int | None:
    sound = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if sound else None
