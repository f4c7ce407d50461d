"""The commands, put together: each is a function in a file of its name."""

from __future__ import annotations

import typer

from langchain_moonshot_cache import __version__
from langchain_moonshot_cache.cli.bill import bill
from langchain_moonshot_cache.cli.demo import demo
from langchain_moonshot_cache.cli.doctor import doctor
from langchain_moonshot_cache.cli.explain import explain
from langchain_moonshot_cache.cli.ls import ls
from langchain_moonshot_cache.cli.rm import rm
from langchain_moonshot_cache.cli.serve import FORWARDED, serve
from langchain_moonshot_cache.cli.show import show
from langchain_moonshot_cache.cli.sweep import sweep
from langchain_moonshot_cache.cli.warm import warm

__all__ = ["app"]

app = typer.Typer(
    name="moonshot-cache",
    help="Context caching for Kimi / Moonshot: see your caches, what they cost and "
    "what they save, and serve their API.",
    epilog="Exit status: 0 success, 1 trouble, 2 an option, key or extra is wrong or "
    "missing, 130 interrupted. Results go to standard output, everything else to "
    "standard error. NO_COLOR switches colours off.",
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


for command in (ls, show, warm, rm, sweep, bill, explain, doctor, demo):
    app.command()(command)
app.command(context_settings=FORWARDED, add_help_option=False)(serve)
