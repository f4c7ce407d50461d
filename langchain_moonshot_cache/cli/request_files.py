"""From files to the requests in them."""

from __future__ import annotations

import json
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
        paths: JSON files with one body each; files ending in ``.jsonl`` with one in
            each line, empty lines aside.

    Raises:
        InvalidPromptError: Something in them is no such body. The message names the
            file and the line and quotes neither.
        OSError: A file cannot be read.
    """
    return [request for path in paths for request in _requests_in(path)]


def _requests_in(path: Path) -> Iterator[Request]:
    data = path.read_bytes()
    if path.suffix != ".jsonl":
        yield _request(data, place=str(path))
        return
    for number, line in enumerate(data.splitlines(), start=1):
        if line.strip():
            yield _request(line, place=f"{path}, line {number}")


def _request(data: bytes, *, place: str) -> Request:
    body, trouble = _parsed(data)
    if trouble is None:
        try:
            return Request.of(body)
        except InvalidPromptError as error:
            trouble = error.message
        except (TypeError, ValueError, RecursionError):
            trouble = "it holds something that no request can."
    raise InvalidPromptError(f"{place}: {trouble}")


def _parsed(data: bytes) -> tuple[Any, str | None]:
    """Return a JSON value, or why there is none."""
    try:
        return json.loads(data), None
    except (ValueError, RecursionError):
        return None, "it is no JSON; give the body of a request as it was sent."
