"""What a check of ``doctor`` says, and those that need no endpoint."""

from __future__ import annotations

import stat
import sys
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from importlib.util import find_spec
from typing import TYPE_CHECKING

from langchain_moonshot_cache import __version__
from langchain_moonshot_cache.cli.account import read_prices
from langchain_moonshot_cache.cli.entry import EXTRAS
from langchain_moonshot_cache.errors import ConfigurationError, RegistryError
from langchain_moonshot_cache.registry import MemoryRegistry, open_registry

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_moonshot_cache.registry import Registry

__all__ = [
    "Check",
    "Verdict",
    "check_installation",
    "check_key_file",
    "check_prices",
    "check_registry",
]

_MARK = "doctor"
"""Name of the mark by which writing to a registry is tried."""

_MARK_FOR = 1.0
"""Seconds until that mark is forgotten."""


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What it was.
        verdict: How it is.
        finding: What was found, in words.
        next_step: What to do, where something can be done.
    """

    name: str
    verdict: Verdict
    finding: str
    next_step: str | None = None


def check_installation() -> Check:
    """Name the version and the extras that are not installed."""
    missing = sorted(
        {extra for module, extra in EXTRAS.items() if find_spec(module) is None}
    )
    finding = f"langchain-moonshot-cache {__version__}, Python {sys.version.split()[0]}"
    if not missing:
        return Check("installation", Verdict.OK, f"{finding}, with all extras")
    extras = ",".join(missing)
    return Check(
        "installation",
        Verdict.OK,
        f"{finding}, without the extras {', '.join(missing)}",
        f"if you need them: pip install 'langchain-moonshot-cache[{extras}]'",
    )


def check_prices(path: Path | None) -> Check:
    """Tell how old the prices are, those in a file or those of the package."""
    try:
        prices = read_prices(path)
    except ConfigurationError as error:
        return Check("prices", Verdict.FAIL, error.message)
    today = datetime.now(tz=UTC).date()
    whose = "list prices" if path is None else f"{path}, prices"
    finding = f"{whose} as of {prices.checked}, {prices.age(today)} days ago"
    if prices.age(today) < 0:
        finding = f"{whose} as of {prices.checked}, which is still to come"
    if prices.stale(today) is None:
        return Check("prices", Verdict.OK, finding)
    step = (
        "upgrade langchain-moonshot-cache, or give models prices of your own: costs "
        "may be told at former prices"
    )
    if path is not None:
        step = "compare them with the vendor's, and set the day of it as checked"
    return Check("prices", Verdict.WARN, finding, step)


def check_registry(url: str | None) -> Check:
    """Open the registry, read it through, and write a mark into it."""
    try:
        with closing(open_registry(url)) as registry:
            return _tried(registry)
    except (ConfigurationError, RegistryError) as error:
        return Check(
            "registry",
            Verdict.FAIL,
            error.message,
            "until it can be used, every call goes without named caches",
        )


def _tried(registry: Registry) -> Check:
    if isinstance(registry, MemoryRegistry):
        return Check(
            "registry",
            Verdict.WARN,
            "memory://, which ends with the process and is shared with nobody",
            "leave MOONSHOT_CACHE_REGISTRY unset for a file that all your processes "
            "share, or name one",
        )
    entries = sum(1 for _ in registry.entries())
    registry.mark(_MARK, value="1", seconds=_MARK_FOR)
    place = getattr(registry, "address", None) or getattr(registry, "path", "")
    known = "1 prefix" if entries == 1 else f"{entries:,} prefixes"
    return Check("registry", Verdict.OK, f"{place} can be written; knows {known}")


def check_key_file(path: Path) -> Check:
    """Tell whether other users of this machine may read the key."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        finding = f"{path}: {error.strerror}"
        return Check("key file", Verdict.FAIL, finding, "name a file that exists")
    if sys.platform != "win32" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        return Check(
            "key file",
            Verdict.WARN,
            f"other users of this machine may read {path}",
            f"chmod 600 {path}",
        )
    return Check("key file", Verdict.OK, f"{path} is yours alone")
