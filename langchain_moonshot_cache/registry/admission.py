"""What may enter a registry: digests, ids, counts and times, and never text.

A registry is a file or a server that others may read. Checking at its door, rather than
trusting every caller, is what makes "no prompt and no key inside" a fact about the
registry instead of a hope about the code around it.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.errors import RegistryError
from langchain_moonshot_cache.lifecycle import Entry, State

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["admit_entry", "admit_names", "admit_seconds", "readable", "unreadable"]

_NAME = re.compile(r"(?!sk-)[A-Za-z0-9_.:/@+=-]{1,160}")
"""A digest, an id or the name of a client: one short word. A digest has 40 characters,
and an owner is made of a few of them. ``sk-`` begins an API key."""

_NOTE = re.compile(r"(?:(?!sk-)[A-Za-z][A-Za-z0-9_]{0,63}(?: \([1-5][0-9]{2}\))?)?")
"""The name of an error class, perhaps with a status: ``RateLimitError (429)``."""

_GAPS = re.compile(r"[0-9a-f]{0,64}")
"""Counts, two digits each."""

_LARGEST_COUNT = 2**53
"""Whole numbers up to here survive Lua and JSON, which count in doubles."""

_LATEST_TIME = 253_402_300_800.0
"""The year 10,000 in unix seconds. What lies beyond is no time, and would overflow the
expiry that Redis keeps in milliseconds."""


def admit_names(*names: str) -> None:
    """Let keys, owners, holders, marks and their values in.

    Raises:
        RegistryError: One of them is not a short word of ASCII; it is not repeated.
    """
    for name in names:
        if not (isinstance(name, str) and _NAME.fullmatch(name)):
            raise RegistryError(
                "refused a name that is not a digest or an id: a registry takes words "
                "of at most 160 ASCII letters, digits and _.:/@+=- that are no API key"
            )


def admit_seconds(seconds: float) -> None:
    """Let a duration or a time in.

    Raises:
        RegistryError: It is no finite number, or further away than the year 10,000.
    """
    if not (_is_number(seconds) and isfinite(seconds) and abs(seconds) < _LATEST_TIME):
        raise RegistryError("refused a time that is no number of seconds")


def admit_entry(entry: Entry) -> None:
    """Let an entry in.

    Raises:
        RegistryError: A field holds anything but a digest, an id, a count or a time,
            or the note is not the name of an error class. The message names the field
            and does not repeat its value.
    """
    admit_names(entry.key, *([] if entry.cache_id is None else [entry.cache_id]))
    if not isinstance(entry.state, State):
        raise _refusal("state", "a State")
    if not (isinstance(entry.note, str) and _NOTE.fullmatch(entry.note)):
        raise _refusal("note", "the name of an error class, with at most a status")
    if not (isinstance(entry.gaps, str) and _GAPS.fullmatch(entry.gaps)):
        raise _refusal("gaps", "counts in hexadecimal digits")
    for field in ("fence", "failures", "tokens", "ttl"):
        if not _is_count(getattr(entry, field), optional=field in {"tokens", "ttl"}):
            raise _refusal(field, "a count")
    for moment in (entry.expires_at, entry.retry_at, entry.used_at):
        admit_seconds(moment)


def readable(fields: Mapping[str, Any]) -> Entry:
    """Make an entry of what was stored.

    Raises:
        RegistryError: It is no entry as this version knows them.
    """
    try:
        return Entry(**{**fields, "state": State(fields["state"])})
    except (KeyError, TypeError, ValueError):
        raise unreadable() from None


def unreadable() -> RegistryError:
    """Make the error about something stored that is no entry."""
    return RegistryError(
        "the registry holds an entry that this version cannot read: upgrade, or "
        "let all who share the registry use the same version"
    )


def _refusal(field: str, expected: str) -> RegistryError:
    return RegistryError(f"refused an entry: its {field} is not {expected}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: object, *, optional: bool) -> bool:
    if value is None:
        return optional
    return type(value) is int and 0 <= value < _LARGEST_COUNT
