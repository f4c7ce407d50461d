"""The page that documents every command, made from what ``--help`` says.

Write it anew after a change::

    python -m langchain_moonshot_cache.cli.reference > docs/cli.md
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import redirect_stdout, suppress
from typing import TYPE_CHECKING, Any

import typer

from langchain_moonshot_cache.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["page"]

_PROGRAM = "moonshot-cache"

_WIDTH = "88"
"""Columns of the one help text that is quoted as it is printed."""

_OPENING = f"""\
# `{_PROGRAM}`

Made by `python -m langchain_moonshot_cache.cli.reference`; the suite compares.
"""


def page() -> str:
    """Write the page in Markdown."""
    group: Any = typer.main.get_command(app)
    parts = [_OPENING, _paragraphs(f"{group.help}\n\n{group.epilog}")]
    for name, command in group.commands.items():
        parts.append(f"## {_PROGRAM} {name}\n")
        parts.append(_paragraphs(command.help))
        parts.append(_of_serve() if name == "serve" else _usage(name, command))
    return "\n".join(parts)


def _paragraphs(text: str) -> str:
    """Undo the line ends of a docstring."""
    flowing = (" ".join(part.split()) for part in text.split("\n\n"))
    return "\n\n".join(flowing) + "\n"


def _usage(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    shown = " ".join(
        argument.metavar if argument.required else f"[{argument.metavar}]"
        for argument in arguments
    )
    usage = " ".join(filter(None, [_PROGRAM, name, "[OPTIONS]", shown]))
    return f"```sh\n{usage}\n```\n\n{_table(options)}"


def _table(options: Iterable[Any]) -> str:
    rows = ["| option | |", "|---|---|"]
    for option in options:
        names = ", ".join(f"`{name}`" for name in option.opts)
        value = f" {option.metavar}" if option.metavar else ""
        given = option.default not in {None, False}
        default = f" Default: {option.default:g}." if given else ""
        rows.append(f"| {names}{value} | {option.help}{default} |")
    return "\n".join(rows) + "\n"


def _of_serve() -> str:
    """Quote the help of the server, which reads its own options."""
    from langchain_moonshot_cache.server.__main__ import main

    printed = io.StringIO()
    screen = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = _WIDTH
    try:
        with redirect_stdout(printed), suppress(SystemExit):
            main(["--help"], program=f"{_PROGRAM} serve")
    finally:
        del os.environ["COLUMNS"]
        if screen is not None:
            os.environ["COLUMNS"] = screen
    return f"```text\n{printed.getvalue()}```\n"


if __name__ == "__main__":
    sys.stdout.write(page())
