"""The static beginning of a prompt, and what it takes to hand it out."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.chat_models.marks import CACHE, TOOLS
from langchain_moonshot_cache.lifecycle import Bypassed
from langchain_moonshot_cache.prefix import settled

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from langchain_core.messages import BaseMessage

    Messages = Sequence[BaseMessage]

__all__ = ["NOTHING", "Beginning", "fresh", "marked", "settled_length"]

NOTHING = Bypassed("a call's last message is never cached, and the prompt has no other")
"""What comes of warming a prompt of a single message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """The messages that are the same for every input, and what belongs to them.

    Attributes:
        messages: The messages, our own copies.
        tools: The tools, in wire form, our own copies.
        ttl: Lifetime of the cache in seconds; None leaves it to the policy.
        name: Name of the cache.
        followed: How many of the messages are the prefix if others follow.
        alone: How many are if none do: the last message of a call is never cached.
        usual: Which of the two to expect.
    """

    messages: list[BaseMessage]
    tools: list[dict[str, Any]]
    ttl: int | None
    name: str | None
    followed: int
    alone: int
    usual: int

    @classmethod
    def of(
        cls,
        messages: Messages,
        *,
        is_all: bool,
        tools: Sequence[dict[str, Any]],
        ttl: int | None,
        name: str | None,
    ) -> Self:
        """Copy what the application may change later, and find where prefixes end."""
        followed, alone = settled_length(messages), settled_length(messages[:-1])
        return cls(
            messages=[fresh(message) for message in messages],
            tools=deepcopy(list(tools)),
            ttl=ttl,
            name=name,
            followed=followed,
            alone=alone,
            usual=alone if is_all else followed,
        )

    @property
    def lengths(self) -> list[int]:
        """All lengths that the prefix may have."""
        return sorted({self.followed, self.alone} - {0})

    @property
    def mark(self) -> dict[str, Any]:
        """What tells a model of ours about the prefix that ends with a message."""
        return {"ttl": self.ttl, "name": self.name, TOOLS: self.tools}

    def first(self, length: int) -> list[BaseMessage]:
        """Hand out some of the messages, the last of them marked."""
        head = [fresh(message) for message in self.messages[:length]]
        return marked(head, at=length - 1, mark=self.mark) if head else head

    def equals(self, head: Messages) -> bool:
        """Tell whether messages are these, after values in them were overridden.

        Python takes 1 and True in the arguments of a tool call for equal.
        """
        same = list(head) == self.messages
        return same and list(map(repr, head)) == list(map(repr, self.messages))


def fresh(message: BaseMessage) -> BaseMessage:
    """Copy a message so far as it could be changed in place; never its text."""
    parts = message.__dict__.items()
    own = {name: deepcopy(val) for name, val in parts if isinstance(val, list | dict)}
    return message.model_copy(update=own)


def marked(
    messages: list[BaseMessage], *, at: int, mark: dict[str, Any]
) -> list[BaseMessage]:
    """Mark one of the messages in a list; the message itself stays as it is."""
    message = messages[at]
    extra = {**message.additional_kwargs, CACHE: mark}
    changed = message.model_copy(update={"additional_kwargs": extra})
    return [*messages[:at], changed, *messages[at + 1 :]]


def settled_length(messages: Messages) -> int:
    """Count the leading messages up to the last that leaves no tool call open."""
    counts = settled(
        [[call["id"] or "" for call in _calls(message)] for message in messages],
        [getattr(message, "tool_call_id", None) for message in messages],
    )
    return next((n for n in range(len(counts), 0, -1) if counts[n - 1] == 0), 0)


def _calls(message: BaseMessage) -> list[Any]:
    return getattr(message, "tool_calls", None) or []
