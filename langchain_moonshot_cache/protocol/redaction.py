"""Keep prompts and keys out of what a server's error message makes us say.

Servers like to quote the request that they refuse. The quote would end up in logs
and tracebacks, so whatever a message has in common with the request's own text, or
with the key, is withheld before the message becomes part of an error. What an earlier
call stored is not at hand here, so a server that quotes that is not covered.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["withhold"]

# Long enough that ordinary words of an error do not vanish because the prompt uses
# them too; short enough that four Chinese characters in a row (12 bytes) are caught.
_WINDOW = 12
# Every window of 12 bytes holds one of these probes at a multiple of the stride, so
# that a prompt of megabytes is searched for a few dozen probes, not for all windows.
_PROBE, _STRIDE = 8, 5
_MAX_BYTES = 400  # an error is read by people; also bounds the search below
_MARK = b"[...]"
_PRIVATE = ("messages", "tools", "metadata", "name", "description")


def _quotable(body: bytes | None) -> bytes:
    """The private text of a request body, as it is and in both JSON spellings."""
    if body is None:
        return b""
    if not body.startswith(b"{"):
        return body  # an upload: a file and its name
    payload = json.loads(body)
    private = [payload.get(name) for name in _PRIVATE]
    spellings = (
        " ".join(" ".join(_texts(private)).split()),
        json.dumps(private, ensure_ascii=False),
        json.dumps(private),
    )
    return "\n".join(spellings).encode("utf-8", "replace")


def _texts(value: Any) -> Iterator[str]:
    """All strings within a JSON value, except the names of its fields."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(reversed(item))


def _covered(text: bytes, secret: bytes) -> bytearray:
    """Mark each byte of ``text`` that lies in a window shared with ``secret``."""
    marks = bytearray(len(text))
    for probe in range(0, len(text) - _PROBE + 1, _STRIDE):
        if text[probe : probe + _PROBE] not in secret:
            continue
        first = max(0, probe + _PROBE - _WINDOW)
        last = min(probe, len(text) - _WINDOW)
        for start in range(first, last + 1):
            if text[start : start + _WINDOW] in secret:
                marks[start : start + _WINDOW] = b"\x01" * _WINDOW
    return marks


def withhold(message: str, *, key: str, body: bytes | None) -> str:
    """Cut a server's message short and take out what it quotes.

    Args:
        message: The server's words.
        key: The API key of the account.
        body: The request body that the message may quote.

    Returns:
        One line of at most some 400 bytes, with ``[...]`` where something stood that
        is also in the key or in the body's messages, tools, metadata, name or
        description.
    """
    line = " ".join(message.split()).replace(key, "[key]")
    text = line.encode("utf-8", "replace")[:_MAX_BYTES]
    marks = _covered(text, _quotable(body) + b"\n" + key.encode())
    kept = bytearray()
    for position, byte in enumerate(text):
        if not marks[position]:
            kept.append(byte)
        elif position == 0 or not marks[position - 1]:
            kept += _MARK
    return kept.decode("utf-8", "ignore")
