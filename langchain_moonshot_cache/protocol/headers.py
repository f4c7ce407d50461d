"""What reply headers tell: the request's id, how long to wait, the server's clock."""

from __future__ import annotations

import math
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["request_id", "retry_after", "server_time"]

_REQUEST_ID_HEADERS = ("msh-request-id", "x-msh-request-id", "x-request-id")
_LONGEST_ID = 200  # ids are short; a longer value is somebody's garbage


def request_id(headers: Mapping[str, str]) -> str | None:
    """The server's id for the request, to be quoted to its operators."""
    for name in _REQUEST_ID_HEADERS:
        value = headers.get(name, "").strip()
        if value.isascii() and value.isprintable() and 0 < len(value) <= _LONGEST_ID:
            return value
    return None


def server_time(headers: Mapping[str, str]) -> float | None:
    """The ``Date`` header in Unix seconds; it has a resolution of one second."""
    return _http_date(headers.get("date", ""))


def retry_after(headers: Mapping[str, str], *, received_at: float) -> float | None:
    """Seconds that the server asks to wait, from ``Retry-After`` (RFC 9110, 10.2.3).

    A date is measured against the server's own ``Date``, because the two clocks may
    differ by more than the wait; ``received_at`` stands in when there is none.

    Args:
        headers: Names in lower case.
        received_at: Local wall clock when the reply came, Unix seconds.
    """
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        date = _http_date(value)
        if date is None:
            return None
        now = server_time(headers)
        seconds = date - (received_at if now is None else now)
        return max(0.0, seconds)
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _http_date(value: str) -> float | None:
    try:
        date = parsedate_to_datetime(value)
        # "-0000" comes back without a zone and means UTC.
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (IndexError, OverflowError, TypeError, ValueError):
        return None
