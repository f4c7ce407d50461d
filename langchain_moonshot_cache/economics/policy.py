"""Whether a prefix is worth a cache, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

__all__ = ["CachePolicy", "Decision"]

_LEAST_TOKENS = 2048
"""A call that uses a named cache costs a fee of 0.02 yuan, which is what 1,667 input
tokens of the cheapest model cost: below that even a cache that is free to create and
to keep loses money. The next power of two leaves room for creating it."""

_ECONOMIC_TTL = 600
"""Ten minutes of storage cost about twice what creating the cache costs (50 against 24
yuan per million tokens); calls that come meanwhile prolong it."""

_ALWAYS_TTL = 3600
"""The longest lifetime that the API grants, and its default."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision and its reason in words."""

    yes: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePolicy:
    """Decides about named caches.

    Attributes:
        least_tokens: Prefixes with fewer tokens are not cached.
        ttl: Lifetime to ask for, in seconds, where the user set none.
        renew_below: A call renews the lifetime once the share of it that remains
            has fallen below this: 1 renews with every call, 0 never.
    """

    least_tokens: int = _LEAST_TOKENS
    ttl: int = _ECONOMIC_TTL
    renew_below: float = 0.5

    @classmethod
    def economic(cls) -> Self:
        """Cache what is long enough to pay."""
        return cls()

    @classmethod
    def always(cls) -> Self:
        """Cache every prefix, for as long as the API grants, prolonged by each call."""
        return cls(least_tokens=0, ttl=_ALWAYS_TTL, renew_below=1.0)

    def create(self, *, tokens: int) -> Decision:
        """Decide whether a prefix of so many (estimated) tokens gets a cache."""
        if tokens < self.least_tokens:
            return Decision(
                yes=False,
                reason=f"the prefix has about {tokens} tokens; a cache pays from "
                f"{self.least_tokens}",
            )
        return Decision(yes=True, reason=f"the prefix has about {tokens} tokens")

    def renew(self, *, remaining: float, ttl: int) -> Decision:
        """Decide whether a call prolongs the cache that it uses.

        Args:
            remaining: Seconds that the cache still has.
            ttl: Lifetime in seconds that a renewal would give it from now on.
        """
        if remaining > self.renew_below * ttl:
            return Decision(yes=False, reason=f"{remaining:.0f} s are left")
        return Decision(yes=True, reason=f"{remaining:.0f} s of {ttl} s were left")
