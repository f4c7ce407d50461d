"""From a URL to a registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_moonshot_cache.errors import ConfigurationError
from langchain_moonshot_cache.registry.memory import MemoryRegistry

if TYPE_CHECKING:
    from langchain_moonshot_cache.registry.base import Registry

__all__ = ["open_registry"]


def open_registry(url: str) -> Registry:
    """Open the registry that a URL names.

    Args:
        url: ``"memory://"``: a registry of this object's own, gone with the process.

    Raises:
        ConfigurationError: The scheme is unknown.
    """
    scheme = url.partition("://")[0]
    if url == "memory://":
        return MemoryRegistry()
    raise ConfigurationError(
        f"no registry speaks {scheme!r}: use 'memory://'. The URL comes from "
        "registry=... or from MOONSHOT_CACHE_REGISTRY."
    )
