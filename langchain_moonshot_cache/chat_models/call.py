"""One chat call, as far as caching is concerned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_moonshot_cache.chat_models.planning import Plan
    from langchain_moonshot_cache.chat_models.recall import Asked
    from langchain_moonshot_cache.economics import Decision
    from langchain_moonshot_cache.lifecycle import Ready

__all__ = ["Call", "Mechanism", "Reference"]

Mechanism = Literal["named", "prefix", "off"]
Reference = Literal["message", "headers"]


class Call(NamedTuple):
    """What was decided about a call before it is sent.

    A tuple, since several are made with every call on the way to a decision.

    Attributes:
        model: The model that it goes to.
        mechanism: How its prefix is cached.
        reason: Why it stands as it does, in words.
        reference: How a named cache is referenced.
        plan: The prefix, if one was found.
        ready: The cache that is referenced, if one is.
        reset_ttl: Seconds that the call prolongs the cache to.
        created: Whether this call had the cache created.
        grown: Whether the cache was decided to hold more of a conversation than an
            earlier one does.
        tier: TTL tier that automatic caching is asked for; None for its default.
        brought: Tools that came with a mark in the messages, in wire form.
        note: What else was changed about the request, and why.
        resent: Whether it was sent again in full.
        asked: The call as it was made, if it is to be remembered.
        worth: Why it has a cache created, or which tier it asks for, if that was
            decided by prices.
        habit: The prefix whose uses that was decided by.
    """

    model: str
    mechanism: Mechanism
    reason: str
    reference: Reference = "message"
    plan: Plan | None = None
    ready: Ready | None = None
    reset_ttl: int | None = None
    created: bool = False
    grown: bool = False
    tier: str | None = None
    brought: Sequence[Mapping[str, Any]] | None = None
    note: str = ""
    resent: bool = False
    asked: Asked | None = None
    worth: Decision | None = None
    habit: str = ""

    @property
    def cache_id(self) -> str | None:
        """Id of the cache that is referenced."""
        return self.ready.entry.cache_id if self.ready else None

    @property
    def skip(self) -> int:
        """How many leading messages need not be sent."""
        by_message = self.ready is not None and self.reference == "message"
        return self.plan.length if self.plan and by_message else 0

    def in_full(self) -> Self:
        """Return the same call without its cache, after a reference was refused."""
        return self._replace(
            ready=None,
            reset_ttl=None,
            resent=True,
            reason="the server refused the reference; sent again in full",
        )

    def tools(
        self, tools: Sequence[Mapping[str, Any]] | None
    ) -> Sequence[Mapping[str, Any]] | None:
        """Return the tools to send: none beside a cache message, which holds them."""
        if self.skip:
            return None
        return tools or self.brought

    def opening(self) -> list[dict[str, Any]]:
        """Return the message that stands for the cached ones."""
        if not self.skip:
            return []
        content = f"cache_id={self.cache_id}"
        if self.reset_ttl is not None:
            content += f";reset_ttl={self.reset_ttl}"
        return [{"role": "cache", "content": content}]

    def options(self) -> dict[str, Any]:
        """Return what the request says to automatic caching."""
        if self.tier is None:
            return {}
        return {"prompt_cache_options": {"mode": "implicit", "ttl": self.tier}}

    def headers(self) -> dict[str, str]:
        """Return the headers that reference the cache."""
        if self.ready is None or self.reference == "message":
            return {}
        headers = {"X-Msh-Context-Cache": str(self.cache_id)}
        if self.reset_ttl is not None:
            headers["X-Msh-Context-Cache-Reset-TTL"] = str(self.reset_ttl)
        return headers
