"""One byte string for one meaning on the wire."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["canonical_bytes"]


def canonical_bytes(value: Any) -> bytes:
    """Write a JSON value in the one form that all equal values share.

    Keys are sorted and no space is spent, as in RFC 8785; text stays UTF-8. Numbers
    keep the form Python gives them, so ``1`` and ``1.0`` differ, as they do on the
    wire. Lone surrogates, which JSON text may hold, are kept apart too.

    Args:
        value: What ``json.dumps`` accepts; keys are strings.

    Returns:
        The canonical bytes. Equal bytes mean equal JSON values and the reverse.

    Raises:
        TypeError: The value is not JSON.
        ValueError: The value holds NaN or an infinity, which JSON has no form for.
    """
    text = json.dumps(
        value,
        ensure_ascii=False,
        sort_keys=True,
        separators=(",", ":"),
        allow_nan=False,
    )
    return text.encode("utf-8", "surrogatepass")
