"""What a reply says about tokens, with the unknown kept apart from zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Usage", "read_usage"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call, as the provider reported them; None means not reported.

    Attributes:
        prompt: Input tokens, cached ones included.
        output: Output tokens, reasoning included.
        cached: Input tokens that came from a cache.
        written: Input tokens that were written to a cache.
    """

    prompt: int | None
    output: int | None
    cached: int | None
    written: int | None

    @property
    def uncached(self) -> int | None:
        """Input tokens that no cache gave, None where either figure is unknown."""
        if self.prompt is None or self.cached is None:
            return None
        return self.prompt - self.cached


def read_usage(usage: Mapping[str, Any] | None) -> Usage:
    """Read the ``usage`` object of a reply in any of the layouts that exist.

    ``prompt_tokens_details.cached_tokens`` comes before the top-level
    ``cached_tokens``. Self-hosted engines were seen to report one or two cached
    tokens more than the prompt has; such a figure is cut to the prompt.

    Args:
        usage: The object as it came over the wire, or None if there was none.
    """
    usage = usage if isinstance(usage, dict) else {}
    details = usage.get("prompt_tokens_details")
    details = details if isinstance(details, dict) else {}
    prompt = _count(usage.get("prompt_tokens"))
    cached = _count(details.get("cached_tokens"))
    if cached is None:
        cached = _count(usage.get("cached_tokens"))
    if cached is not None and prompt is not None:
        cached = min(cached, prompt)
    return Usage(
        prompt=prompt,
        output=_count(usage.get("completion_tokens")),
        cached=cached,
        written=_count(details.get("cache_write_tokens")),
    )


def _count(value: Any) -> int | None:
    """Take a number of tokens; anything that is none counts as not reported."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return None
    return value
