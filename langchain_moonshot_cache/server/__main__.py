"""``python -m langchain_moonshot_cache.server``: the stand-in on the command line."""

from __future__ import annotations

import argparse
import ipaddress
import sys
from typing import TYPE_CHECKING, get_args

from .marks import rules_page
from .serve import listen, origin, serve
from .settings import Currency, Settings
from .store import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

DEFAULT_PORT = 8000
NOTE = "(scripted engine: answers are made up by rules)"


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
    options = _parser(program).parse_args(arguments)
    if options.rules:
        sys.stdout.write(rules_page())
        return 0
    settings = Settings(
        host=options.host,
        port=options.port,
        ready_after=options.ready_after,
        data=options.data,
        cache_token_limit=options.cache_token_limit,
        account_token_limit=options.account_token_limit,
        currency=options.currency,
        retired_models=options.retired_models,
        control=options.control and _is_loopback(options.host),
    )
    try:
        with listen(settings) as listener:
            url = origin(settings.host, port=listener.getsockname()[1])
            serve(settings, listener=listener, greeting=f"listening on {url}/v1 {NOTE}")
    except (OSError, StoreError) as error:
        sys.stderr.write(f"cannot serve: {error}\n")
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _parser(program: str) -> argparse.ArgumentParser:
    known = Settings()
    parser = argparse.ArgumentParser(
        prog=program,
        description="A stand-in for the Moonshot API with both its ways of caching. "
        "The engine behind it is scripted: answers are made up by rules, no model "
        "runs.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
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
        default=known.data,
        metavar="FILE",
        help="SQLite file that keeps caches, tags and bills over a restart",
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
    return parser


if __name__ == "__main__":
    sys.exit(main())
