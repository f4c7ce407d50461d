"""Server-sent events of an engine, put together from whatever pieces they come in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from langchain_moonshot_cache.server.backend import EngineError
from langchain_moonshot_cache.server.gateway.troubles import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Events"]

Json = dict[str, Any]

LARGEST_LINE: Final = 16 * 1024 * 1024
"""Bytes of one line: room for a whole answer in one piece, and no more."""
DATA: Final = b"data:"
DONE: Final = b"[DONE]"


class Events:
    """Reads the chunks of one stream.

    Each chunk of this API is one line of data, so that lines are all that is told
    apart; comments, by which servers keep connections open, and other fields are passed
    over.

    Attributes:
        done: Whether the stream said that it is at its end.
        complete: Whether it came to its end, by saying so or by a finished choice; some
            engines leave ``[DONE]`` out.
    """

    def __init__(self) -> None:
        self.done = False
        self.complete = False
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Json]:
        """Take in some bytes; yield the chunks that they complete.

        Raises:
            EngineError: When the stream holds an error, or no chunk.
        """
        if len(self._rest) + len(data) > LARGEST_LINE:
            raise unreadable("chunks of a reasonable size")
        lines = (self._rest + data).splitlines(keepends=True)
        self._rest = b""
        if lines and not lines[-1].endswith((b"\n", b"\r")):
            self._rest = lines.pop()
        for line in lines:
            if line.startswith(DATA):
                text = line[len(DATA) :].strip()
                if text == DONE:
                    self.done = self.complete = True
                    return  # whatever follows belongs to no answer
                yield self._chunk(text)

    def _chunk(self, text: bytes) -> Json:
        try:
            chunk = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise unreadable("chunks in JSON") from error
        if not isinstance(chunk, dict):
            raise unreadable("chunks")
        if chunk.get("error"):  # some engines have one in each chunk, null
            raise _failed(chunk["error"])
        choices = chunk.get("choices") or []
        if not isinstance(choices, list) or not all(map(_is_choice, choices)):
            raise unreadable("chunks")
        if any(choice.get("finish_reason") for choice in choices):
            self.complete = True
        return chunk


def _is_choice(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("delta") or {}, dict)


def _failed(error: Any) -> EngineError:
    told = error.get("message") if isinstance(error, dict) else error
    message = f"The engine failed in the middle of its answer: {str(told)[:500]}"
    return EngineError("broken", message, status=502)
