"""From a URL to a registry.

Opening connects to nothing and creates nothing: a registry that is out of order shows
that at its first use, where the call goes on without it. Only a URL that can never be
right is refused at once.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from langchain_moonshot_cache.errors import ConfigurationError
from langchain_moonshot_cache.registry.memory import MemoryRegistry
from langchain_moonshot_cache.registry.sqlite import SqliteRegistry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_moonshot_cache.registry.base import Registry

__all__ = ["default_path", "open_registry"]

_VARIABLE = "MOONSHOT_CACHE_REGISTRY"
_FORMS = (
    "use 'memory://', 'sqlite:///relative/path', 'sqlite:////absolute/path', "
    "'redis://host:6379/0', 'rediss://...' or 'unix:///path/to.sock'"
)


def open_registry(url: str | None = None) -> Registry:
    """Open the registry that a URL names.

    Args:
        url: ``memory://`` is a registry of this object's own, gone with the process.
            ``sqlite:///path`` is a file, from the current directory or, with
            ``sqlite:////path`` and ``sqlite:///~/path``, from the root or the home
            directory; ``?synchronous=FULL`` and ``?busy_timeout=5`` (seconds) may
            follow. ``sqlite://`` is the default file. ``redis://``, ``rediss://`` and
            ``unix://`` are as redis-py understands them. None stands for the
            environment's ``MOONSHOT_CACHE_REGISTRY``, and without it for ``sqlite://``.

    Raises:
        ConfigurationError: The URL is malformed, its scheme is unknown, or redis-py is
            not installed. Nothing of what follows the scheme is repeated.
    """
    source = "registry=..."
    if url is None:
        source = _VARIABLE
        url = os.environ.get(_VARIABLE) or "sqlite://"
    try:
        return _opened(url)
    except ConfigurationError as error:
        trouble = f"{error.message} (the URL comes from {source})"
    raise ConfigurationError(trouble)


def default_path() -> Path:
    """Return the registry's file in the user's cache directory, as the system has it.

    On Linux that is ``$XDG_CACHE_HOME`` or ``~/.cache`` (XDG Base Directory
    Specification), on macOS ``~/Library/Caches``, on Windows ``%LOCALAPPDATA%``. Where
    no home directory is known, the path still begins with ``~``.
    """
    if sys.platform == "win32":
        named, fallback = os.environ.get("LOCALAPPDATA", ""), "~/AppData/Local"
    elif sys.platform == "darwin":
        named, fallback = "", "~/Library/Caches"
    else:
        named, fallback = os.environ.get("XDG_CACHE_HOME", ""), "~/.cache"
    # The specification has relative paths ignored.
    directory = named if Path(named).is_absolute() else fallback
    home = os.path.expanduser(directory)  # noqa: PTH111 - Path's raises without a home
    return Path(home, "langchain-moonshot-cache", "registry.sqlite")


def _opened(url: str) -> Registry:
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise ConfigurationError(f"a registry is named by a URL: {_FORMS}")
    if scheme == "memory" and not rest:
        return MemoryRegistry()
    if scheme == "sqlite":
        return _sqlite(rest)
    if scheme in {"redis", "rediss", "unix"}:
        return _redis(url)
    if scheme == "memory":
        raise ConfigurationError("nothing follows 'memory://'")
    shown = repr(scheme) if scheme.isalnum() else "that scheme"
    raise ConfigurationError(f"no registry speaks {shown}: {_FORMS}")


def _sqlite(rest: str) -> SqliteRegistry:
    path, _, query = rest.partition("?")
    options = _sqlite_options(dict(parse_qsl(query, keep_blank_values=True)))
    if not path:
        return SqliteRegistry(default_path(), **options)
    if not path.startswith("/"):
        raise ConfigurationError(
            "'sqlite://' is followed by a third slash and the path: "
            "'sqlite:///relative/path' or 'sqlite:////absolute/path'"
        )
    return SqliteRegistry(path[1:], **options)


def _sqlite_options(query: Mapping[str, str]) -> dict[str, Any]:
    if unknown := query.keys() - {"synchronous", "busy_timeout"}:
        raise ConfigurationError(
            f"a SQLite registry has no option {min(unknown)!r}: only synchronous and "
            "busy_timeout"
        )
    options: dict[str, Any] = dict(query)
    if "busy_timeout" in query:
        try:
            options["busy_timeout"] = float(query["busy_timeout"])
        except ValueError:
            raise ConfigurationError("busy_timeout is a number of seconds") from None
    return options


def _redis(url: str) -> Registry:
    try:
        from langchain_moonshot_cache.registry.redis import (  # noqa: PLC0415 - an extra
            RedisRegistry,
        )
    except ImportError:
        raise ConfigurationError(
            "a Redis registry needs redis-py: "
            "pip install 'langchain-moonshot-cache[redis]'"
        ) from None
    return RedisRegistry(url)
