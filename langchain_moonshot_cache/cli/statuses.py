"""Exit statuses of every command; success is 0."""

from __future__ import annotations

__all__ = ["INTERRUPTED", "TROUBLE", "USAGE"]

TROUBLE = 1
"""The command was right and something else was not."""

USAGE = 2
"""The command line, the key or the installation has to be changed."""

INTERRUPTED = 130
"""Ctrl-C, as shells count it: 128 and the number of SIGINT."""
