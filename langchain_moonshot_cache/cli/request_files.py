"""From files to the requests in them."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.errors import InvalidPromptError
from langchain_moonshot_cache.prefix.drift import Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["read_requests"]


def read_requests(paths: Sequence[Path]) -> list[Request]:
    """Read the bodies of chat requests, in order.

    Args:
        paths: JSON files with one body each, the oldest first; files ending in
            ``.jsonl`` with one in each line, empty lines aside. A body may say when it
            was sent: ``sent_at``, in unix seconds or as ISO 8601 with its offset.

    Raises:
        InvalidPromptError: Something in them is no such body, or they are not in the
            order in which they were sent. The message names the file and the line and
            quotes neither.
        OSError: A file cannot be read.
    """
    found, latest = [], -math.inf
    for place, data in (each for path in paths for each in _bodies_in(path)):
        request = _request(data, place=place)
        if request.at is not None:
            if request.at < latest:
                raise InvalidPromptError(
                    f"{place}: it was sent before the one in front of it, by sent_at; "
                    "give the oldest first."
                )
            latest = request.at
        found.append(request)
    return found


def _bodies_in(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield what may be bodies, and where each stands."""
    data = path.read_bytes()
    if path.suffix != ".jsonl":
        yield str(path), data
        return
    for number, line in enumerate(data.splitlines(), start=1):
        if line.strip():
            yield f"{path}, line {number}", line


def _request(data: bytes, *, place: str) -> Request:
    body, trouble = _parsed(data)
    if trouble is None:
        try:
            return Request.of(body, at=_sent_at(body))
        except InvalidPromptError as error:
            trouble = error.message
        except (TypeError, ValueError, RecursionError):
            trouble = "it holds something that no request can."
    raise InvalidPromptError(f"{place}: {trouble}")


def _sent_at(body: Any) -> float | None:
    """Return when a body says that it was sent, in unix seconds.

    Raises:
        InvalidPromptError: It says something that is no time.
    """
    told = body.get("sent_at") if isinstance(body, dict) else None
    if told is None:
        return None
    try:
        if isinstance(told, str):
            when = datetime.fromisoformat(told)
            if when.tzinfo is not None:
                return when.timestamp()
        elif not isinstance(told, bool) and math.isfinite(told):
            return float(told)
    except (TypeError, ValueError, OverflowError):
        pass  # whatever it is, it is told below
    raise InvalidPromptError(
        "'sent_at' is a time in unix seconds, or like '2026-11-30T12:00:00Z', and here "
        "it is not."
    )


def _parsed(data: bytes) -> tuple[Any, str | None]:
    """Return a JSON value, or why there is none."""
    try:
        return json.loads(data), None
    except (ValueError, RecursionError):
        return None, "it is no JSON; give the body of a request as it was sent."
