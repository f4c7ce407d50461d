"""``moonshot-cache serve``."""

from __future__ import annotations

import typer

__all__ = ["FORWARDED", "serve"]

FORWARDED = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],
}
"""Settings of a command whose options, ``--help`` too, are read by somebody else."""


def serve(context: typer.Context) -> None:
    """Serve the named caching API, with a scripted engine or a real one behind it.

    Takes the options of python -m langchain_moonshot_cache.server; see serve --help.
    """
    # Here, so that the other commands work without the extra that it needs.
    from langchain_moonshot_cache.server.__main__ import main

    raise typer.Exit(main(context.args, program="moonshot-cache serve"))
