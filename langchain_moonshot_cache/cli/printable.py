"""Text of unknown origin, made safe for a terminal."""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str) -> str:
    """Show control characters by their number: a terminal would obey them.

    Names and error messages come from a server, and anybody may have chosen them.
    """
    return "".join(
        letter if letter.isprintable() or letter == "\n" else f"\\x{ord(letter):02x}"
        for letter in text
    )
