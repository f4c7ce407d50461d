"""What stands in front of a conversation, and where it differs from the call before."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from operator import is_
from threading import Lock
from typing import TYPE_CHECKING, Any

from langchain_core.utils.function_calling import convert_to_openai_tool

from langchain_moonshot_cache.chat_models.views import view
from langchain_moonshot_cache.prefix.drift import Request, compare

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from langchain.agents.middleware.types import ModelRequest
    from langchain_core.messages import BaseMessage, SystemMessage

__all__ = ["Beginning", "Change", "Trail", "Watch"]

_MOST_CONVERSATIONS = 128
"""Conversations whose last beginning is remembered: enough for those that run at the
same time, and few enough that prompts which differ from each other take no room."""


@dataclass(frozen=True, slots=True)
class Change:
    """Where two calls part.

    Attributes:
        at: Place of the first difference: a character of the system message, or the
            place of a tool or of a message; all from 0.
        words: The same for people, without a word of the prompt.
    """

    at: int
    words: str


class Watch:
    """Remembers of each conversation what its last call looked like.

    A *trail* is that at several places of an agent, the last of which is this one.
    """

    def __init__(self) -> None:
        self._last: OrderedDict[tuple[str, ...], Trail] = OrderedDict()
        self._lock = Lock()

    def exchange(self, request: ModelRequest[Any], trail: Trail) -> Trail | None:
        """Keep the trail of a call; return that of the one before, if there was one."""
        place = _place(request)
        with self._lock:
            last = self._last.pop(place, None)
            self._last[place] = trail
            if len(self._last) > _MOST_CONVERSATIONS:
                self._last.popitem(last=False)
        return last

    def __len__(self) -> int:
        return len(self._last)


def _place(request: ModelRequest[Any]) -> tuple[str, ...]:
    """Name the conversation and the agent in it that a request belongs to."""
    info = getattr(request.runtime, "execution_info", None)
    if info is None:
        return ()
    # Each step of the path is a node's name and, after a colon, the id of one run.
    steps = str(info.checkpoint_ns).split("|")
    return (info.thread_id or "", *(step.partition(":")[0] for step in steps))


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a call begins with.

    Attributes:
        system: The system message.
        tools: The tools.
        messages: Of each message its id and a number that stands for its content:
            whole histories of many conversations would take room.
    """

    system: SystemMessage | None
    tools: tuple[Any, ...]
    messages: tuple[tuple[str | None, int], ...]

    @classmethod
    def of(cls, request: ModelRequest[Any]) -> Self:
        """Note what a call begins with."""
        messages = tuple((m.id, _digest(m)) for m in request.messages)
        return cls(request.system_message, tuple(request.tools), messages)

    def changes_from(self, last: Beginning) -> dict[str, Change]:
        """Compare with the call before.

        Returns:
            A change under each of ``"system"``, ``"tools"`` and ``"messages"`` that
            did change in front of something that stayed.
        """
        changes = {
            "system": _system_change(last.system, self.system),
            "tools": _tools_change(last.tools, self.tools),
            "messages": _messages_change(last.messages, self.messages),
        }
        return {what: change for what, change in changes.items() if change}


Trail = tuple[Beginning, ...]


def _digest(message: BaseMessage) -> int:
    return hash(view(message))


def _system_change(
    last: SystemMessage | None, now: SystemMessage | None
) -> Change | None:
    before, after = (message.content if message else "" for message in (last, now))
    if before == after:
        return None
    requests = (
        Request(messages=[{"role": "system", "content": content}])
        for content in (before, after)
    )
    drift = compare(*requests, least_tokens=0)
    if drift is None or drift.place is None:
        return None
    if drift.place.offset is None:
        return Change(0, "the system message has other content")
    at = drift.place.offset
    words = f"the system message differs from character {at + 1} on: {drift.what}"
    return Change(at, words)


def _parted(one: Sequence[Any], other: Sequence[Any]) -> int:
    """Return how many items two sequences begin with in common."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _tools_change(last: Sequence[Any], now: Sequence[Any]) -> Change | None:
    if len(last) == len(now) and all(map(is_, last, now)):
        return None
    requests = (
        Request(messages=(), tools=[_described(tool) for tool in tools])
        for tools in (last, now)
    )
    drift = compare(*requests, least_tokens=0)
    if drift is None or drift.place is None:
        return None
    return Change(drift.place.tool_index or 0, f"the tools differ at {drift.brief}")


def _described(tool: Any) -> dict[str, Any]:
    """Bring a tool into the form in which a model is told of it."""
    return tool if isinstance(tool, dict) else convert_to_openai_tool(tool)


def _messages_change(
    last: Sequence[tuple[str | None, int]], now: Sequence[tuple[str | None, int]]
) -> Change | None:
    """Compare two histories; what changes at their end stands in front of nothing.

    That a message stayed is told by its id as well, which the agent's state gives to
    it: without a thread, two histories may belong to different conversations.
    """
    at = _parted([digest for _, digest in last], [digest for _, digest in now])
    behind = zip(last[at + 1 :], now[at + 1 :], strict=False)
    if not any(one == other and one[0] for one, other in behind):
        return None
    return Change(
        at, f"message {at + 1} of the conversation differs, and messages after it stay"
    )
