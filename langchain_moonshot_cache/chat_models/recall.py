"""The last calls of one model, kept to say what moved when a cache is missed."""

from __future__ import annotations

import time
from operator import is_
from threading import Lock
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.prefix.drift import BLOCK, Cause, Drift, compare, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from langchain_core.messages import BaseMessage

    from langchain_moonshot_cache.chat_models.call import Call
    from langchain_moonshot_cache.economics import Usage
    from langchain_moonshot_cache.prefix.drift import Request

__all__ = ["Asked", "Recall", "compared", "difference", "kept_for", "miss"]

_MOST_CALLS = 16
"""Conversations that go on at the same time and are told apart."""

_MOST_CHARACTERS = 8_000_000
"""Of all messages that are remembered, the last call's aside: some 16 MB at the most,
most of which an application keeps anyway."""

_SLACK = 2 * BLOCK
"""Tokens by which a hit may fall short of what was there: a match ends at a full block,
and so does what was written."""

_TIERS = {"5m": 300.0, "1h": 3600.0}


class Asked:
    """A call as it was made.

    Its messages are kept as they are, which costs nothing. Their wire form is worked
    out when somebody compares it; a message that was changed in place by then is
    compared as it is.

    Args:
        messages: The messages.
        kwargs: What else the call was given.
        build: Makes the wire form of both.
        call: What was decided about it.
        now: When it began, in unix seconds.
    """

    def __init__(
        self,
        messages: Sequence[BaseMessage],
        kwargs: Mapping[str, Any],
        *,
        build: Callable[[Asked], Request],
        call: Call,
        now: float,
    ) -> None:
        self.messages = tuple(messages)
        self.kwargs = kwargs
        self.call = call
        # Of a call with a named cache only what the cache is made of can be shared.
        self.length = call.plan.length if call.plan else len(self.messages)
        self.began = now
        self.ended = now
        self.lifetime: float | None = None
        self.tokens: int | None = None
        self._build = build
        self._request: Request | None = None

    @property
    def request(self) -> Request:
        """Its wire form, as far as it can be shared."""
        if self._request is None:
            self._request = self._build(self)
        return self._request

    def goes_on(self, earlier: Asked) -> bool:
        """Tell whether this is an earlier call with more messages, or the same."""
        return (
            len(earlier.messages) <= len(self.messages)
            and all(map(is_, earlier.messages, self.messages))
            and earlier.call.mechanism == self.call.mechanism
            and earlier.kwargs == self.kwargs
        )

    def characters(self, *, start: int = 0) -> int:
        """Return about how many characters its messages have, from one of them on."""
        return sum(_size(message.content) for message in self.messages[start:])


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_size, value.values()))
    return sum(map(_size, value)) if isinstance(value, list) else 0


class Recall:
    """Remembers the last calls, in memory and for as long as the model lives.

    A call that carries an earlier one on takes its place.

    Args:
        clock: Gives unix seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._lock = Lock()
        self._asked: list[tuple[Asked, int]] = []

    def before(self, asked: Asked) -> list[Asked]:
        """Return the calls that were answered when this one began, oldest first.

        Others cannot have left anything for it to read.
        """
        with self._lock:
            known = [each for each, _ in self._asked]
        return [
            each
            for each in known
            if each.call.mechanism == asked.call.mechanism and each.ended <= asked.began
        ]

    def add(self, asked: Asked, *, lifetime: float | None, tokens: int | None) -> None:
        """Remember a call that was answered just now.

        Args:
            asked: The call.
            lifetime: Seconds for which the provider keeps what it wrote; None if that
                is not known.
            tokens: Tokens of its prompt, as they were reported.
        """
        asked.ended = self.clock()
        asked.lifetime, asked.tokens = lifetime, tokens
        with self._lock:
            begun, size = 0, 0
            kept = []
            for each, held in self._asked:
                if not asked.goes_on(each):
                    kept.append((each, held))
                elif len(each.messages) >= begun:
                    begun, size = len(each.messages), held
            size += asked.characters(start=begun)
            kept = kept[1 - _MOST_CALLS :]
            while kept and sum(held for _, held in kept) > _MOST_CHARACTERS:
                del kept[0]
            self._asked = [*kept, (asked, size)]


def kept_for(call: Call, usage: Usage | None = None) -> float | None:
    """Return the seconds for which a provider keeps a prefix after its last use.

    Only Moonshot says so. What the reply reports about the tier counts more than what
    was asked for.
    """
    if not call.model.startswith("kimi-"):
        return None
    if usage and (usage.written_1h or usage.written_5m):
        return _TIERS["1h" if usage.written_1h else "5m"]
    return _TIERS[call.tier or "5m"]


def compared(asked: Asked, earlier: Sequence[Asked]) -> tuple[Asked, Drift | None]:
    """Compare a call with the one before that it most likely carries on.

    Args:
        asked: The call.
        earlier: Calls before it; at least one.

    Returns:
        The one that it was compared with, and what moved, if anything did.
    """
    index = nearest([each.request for each in earlier], asked.request)
    assert index is not None  # noqa: S101 - there is one at least
    before = earlier[index]
    return before, difference(before.request, asked, lifetime=before.lifetime)


def difference(
    before: Request, asked: Asked, *, lifetime: float | None
) -> Drift | None:
    """Compare a call with an earlier request, as its mechanism compares them.

    Args:
        before: The earlier request.
        asked: The call.
        lifetime: Seconds for which a provider keeps what the earlier one left.
    """
    if asked.call.mechanism == "named":
        return compare(before, asked.request, whole=True, least_tokens=0)
    return compare(before, asked.request, lifetime=lifetime)


def miss(call: Call, usage: Usage, *, recall: Recall) -> Drift | None:
    """Say what moved if a call missed a cache that was due.

    It costs next to nothing where the cache was hit, since nothing is compared then.

    Args:
        call: What was decided about the call.
        usage: What the provider reported about it.
        recall: Remembers the calls before it.
    """
    due = call.created and not call.grown
    if call.asked is None or (call.mechanism == "named" and not due):
        return None
    earlier = recall.before(call.asked)
    if not earlier:
        return None
    if call.mechanism == "named":
        found = compared(call.asked, earlier)[1]
        return found if found and found.matters else None
    return _read_anew(call.asked, usage, earlier)


def _read_anew(asked: Asked, usage: Usage, earlier: Sequence[Asked]) -> Drift | None:
    """Say what moved if less was read from an automatic cache than was there."""
    if usage.prompt is None or usage.cached is None:
        return None
    most = max(each.tokens or 0 for each in earlier)
    if usage.cached + _SLACK >= min(usage.prompt, most):
        return None
    before, drift = compared(asked, earlier)
    if drift is None:
        return _gone(usage, before)
    # More was read than this place allows: another call explains it, not known here.
    elsewhere = usage.cached > drift.shared_tokens + drift.lost_tokens / 2
    return drift if drift.matters and not elsewhere else None


def _gone(usage: Usage, before: Asked) -> Drift | None:
    """Judge a miss though nothing moved and the lifetime is not over."""
    due = min(usage.prompt or 0, before.tokens or 0)
    cached = usage.cached or 0
    if cached + _SLACK >= due:
        return None
    return Drift(cause=Cause.GONE, shared_tokens=cached, lost_tokens=due - cached)
