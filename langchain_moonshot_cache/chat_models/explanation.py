"""What is told about a call before it is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from decimal import Decimal

    from langchain_moonshot_cache.chat_models.call import Mechanism
    from langchain_moonshot_cache.prefix.drift import Drift, Request

__all__ = ["Action", "Explanation"]

Action = Literal["use", "wait", "create", "leave", "automatic", "off"]

_ACTIONS = {
    "use": "would use a cache that there is",
    "wait": "would wait for a cache that is being made",
    "create": "would have a cache made",
    "leave": "would go without a cache",
    "automatic": "would leave caching to the provider",
    "off": "would go without a cache",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a call would do about caching, and why.

    Token counts are estimates, and so is ``cost``. ``str`` makes readable text of it.

    Attributes:
        model: The model that the call would go to.
        mechanism: ``named``, ``prefix`` (the provider's automatic one) or ``off``.
        action: ``use``, ``wait`` for, ``create`` or ``leave`` a named cache;
            ``automatic``; ``off``.
        reason: Why, in words.
        prefix_messages: How many leading messages can be cached.
        prefix_tools: How many tools.
        prefix_tokens: Estimated tokens of both.
        cache_id: Id of the named cache, if there is one.
        cache_tokens: Tokens that the server says it holds.
        seconds_left: Until the cache ends. Of an automatic one, by what this process
            knows about its last use.
        ttl: Lifetime in seconds that a named cache is asked to have.
        tier: Lifetime that automatic caching is asked for; None for its default.
        compared_with: Seconds since the call that this one was compared with; None if
            there was none.
        drift: What keeps it from the cache of that call, or of any; None if nothing
            does.
        cost: Money that the drift costs with this call; None if there is none, or if no
            price is known.
        currency: Currency of ``cost``.
    """

    model: str
    mechanism: Mechanism
    action: Action
    reason: str
    prefix_messages: int = 0
    prefix_tools: int = 0
    prefix_tokens: int = 0
    cache_id: str | None = None
    cache_tokens: int | None = None
    seconds_left: float | None = None
    ttl: int | None = None
    tier: str | None = None
    compared_with: float | None = None
    drift: Drift | None = None
    cost: Decimal | None = None
    currency: str | None = None
    request: Request | None = field(default=None, repr=False, compare=False)
    """What would be sent, for comparing other calls with this one. It holds the prompt,
    so it is neither shown nor pickled."""

    def to_dict(self, *, show_text: bool = False) -> dict[str, Any]:
        """Return it as JSON values; money as a decimal string.

        Args:
            show_text: Whether to include the texts around the place where two calls
                part, which are a part of the prompt.
        """
        names = (name for name in self.__slots__ if name != "request")
        told = {name: getattr(self, name) for name in names}
        if self.drift is not None:
            told["drift"] = self.drift.to_dict(show_text=show_text)
        if self.cost is not None:
            told["cost"] = f"{self.cost.normalize():f}"
        return told

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> list[str]:
        lines = [f"A call of {self.model} {_ACTIONS[self.action]}: {self.reason}."]
        if self.prefix_tokens:
            lines.append(
                f"What can be cached: {_counted(self.prefix_messages, 'message')} and "
                f"{_counted(self.prefix_tools, 'tool')}, about "
                f"{self.prefix_tokens} tokens."
            )
        if self.cache_id:
            lines.append(f"Cache: {self.cache_id}, {self.cache_tokens or '?'} tokens.")
        if self.seconds_left is not None:
            lines.append(f"It is kept for {self.seconds_left:.0f} s more.")
        if self.compared_with is not None:
            same = "" if self.drift else ": nothing moved"
            lines.append(
                f"Compared with the call {self.compared_with:.0f} s ago{same}."
            )
        if self.drift is not None:
            lines.append(f"{self.drift}")
        if self.cost is not None:
            lines.append(f"That costs {self.cost.normalize():f} {self.currency}.")
        elif self.drift is not None and self.drift.matters:
            lines.append("What that costs is not known: a price is missing.")
        return lines

    def __getstate__(self) -> dict[str, Any]:
        names = (name for name in self.__slots__ if name != "request")
        return {name: getattr(self, name) for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in {**state, "request": None}.items():
            object.__setattr__(self, name, value)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
