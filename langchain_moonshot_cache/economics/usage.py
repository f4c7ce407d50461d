"""What a reply says about tokens, with the unknown kept apart from zero."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Usage", "read_usage", "with_tiers"]

_LONGEST = 18
"""Digits of a count in a header, at most: no prompt has more tokens, and Python refuses
to read thousands of digits."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call, as the provider reported them; None means not reported.

    Attributes:
        prompt: Input tokens, cached ones included.
        output: Output tokens, reasoning included.
        cached: Input tokens that came from a cache.
        written: Input tokens that were written to a cache.
        written_5m: Those of them that were written for five minutes.
        written_1h: Those of them that were written for an hour.
        contradictory: Whether the report contradicted itself, so that a figure was cut
            to what is possible or left out.
    """

    prompt: int | None
    output: int | None
    cached: int | None
    written: int | None
    written_5m: int | None = None
    written_1h: int | None = None
    contradictory: bool = field(default=False, compare=False)

    @property
    def uncached(self) -> int | None:
        """Input tokens that no cache gave, None where either figure is unknown."""
        if self.prompt is None or self.cached is None:
            return None
        return self.prompt - self.cached


def read_usage(usage: Mapping[str, Any] | None) -> Usage:
    """Read the ``usage`` object of a reply in any of the layouts that exist.

    ``prompt_tokens_details.cached_tokens`` comes before the top-level
    ``cached_tokens``, also where both are there and differ. Self-hosted engines were
    seen to report one or two cached tokens more than the prompt has; such a figure is
    cut to the prompt, and the written tokens to what is left of it.

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
    written = _count(details.get("cache_write_tokens"))
    reported = (cached, written)
    twice = details.get("cached_tokens"), usage.get("cached_tokens")
    differ = None not in map(_count, twice) and twice[0] != twice[1]
    if cached is not None and prompt is not None:
        cached = min(cached, prompt)
        written = None if written is None else min(written, prompt - cached)
    return Usage(
        prompt=prompt,
        output=_count(usage.get("completion_tokens")),
        cached=cached,
        written=written,
        contradictory=differ or reported != (cached, written),
    )


def with_tiers(usage: Usage, headers: Mapping[str, str]) -> Usage:
    """Add what the response headers tell about the tier of the tokens written.

    The tier asked for is no proof of the tier got: a prefix that was written before
    keeps the lifetime it has. Values that are no counts are passed over, and so are
    both where they contradict the body.

    Args:
        usage: What the body of the reply reported.
        headers: The reply's headers, with names in lower case.
    """
    five = _count_in(headers.get("msh-usage-cache-write-tokens-5m"))
    hour = _count_in(headers.get("msh-usage-cache-write-tokens-1h"))
    if five is None and hour is None:
        return usage
    written = usage.written
    if written is None:
        written = (five or 0) + (hour or 0)
    five = written - (hour or 0) if five is None else five
    hour = written - five if hour is None else hour
    if five + hour != written or min(five, hour) < 0 or _too_many(usage, written):
        return replace(usage, contradictory=True)
    return replace(usage, written=written, written_5m=five, written_1h=hour)


def _too_many(usage: Usage, written: int) -> bool:
    return usage.uncached is not None and written > usage.uncached


def _count_in(text: str | None) -> int | None:
    stripped = (text or "").strip()
    fits = stripped.isdecimal() and len(stripped) <= _LONGEST
    return int(stripped) if fits else None


def _count(value: Any) -> int | None:
    """Take a number of tokens; anything that is none counts as not reported."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return None
    return value
