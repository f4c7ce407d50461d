"""How long a cache lives, and what it is called."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any, Final

from .marks import implements
from .refusals import bad_request
from .rules import CACHE_ID, LIFE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

__all__ = ["LONGEST_LIFE", "end_of_life", "new_cache_id"]

LONGEST_LIFE: Final = 3600
"""Seconds: the API's own bound, and the life of a cache that nobody gave one."""

_LETTERS = string.ascii_lowercase + string.digits
_LENGTH = 20


@implements(CACHE_ID)
def new_cache_id(random: Random) -> str:
    """Return an id that is very likely to be new."""
    return "cache-" + "".join(random.choices(_LETTERS, k=_LENGTH))


@implements(LIFE)
def end_of_life(body: Mapping[str, Any], *, now: int, longest: int) -> int:
    """Return when a cache expires.

    Args:
        body: A request with ``ttl`` or ``expired_at``, or neither.
        now: Unix seconds.
        longest: The longest life, in seconds.

    Returns:
        Unix seconds.

    Raises:
        RefusedError: 400, when the life asked for is not one.
    """
    ttl, expired_at = body.get("ttl"), body.get("expired_at")
    if ttl and expired_at:
        raise bad_request("Set either ttl or expired_at, not both.")
    if ttl and ttl > longest:
        raise bad_request(f"ttl must be at most {longest} seconds.")
    if expired_at and not now < expired_at <= now + longest:
        raise bad_request(
            f"expired_at must be later than now ({now}) and at most "
            f"{longest} seconds later."
        )
    return int(expired_at or now + (ttl or min(LONGEST_LIFE, longest)))
