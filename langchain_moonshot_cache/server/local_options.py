"""The command line's options of the local engine, and what becomes of them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from .gateway_options import run_gateway
from .local import CONTEXT, LocalLlama, asking, check_installed, find_weights

if TYPE_CHECKING:
    import argparse

__all__ = ["add_local_options", "run_local"]

_SMALL_MODEL = ""
"""What stands for the small model where a path could stand."""


def add_local_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that only a local engine has."""
    group = parser.add_argument_group(
        "local engine",
        "llama.cpp in this process (extra `local`), with the options of the gateway. "
        "It answers under every model name.",
    )
    add = group.add_argument
    add(
        "--local",
        nargs="?",
        const=_SMALL_MODEL,
        metavar="PATH.gguf",
        help="run these weights; without a path a small model, which is fetched once "
        "if you agree",
    )
    add(
        "--context",
        type=int,
        default=CONTEXT,
        metavar="TOKENS",
        help="most tokens of a prompt and its answer together",
    )
    add(
        "--threads",
        type=int,
        metavar="N",
        help="threads that compute; else as llama.cpp chooses",
    )
    add(
        "--yes",
        action="store_true",
        help="agree to the small model's licence and to fetching it",
    )


def run_local(options: argparse.Namespace, *, loopback: bool) -> None:
    """Serve a gateway with llama.cpp behind it until told to stop.

    Args:
        options: What was given on the command line.
        loopback: Whether the address is this machine's own.

    Raises:
        ValueError: When an option does not make sense.
        LocalEngineError: Without the extra, or without weights that can be loaded.
        OSError: If the address is taken, or a file cannot be read.
        StoreError: If the state cannot be used.
    """
    check_installed()
    from .gateway import Upstream, UpstreamSettings  # noqa: PLC0415 - it takes its time

    path = Path(options.local) if options.local != _SMALL_MODEL else None
    weights = find_weights(path, agreed=asking(yes=options.yes))
    with ExitStack() as running:

        def engine() -> Upstream:
            llama = running.enter_context(
                LocalLlama(weights, context=options.context, threads=options.threads)
            )
            return Upstream(UpstreamSettings(url=llama.base_url, key=llama.api_key))

        # The gateway calls it once it has its address and its log: loading takes time,
        # and what is wrong with the options is said before.
        run_gateway(
            options,
            loopback=loopback,
            engine=engine,
            note=f"(engine: llama.cpp with {weights.stem}, in this process)",
        )
