"""What the shell offers where a cache id is due."""

from __future__ import annotations

from contextlib import closing

from langchain_moonshot_cache.errors import MoonshotCacheError

__all__ = ["known_cache_ids"]


def known_cache_ids(incomplete: str) -> list[str]:
    """Complete a cache id from the environment's registry, without a request.

    Only what can be used or will be; a registry that cannot be read offers nothing, for
    a shell has no place to show why.

    Args:
        incomplete: What has been typed so far.
    """
    from langchain_moonshot_cache.registry import State, open_registry

    try:
        with closing(open_registry()) as registry:
            return sorted(
                entry.cache_id
                for entry in registry.entries()
                if entry.cache_id is not None
                and entry.cache_id.startswith(incomplete)
                and entry.state in {State.PENDING, State.READY}
            )
    except MoonshotCacheError:
        return []
