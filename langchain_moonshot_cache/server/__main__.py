"""``python -m langchain_moonshot_cache.server``: the servers on the command line."""

from __future__ import annotations

import argparse
import ipaddress
import sys
from typing import TYPE_CHECKING, get_args

from .gateway_options import add_gateway_options, run_gateway
from .local import LocalEngineError
from .local_options import add_local_options, run_local
from .marks import rules_page
from .serve import listen, origin, serve
from .settings import Currency, Settings
from .store import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

DEFAULT_PORT = 8000
IN_MEMORY = Settings().data
NOTE = "(scripted engine: answers are made up by rules)"
SCRIPTED_ONLY = {
    "--ready-after": "ready_after",
    "--cache-token-limit": "cache_token_limit",
    "--currency": "currency",
    "--retired-models": "retired_models",
    "--no-control": "control",
}
"""Options that mean nothing where an engine runs a model, and where they are kept."""


def main(
    arguments: Sequence[str] | None = None,
    *,
    program: str = "python -m langchain_moonshot_cache.server",
) -> int:
    """Serve until interrupted, or print the page of rules.

    Args:
        arguments: The command line without the program's name; None takes the
            process's own.
        program: The program's name, for messages about the command line.

    Returns:
        The exit status.
    """
    parser = _parser(program)
    options = parser.parse_args(arguments)
    if options.rules:
        from . import gateway as _gateway  # noqa: F401, PLC0415 - it declares its rules

        sys.stdout.write(rules_page())
        return 0
    serves = _serve_scripted
    if options.upstream is not None or options.local is not None:
        serves = _serve_real
        _check_real(parser, options)
    try:
        serves(options)
    except (OSError, OverflowError, StoreError, ValueError, LocalEngineError) as error:
        sys.stderr.write(f"cannot serve: {error}\n")
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def _check_real(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if options.upstream is not None and options.local is not None:
        parser.error("give --upstream or --local: there is one engine")
    for option, name in SCRIPTED_ONLY.items():
        if getattr(options, name) != parser.get_default(name):
            parser.error(f"{option} is for the scripted engine only: leave it out")


def _serve_real(options: argparse.Namespace) -> None:
    run = run_gateway if options.local is None else run_local
    run(options, loopback=_is_loopback(options.host))


def _serve_scripted(options: argparse.Namespace) -> None:
    settings = Settings(
        host=options.host,
        port=options.port,
        ready_after=options.ready_after,
        data=options.data or IN_MEMORY,
        cache_token_limit=options.cache_token_limit,
        account_token_limit=options.account_token_limit,
        currency=options.currency,
        retired_models=options.retired_models,
        control=options.control and _is_loopback(options.host),
    )
    with listen(settings.host, port=settings.port) as listener:
        url = origin(settings.host, port=listener.getsockname()[1])
        serve(settings, listener=listener, greeting=f"listening on {url}/v1 {NOTE}")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _TellsDefaults(argparse.ArgumentDefaultsHelpFormatter):
    """Tells the defaults that say something: no switch is on, and None is no value."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if isinstance(action.default, bool) or action.default in (None, []):
            return action.help
        return super()._get_help_string(action)


def _parser(program: str) -> argparse.ArgumentParser:
    known = Settings()
    parser = argparse.ArgumentParser(
        prog=program,
        description="A stand-in for the Moonshot API with both its ways of caching. "
        "The engine behind it is scripted: answers are made up by rules, no model "
        "runs. With --upstream or --local a real one answers, and the named caching "
        "API stands in front of it.",
        formatter_class=_TellsDefaults,
    )
    add = parser.add_argument
    add("--host", default=known.host, help="address to listen on")
    add("--port", type=int, default=DEFAULT_PORT, help="port; 0 takes a free one")
    add(
        "--ready-after",
        type=float,
        default=known.ready_after,
        metavar="SECONDS",
        help="how long a cache stays pending; Moonshot's took 40 to 60",
    )
    add(
        "--data",
        metavar="FILE",
        help="SQLite file that keeps caches, tags and bills over a restart; for a "
        "gateway also a redis:// URL, which several may share, or the environment's "
        "MOONSHOT_GATEWAY_DATA",
    )
    add(
        "--cache-token-limit",
        type=int,
        default=known.cache_token_limit,
        metavar="TOKENS",
        help="most tokens in one cache",
    )
    add(
        "--account-token-limit",
        type=int,
        default=known.account_token_limit,
        metavar="TOKENS",
        help="most tokens in all living caches of one account",
    )
    add(
        "--currency",
        choices=get_args(Currency),
        default=known.currency,
        help="currency of the bill",
    )
    add(
        "--retired-models",
        action="store_true",
        help="let models be gone from the day on that their vendor retired them",
    )
    add(
        "--no-control",
        dest="control",
        action="store_false",
        help="leave out the /_stand_in/ routes (clock, faults, request log); "
        "they are always left out on an address that is not loopback",
    )
    add("--rules", action="store_true", help="print the page of rules and exit")
    add_gateway_options(parser)
    add_local_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
