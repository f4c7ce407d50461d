"""The commands, put together: each is a function in a file of its name."""

from __future__ import annotations

import typer

from langchain_moonshot_cache import __version__
from langchain_moonshot_cache.cli.demo import demo
from langchain_moonshot_cache.cli.serve import FORWARDED, serve

__all__ = ["app"]

app = typer.Typer(
    name="moonshot-cache",
    help="Context caching for Kimi / Moonshot: see what it saves, and serve its API.",
    epilog="Exit status: 0 success, 1 trouble, 2 wrong option or missing extra. "
    "NO_COLOR switches colours off.",
    no_args_is_help=True,
    rich_markup_mode="markdown",  # help texts flow instead of keeping line ends
    # A traceback with local variables would show keys and prompts.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - as typer calls it
    if wanted:
        typer.echo(f"moonshot-cache {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    _version: bool = typer.Option(
        False,
        "--version",
        callback=_show_version,
        is_eager=True,
        help="Show the version and exit.",
    ),
) -> None:
    """Take the options that stand before the command."""


app.command()(demo)
app.command(context_settings=FORWARDED, add_help_option=False)(serve)
