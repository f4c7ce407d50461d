"""The command line's options of the gateway, and what becomes of them."""

from __future__ import annotations

import os
import re
from contextlib import nullcontext
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from .serve import listen, origin

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from .backend import Engine
    from .gateway import GatewaySettings

__all__ = ["add_gateway_options", "run_gateway"]

UPSTREAM_KEY: Final = "MOONSHOT_GATEWAY_UPSTREAM_KEY"
"""Environment variable of the engine's key: the command line is everybody's to read."""
DATA: Final = "MOONSHOT_GATEWAY_DATA"
"""Environment variable of the state's place, for a URL with a password in it."""
STANDARD_ERROR: Final = 2  # its descriptor, on every system
_HEADER: Final = re.compile(
    r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([!-~](?:[ -~\t]*[!-~])?)[ \t]*"
)
_FRAMING: Final = frozenset({"content-length", "transfer-encoding", "connection"})
"""Headers that say where a request ends, which nobody knows beforehand."""
_WORD: Final = re.compile(r"[!-~]+")  # what may stand in a header or in a URL
_MAPPED: Final = re.compile(r"([^=\s]+)=(\S+)")


def add_gateway_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that only a gateway has."""
    group = parser.add_argument_group(
        "gateway", "An engine that runs a model, in place of the scripted one."
    )
    add = group.add_argument
    add("--upstream", metavar="URL", help="base URL of an OpenAI-compatible engine")
    add(
        "--upstream-key-file",
        type=Path,
        metavar="FILE",
        help=f"file with the engine's key; else the environment's {UPSTREAM_KEY}",
    )
    add(
        "--upstream-header",
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        help="header for every request to the engine; may be repeated",
    )
    add(
        "--upstream-timeout",
        type=_positive,
        default=600.0,
        metavar="SECONDS",
        help="how long the engine may be silent",
    )
    add(
        "--model-map",
        action="append",
        default=[],
        metavar="SERVED=UPSTREAM",
        help="model that clients may ask for, and the engine's name of it; may be "
        "repeated. Without one every name is handed on",
    )
    add(
        "--cache-salt",
        action="store_true",
        help="keep the prefixes of accounts apart in vLLM too, by its cache_salt",
    )
    add(
        "--keys-file",
        type=Path,
        metavar="FILE",
        help="the keys that clients may use, one a line; needed on an address that is "
        "not loopback",
    )
    add(
        "--max-body",
        type=int,
        default=32 * 1024 * 1024,
        metavar="BYTES",
        help="largest request",
    )
    add(
        "--stop-within",
        type=_positive,
        default=30.0,
        metavar="SECONDS",
        help="how long running calls may go on once told to stop",
    )
    add(
        "--access-log",
        type=Path,
        metavar="FILE",
        help="where to write a line of JSON for each request; else standard error",
    )
    add("--no-access-log", action="store_true", help="write no such lines")


def run_gateway(
    options: argparse.Namespace,
    *,
    loopback: bool,
    engine: Callable[[], Engine] | None = None,
    note: str | None = None,
) -> None:
    """Serve a gateway until told to stop.

    Args:
        options: What was given on the command line.
        loopback: Whether the address is this machine's own.
        engine: Makes the engine; None takes the one behind ``--upstream``.
        note: What the greeting says of the engine.

    Raises:
        ValueError: When an option does not make sense.
        OSError: If the address is taken, or a file cannot be read.
        StoreError: If the state cannot be used.
    """
    from .gateway import serve_gateway  # noqa: PLC0415 - what it needs takes its time

    settings = _settings(options, loopback=loopback)
    if engine is None:
        engine, note = _upstream(options)
    with listen(options.host, port=options.port) as listener:
        url = origin(options.host, port=listener.getsockname()[1])
        with _access_log(options) as log:
            serve_gateway(
                settings,
                engine=engine(),
                listener=listener,
                greeting=f"listening on {url}/v1 {note}",
                access_log=log,
            )


def _access_log(
    options: argparse.Namespace,
) -> AbstractContextManager[FileIO | None]:
    """Open the access log; standard error by a descriptor of its own.

    Not by its Python object, whose lock a writer that waits would hold for ever.
    """
    if options.no_access_log:
        return nullcontext()
    if options.access_log is None:
        return FileIO(os.dup(STANDARD_ERROR), "w")
    return FileIO(options.access_log, "a")


def _settings(options: argparse.Namespace, *, loopback: bool) -> GatewaySettings:
    from .gateway import GatewaySettings  # noqa: PLC0415 - as above

    keys = None if options.keys_file is None else _keys(options.keys_file)
    if keys is None and not loopback:
        raise ValueError(
            f"{options.host} can be reached by others: name who may come in by "
            "--keys-file FILE, or listen on 127.0.0.1"
        )
    return GatewaySettings(
        host=options.host,
        port=options.port,
        data=options.data or os.environ.get(DATA, ""),
        keys=keys,
        max_body_bytes=options.max_body,
        account_token_limit=options.account_token_limit,
        stop_seconds=options.stop_within,
    )


def _keys(path: Path) -> frozenset[str]:
    """Read keys, one a line; lines that begin with ``#`` are remarks."""
    lines = (line.strip() for line in path.read_text("utf-8").splitlines())
    keys = frozenset(line for line in lines if line and not line.startswith("#"))
    if not keys:
        raise ValueError(f"{path} holds no key: write one a line")
    return keys


def _upstream(options: argparse.Namespace) -> tuple[Callable[[], Engine], str]:
    from .gateway import Upstream, UpstreamSettings  # noqa: PLC0415 - as above

    _check_address(options.upstream)
    settings = UpstreamSettings(
        url=options.upstream,
        key=_key(options.upstream_key_file),
        models=dict(_matched(_MAPPED, options.model_map, "--model-map")),
        headers=_headers(options.upstream_header),
        timeout=options.upstream_timeout,
        cache_salt=options.cache_salt,
    )
    return lambda: Upstream(settings), f"(engine: {options.upstream})"


def _check_address(url: str) -> None:
    address = urlsplit(url)
    if (
        address.scheme not in ("http", "https")
        or not address.hostname
        or address.query
        or address.fragment
        or _WORD.fullmatch(url) is None
    ):
        raise ValueError("--upstream wants a URL such as http://127.0.0.1:8000/v1")
    if address.username or address.password:
        raise ValueError("--upstream holds a password: give it by --upstream-key-file")


def _key(path: Path | None) -> str | None:
    if path is None:
        place, key = UPSTREAM_KEY, os.environ.get(UPSTREAM_KEY, "").strip()
        if not key:
            return None
    else:
        place, key = str(path), path.read_text("utf-8").strip()
    if _WORD.fullmatch(key) is None:
        raise ValueError(f"{place} should hold one key and nothing else")
    return key


def _headers(texts: list[str]) -> dict[str, str]:
    headers = dict(_matched(_HEADER, texts, "--upstream-header"))
    if any(name.lower() in _FRAMING for name in headers):
        raise ValueError(f"--upstream-header cannot set {', '.join(sorted(_FRAMING))}")
    return headers


def _matched(form: re.Pattern[str], texts: list[str], option: str) -> list[Any]:
    pairs = [form.fullmatch(text) for text in texts]
    if None in pairs:
        raise ValueError(f"{option} is not of the form that --help shows")
    return [pair.groups() for pair in pairs if pair is not None]


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError(text)
    return number
