"""From the messages of a call to the prefix that is worth a cache."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from langchain_moonshot_cache.chat_models.marks import (
    Mark,
    leading_system,
    marks_of,
)
from langchain_moonshot_cache.chat_models.rules import readable
from langchain_moonshot_cache.chat_models.views import strict, view
from langchain_moonshot_cache.lifecycle import Bypassed
from langchain_moonshot_cache.prefix import Memo, Prefix, boundary, settled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from langchain_core.messages import BaseMessage

    from langchain_moonshot_cache.manager import Shared
    from langchain_moonshot_cache.prefix import Remembered

__all__ = ["Plan", "Planner"]

Wire = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Plan:
    """The prefix of a call.

    Attributes:
        length: How many leading messages it has.
        wanted: How many it was asked to have: a prefix may have to end earlier.
        prefix: Its name and content.
        ttl: Lifetime in seconds that the user asked for at this boundary.
        marked: Whether the user set the boundary.
    """

    length: int
    wanted: int
    prefix: Prefix
    ttl: int | None = None
    marked: bool = False

    def as_marked(self, mark: Mark | None) -> Self:
        """Return the same as the marks of a call have it."""
        ttl = mark.ttl if mark else None
        if self.ttl == ttl and self.marked == (mark is not None):
            return self
        return replace(self, ttl=ttl, marked=mark is not None)


class Planner:
    """Finds the prefix of a call; what it has seen before it knows by comparison.

    Args:
        shared: Names prefixes and knows which of them have a cache.
        convert: Turns messages into their wire form.
    """

    def __init__(
        self, shared: Shared, *, convert: Callable[[Sequence[BaseMessage]], Wire]
    ) -> None:
        self._shared = shared
        self._convert = convert
        self._memo: Memo[Plan] = Memo(view)

    def plan(
        self,
        messages: Sequence[BaseMessage],
        *,
        model: str,
        tools: Sequence[Mapping[str, Any]] | None,
        offset: float | None,
    ) -> Plan | Bypassed:
        """Decide what of a call is its prefix.

        Args:
            messages: All messages of the call.
            model: The model it goes to.
            tools: The tools it brings, in wire form.
            offset: Seconds that the server's clock is ahead of this host's.

        Returns:
            The plan, or why there is nothing to cache.
        """
        marks = marks_of(messages)
        mark = marks[-1] if marks else Mark(leading_system(messages) - 1)
        tools = tools or ()
        wanted = min(mark.index + 1, len(messages) - 1)

        def fits(known: Remembered[Plan]) -> bool:
            if known.value.wanted == wanted:
                return True
            # A longer prefix that was warmed or used before is taken while its cache
            # lives, and not made again for a call that did not ask for it.
            key = known.value.prefix.key
            longer = known.length > wanted
            return longer and self._shared.known(key, offset=offset) is not None

        named = strict(tools)
        known = self._memo.find(messages, tools=named, scope=model, accept=fits)
        if known is not None:
            return known.value.as_marked(mark if marks else None)
        if wanted <= 0:
            return Bypassed("the prompt begins with nothing that could be cached")
        plan = self._begun(messages, wanted, model, tools, name=mark.name)
        if isinstance(plan, Bypassed):
            return plan
        return plan.as_marked(mark if marks else None)

    def longest(
        self,
        messages: Sequence[BaseMessage],
        *,
        model: str,
        tools: Sequence[Mapping[str, Any]] | None,
    ) -> Plan | Bypassed:
        """Take all of a call but its last message, as far as tool calls are answered.

        It is remembered, and found by :meth:`plan` while it has a cache.
        """
        return self._begun(messages, len(messages) - 1, model, tools or (), name=None)

    def _begun(
        self,
        messages: Sequence[BaseMessage],
        wanted: int,
        model: str,
        tools: Sequence[Mapping[str, Any]],
        *,
        name: str | None,
    ) -> Plan | Bypassed:
        head = readable(self._convert(messages[:wanted]), model=model)
        length = boundary(settled(*_calls_and_answers(head)))
        if length == 0:
            return Bypassed("a tool call in the prefix has no answer yet")
        return self._remember(
            messages[:length], head[:length], wanted, model, tools, name=name
        )

    def whole(
        self,
        messages: Sequence[BaseMessage],
        *,
        model: str,
        tools: Sequence[Mapping[str, Any]] | None,
    ) -> Plan:
        """Take all of the messages as a prefix, as ``warm`` does."""
        head = readable(self._convert(messages), model=model)
        marks = marks_of(messages)
        name = marks[-1].name if marks else None
        return self._remember(
            messages, head, len(messages), model, tools or (), name=name
        )

    def _remember(
        self,
        messages: Sequence[BaseMessage],
        head: Wire,
        wanted: int,
        model: str,
        tools: Sequence[Mapping[str, Any]],
        *,
        name: str | None,
    ) -> Plan:
        # The content may be asked for later, when the caller has changed his objects.
        prefix = self._shared.prefix(
            model=model,
            messages=deepcopy(head),
            tools=deepcopy(list(tools)),
            name=name,
        )
        plan = Plan(length=len(messages), wanted=wanted, prefix=prefix)
        self._memo.add(
            messages,
            tools=strict(tools),
            scope=model,
            name=(prefix.key, wanted, model),
            value=plan,
        )
        return plan


def _calls_and_answers(head: Wire) -> tuple[list[list[str]], list[str | None]]:
    calls = [[call["id"] for call in msg.get("tool_calls") or ()] for msg in head]
    return calls, [message.get("tool_call_id") for message in head]
