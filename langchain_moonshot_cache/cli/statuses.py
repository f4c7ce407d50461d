"""Exit statuses of every command; success is 0."""

from __future__ import annotations

__all__ = ["TROUBLE", "USAGE"]

TROUBLE = 1
"""The command was right and something else was not."""

USAGE = 2
"""The command line, or the installation, has to be changed."""
