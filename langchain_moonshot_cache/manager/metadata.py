"""What a cache carries so that its maker's successors can find it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_moonshot_cache.lifecycle.effects import Seen, Stray

if TYPE_CHECKING:
    from collections.abc import Iterable

    from langchain_moonshot_cache.lifecycle.effects import Create
    from langchain_moonshot_cache.protocol import ContextCache

__all__ = ["FINGERPRINT", "as_seen", "newest_living", "stamp", "strays"]

FINGERPRINT = "lmc_fingerprint"
"""Metadata key of the fingerprint, by which an orphan is found."""
_OWNER = "lmc_owner"
_LEASE = "lmc_lease_until"


def stamp(effect: Create) -> dict[str, str]:
    """Make the metadata of a cache: whose it is, and until when its maker claims it."""
    return {
        FINGERPRINT: effect.prefix.key,
        _OWNER: effect.owner,
        _LEASE: f"{effect.lease_until:.0f}",
    }


def as_seen(cache: ContextCache) -> Seen:
    """Reduce a cache to what the flows decide by."""
    return Seen(
        cache_id=cache.id,
        status=cache.status.value,
        tokens=cache.tokens,
        expires_at=None if cache.expired_at is None else float(cache.expired_at),
        error=None if cache.error is None else cache.error.type,
        model=cache.model,
        created_at=None if cache.created_at is None else float(cache.created_at),
    )


def newest_living(caches: Iterable[ContextCache]) -> Seen | None:
    """Pick the first that lives; the API lists the newest first."""
    return next((as_seen(cache) for cache in caches if cache.is_live), None)


def strays(caches: Iterable[ContextCache]) -> list[Stray]:
    """Pick the living caches that carry our metadata."""
    return [
        Stray(
            key=cache.metadata[FINGERPRINT],
            seen=as_seen(cache),
            created_at=None if cache.created_at is None else float(cache.created_at),
            lease_until=_seconds(cache.metadata.get(_LEASE)),
        )
        for cache in caches
        if cache.is_live and FINGERPRINT in cache.metadata
    ]


def _seconds(text: str | None) -> float:
    """Read a time that anybody may have written; 0 if it is none."""
    return float(text) if text and text.isdecimal() else 0.0
