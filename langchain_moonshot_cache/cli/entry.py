"""Where the command begins, and where it ends when something is missing or wrong."""

from __future__ import annotations

import io
import logging
import sys
from typing import TYPE_CHECKING

from langchain_moonshot_cache.cli.printable import printable
from langchain_moonshot_cache.cli.statuses import TROUBLE, USAGE
from langchain_moonshot_cache.errors import ConfigurationError, MoonshotCacheError

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["main"]

EXTRAS = {
    "h11": "server",
    "langchain": "middleware",
    "matplotlib": "plot",
    "opentelemetry": "otel",
    "prometheus_client": "server",
    "redis": "redis",
    "rich": "cli",
    "starlette": "server",
    "typer": "cli",
    "uvicorn": "server",
    "xllamacpp": "local",
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


class _Pipe(io.FileIO):
    """Standard output that may be closed at its other end, as by ``head``.

    Whoever reads no further has seen enough: the command goes on, and its exit status
    is its own.
    """

    def write(self, data: Buffer, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            return memoryview(data).nbytes


def _print_anything() -> None:
    """Let a terminal that cannot show a character show its number, not an error.

    And let the reader of a pipe stop where it likes.
    """
    out = sys.stdout
    # Not where somebody put a stream of their own there, as tests do.
    if out is sys.__stdout__ and isinstance(out, io.TextIOWrapper) and not out.isatty():
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(_Pipe(out.fileno(), "w", closefd=False)),
            encoding=out.encoding,
            write_through=out.write_through,
        )
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
