"""Where the command begins, and where it ends when something is missing or wrong."""

from __future__ import annotations

import io
import logging
import sys

from langchain_moonshot_cache.cli.printable import printable
from langchain_moonshot_cache.cli.statuses import TROUBLE, USAGE
from langchain_moonshot_cache.errors import ConfigurationError, MoonshotCacheError

__all__ = ["main"]

EXTRAS = {
    "h11": "server",
    "langchain": "middleware",
    "matplotlib": "plot",
    "prometheus_client": "server",
    "redis": "redis",
    "rich": "cli",
    "starlette": "server",
    "typer": "cli",
    "uvicorn": "server",
}
"""Which extra of the package brings which module."""


def main() -> None:
    """Run the command line; ends the process.

    The exit statuses are those of :mod:`.statuses`, 0 for success.

    Raises:
        SystemExit: Always.
    """
    _print_anything()
    # What keeps a command from its cache is the command's to say, and is said once.
    logging.getLogger("langchain_moonshot_cache").addHandler(logging.NullHandler())
    try:
        # Here and not above: it needs the extra that may be missing.
        from langchain_moonshot_cache.cli.app import app

        app()
    except ModuleNotFoundError as missing:
        extra = EXTRAS.get((missing.name or "").partition(".")[0])
        if extra is None:
            raise
        _end(
            f"{missing.name} is not installed: "
            f"pip install 'langchain-moonshot-cache[{extra}]'",
            status=USAGE,
        )
    except ConfigurationError as error:
        _end(str(error), status=USAGE)
    except (MoonshotCacheError, OSError) as error:
        _end(str(error), status=TROUBLE)


def _end(message: str, *, status: int) -> None:
    sys.stderr.write(f"moonshot-cache: {printable(message)}\n")
    sys.exit(status)


def _print_anything() -> None:
    """Let a terminal that cannot show a character show its number, not an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
