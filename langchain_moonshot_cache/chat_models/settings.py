"""Checks of the chat model's options, before pydantic sees them.

They raise :class:`~langchain_moonshot_cache.errors.ConfigurationError` with the next
step in it, and never repeat a key.
"""

from __future__ import annotations

import os
import re
from typing import Any

from pydantic import SecretStr

from langchain_moonshot_cache.errors import ConfigurationError
from langchain_moonshot_cache.manager import check_ttl, chosen_policy
from langchain_moonshot_cache.protocol import DEFAULT_BASE_URL
from langchain_moonshot_cache.protocol.endpoint import NO_KEY
from langchain_moonshot_cache.registry import open_registry

__all__ = ["TIERS", "check_options", "least_tokens_of", "seconds_of"]

TIERS = {"5m": 300, "1h": 3600}
"""Names of the lifetimes that automatic caching offers, in seconds."""

_CHOICES = {
    "caching": ("auto", "named", "prefix", "off"),
    "cache_reference": ("message", "headers"),
}


_PASSWORD = re.compile(r"//[^/@]*:[^@]*@|[?&]password=", re.IGNORECASE)
"""A URL's user part with a password, or redis-py's option of that name."""


def check_options(values: dict[str, Any]) -> dict[str, Any]:
    """Fill in what the environment holds and refuse what cannot work.

    Args:
        values: The constructor's keyword arguments.

    Returns:
        The same, with ``api_key`` and ``base_url`` filled in.

    Raises:
        ConfigurationError: An option is missing or out of range.
    """
    unset = {name for name in ("ledger", "prices") if values.get(name) is None}
    values = {name: value for name, value in values.items() if name not in unset}
    for name in ("api_base", "openai_api_base"):
        if name in values:
            values.setdefault("base_url", values.pop(name))
    if "openai_api_key" in values:
        values.setdefault("api_key", values.pop("openai_api_key"))
    if "max_completion_tokens" in values:
        values.setdefault("max_tokens", values.pop("max_completion_tokens"))
    if values.get("base_url") is None:
        values["base_url"] = os.environ.get("MOONSHOT_API_BASE") or DEFAULT_BASE_URL
    if values.get("api_key") is None:
        values["api_key"] = os.environ.get("MOONSHOT_API_KEY")
    values["api_key"] = _checked_key(values["api_key"])
    for name, choices in _CHOICES.items():
        if values.get(name, choices[0]) not in choices:
            raise ConfigurationError(
                f"{name} is {values[name]!r}; use one of {', '.join(choices)}."
            )
    chosen_policy(values.get("cache_policy", "economic"))
    seconds_of(values.get("cache_ttl"))
    if "registry" in values:
        values["registry"] = _shown_safely(values["registry"])
    return values


def _shown_safely(registry: Any) -> Any:
    """Open a registry whose URL holds a password.

    A model is printed, traced and written down with its options. A URL would take the
    password along; a registry shows its address only.
    """
    if isinstance(registry, str) and _PASSWORD.search(registry):
        return open_registry(registry)
    return registry


def _checked_key(key: Any) -> Any:
    """Return a key without the line break that it brings along from a file."""
    secret = getattr(key, "get_secret_value", None)
    value = secret() if secret else key
    if isinstance(value, str):
        value = value.strip()
    if not value:
        raise ConfigurationError(NO_KEY)
    return SecretStr(value) if isinstance(value, str) else key


def seconds_of(ttl: Any) -> int | None:
    """Turn a ``cache_ttl`` into seconds, or None where the policy decides.

    Raises:
        ConfigurationError: It is neither a tier nor a number of seconds in range.
    """
    if ttl is None:
        return None
    if isinstance(ttl, str):
        if ttl not in TIERS:
            raise ConfigurationError(
                f"cache_ttl is {ttl!r}; use '5m', '1h', a whole number of seconds, or "
                "None to leave it to the policy."
            )
        return TIERS[ttl]
    return check_ttl(ttl)


def least_tokens_of(tokens: Any) -> int | None:
    """Return a least size in tokens, or None where the policy decides.

    Raises:
        ConfigurationError: It is no whole number from 0.
    """
    if tokens is None:
        return None
    if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 0:
        raise ConfigurationError(
            f"min_tokens is {tokens!r}; use a whole number from 0, or None to leave it "
            "to the policy."
        )
    return tokens
