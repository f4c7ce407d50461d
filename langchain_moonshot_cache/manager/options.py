"""What users may set about their caches, checked before anything is done with it."""

from __future__ import annotations

import math

from langchain_moonshot_cache.economics import CachePolicy
from langchain_moonshot_cache.errors import ConfigurationError
from langchain_moonshot_cache.registry import Registry, open_registry

__all__ = [
    "LONGEST_TTL",
    "check_ttl",
    "check_wait",
    "chosen_policy",
    "chosen_registry",
]

LEAST_TTL = 30
"""Seconds. A cache is not used in its last seconds, and creating one takes some."""
LONGEST_TTL = 3600
"""Seconds. The API's own limit: an expiry lies at most an hour ahead."""


def chosen_policy(policy: str | CachePolicy) -> CachePolicy:
    """Return the policy that an option names.

    Raises:
        ConfigurationError: It names none.
    """
    if isinstance(policy, CachePolicy):
        return policy
    if policy == "economic":
        return CachePolicy.economic()
    if policy == "always":
        return CachePolicy.always()
    raise ConfigurationError(
        f"cache_policy is {policy!r}; use 'economic', 'always' or a CachePolicy."
    )


def chosen_registry(registry: str | Registry | None) -> Registry:
    """Return the registry that an option names, opened if it is a URL.

    Raises:
        ConfigurationError: It is the URL of none.
    """
    if isinstance(registry, Registry):
        return registry
    return open_registry(registry)


def check_ttl(ttl: float) -> int:
    """Return a lifetime in whole seconds if it is one that a cache may have.

    Raises:
        ConfigurationError: It is no whole number from 30 to 3600.
    """
    whole = isinstance(ttl, int) and not isinstance(ttl, bool)
    if not whole or not LEAST_TTL <= ttl <= LONGEST_TTL:
        raise ConfigurationError(
            f"a cache lives from {LEAST_TTL} to {LONGEST_TTL} seconds, not {ttl!r}; "
            "set cache_ttl to a whole number of seconds in that range, or leave it to "
            "the policy with None."
        )
    return int(ttl)


def check_wait(wait: float) -> float:
    """Return a waiting time in seconds if it is one.

    Raises:
        ConfigurationError: It is negative, endless or no number.
    """
    number = isinstance(wait, int | float) and not isinstance(wait, bool)
    if not number or not 0 <= wait < math.inf:
        raise ConfigurationError(
            f"cache_wait is {wait!r}; give seconds, 0 for not waiting at all."
        )
    return float(wait)
