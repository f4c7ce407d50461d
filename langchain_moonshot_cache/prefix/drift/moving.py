"""What moved between two texts that part at some character."""

from __future__ import annotations

import json
import re
from typing import Final

from langchain_moonshot_cache.prefix.canonical import canonical_bytes
from langchain_moonshot_cache.prefix.drift.finding import Cause

__all__ = ["alike", "moved", "rewritten"]

_LOOK_BACK = 64
"""Characters before the parting in which the thing that changed may begin: longer than
any of the patterns below usually match."""
_LOOK_AHEAD = 256
"""Characters behind it that are looked at."""
_GOES_ON = 16
"""Characters behind a changed time or number that have to be equal again, or it is
another text that happens to begin so."""
_TEMPLATE = 128
"""Characters at the beginning that two texts share by no accident."""

_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DATE = (
    r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}"
    r"|\d{4}\s?年\s?\d{1,2}\s?月\s?\d{1,2}\s?[日号]"
    rf"|\d{{1,2}}(?:st|nd|rd|th)?\s{_MONTH},?\s\d{{4}}"
    rf"|{_MONTH}\s\d{{1,2}}(?:st|nd|rd|th)?,?\s\d{{4}})"
)
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s)?"
_CLOCK = (
    r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:\s?[ap]\.?m\b\.?)?"
    r"(?:\s?(?:z|utc|gmt|[+-]\d{2}:?\d{2}))?"
)

_UUID = r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}"
_ADDRESS = r"0x[0-9a-f]+"
_MIXED = r"(?<![0-9a-z])(?=[0-9a-z]*\d)(?=\d*[a-z])[0-9a-z]{8,}(?![0-9a-z])"
"""Letters and digits, as in digests and the ids of requests."""

_KINDS: Final = tuple(
    (cause, re.compile(pattern, re.IGNORECASE))
    for cause, pattern in (
        (Cause.IDENTIFIER, f"{_UUID}|{_ADDRESS}"),
        (Cause.TIMESTAMP, rf"{_WEEKDAY}{_DATE}(?:t|,?\s(?:at\s)?){_CLOCK}"),
        (Cause.TIMESTAMP, rf"(?<!\d){_CLOCK}(?!\d)"),
        (Cause.DATE, _WEEKDAY + _DATE),
        (Cause.TIMESTAMP, r"(?<!\d)1\d{9}(?:\d{3}|\.\d+)?(?!\d)"),
        (Cause.IDENTIFIER, _MIXED),
        (Cause.COUNTER, r"\d+(?:[.,]\d+)*"),
    )
)
"""From the most telling to the least. Unix times, in seconds or milliseconds, begin
with 1 until the year 2033."""


def moved(before: str, after: str, offset: int) -> tuple[Cause, str]:
    """Name what changed where two texts part.

    Args:
        before: The earlier text.
        after: The later one.
        offset: Characters that they begin with alike.

    Returns:
        The cause, ``TEXT`` if it is nothing that has a name, and a detail.
    """
    if _spaces_only(before, after, offset):
        return Cause.WHITESPACE, ""
    if how := rewritten(before, after):
        return Cause.REWRITTEN, how
    for cause, pattern in _KINDS:
        one, other = (_around(pattern, text, offset) for text in (before, after))
        if one and other and one.start() == other.start() and _go_on(one, other):
            return cause, ""
    return Cause.TEXT, ""


def _spaces_only(before: str, after: str, offset: int) -> bool:
    here = (text[offset : offset + 1] for text in (before, after))
    return any(map(str.isspace, here)) and before.split() == after.split()


def alike(before: str, after: str, offset: int) -> bool:
    """Tell whether two texts are forms of one, rather than two different ones."""
    if offset >= _TEMPLATE:
        return True
    room = min(len(before), len(after)) - offset
    end = _common_end(before[len(before) - room :], after[len(after) - room :])
    return 2 * (offset + end) >= max(len(before), len(after))


def _common_end(one: str, other: str) -> int:
    """Count the characters that two texts of one length end with alike."""
    low, high = 0, len(one)
    while low < high:
        middle = (low + high + 1) // 2
        if one[-middle : len(one) - low] == other[-middle : len(other) - low]:
            low = middle
        else:
            high = middle - 1
    return low


def rewritten(before: str, after: str) -> str:
    """Say in which way two texts are the same JSON, written otherwise.

    Returns:
        ``spaces``, ``order of keys`` or ``escapes or numbers``; nothing if they are not
        the same JSON.
    """
    if not (_OPENING.match(before) and _OPENING.match(after)):
        return ""
    try:
        one, other = (json.loads(text) for text in (before, after))
        same = canonical_bytes(one) == canonical_bytes(other)
    except (ValueError, RecursionError):
        return ""
    if not same:
        return ""
    if json.dumps(one) != json.dumps(other):
        return "order of keys"
    if _BETWEEN.sub(r"\1", before) == _BETWEEN.sub(r"\1", after):
        return "spaces"
    return "escapes or numbers"


_OPENING = re.compile(r"\s*[{\[]")
_BETWEEN = re.compile(r'("(?:[^"\\]|\\.)*")|\s+')
"""Strings, which are kept, and the white space between."""


def _around(pattern: re.Pattern[str], text: str, offset: int) -> re.Match[str] | None:
    """Find a match that the parting lies in, or at the end of."""
    start = max(offset - _LOOK_BACK, 0)
    matches = pattern.finditer(text, start, offset + _LOOK_AHEAD)
    met = next((match for match in matches if match.end() >= offset), None)
    return met if met and met.start() <= offset else None


def _go_on(one: re.Match[str], other: re.Match[str]) -> bool:
    """Tell whether two texts go on alike; what else may change in them aside."""
    rests = (
        match.string[match.end() : match.end() + _LOOK_AHEAD] for match in (one, other)
    )
    before, after = (_masked(rest)[:_GOES_ON] for rest in rests)
    return before == after


def _masked(text: str) -> str:
    for cause, pattern in _KINDS:
        text = pattern.sub(f"<{cause}>", text)
    return text
