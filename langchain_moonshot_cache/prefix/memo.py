"""Recognise a prompt seen before without converting or hashing it again."""

from __future__ import annotations

from collections import OrderedDict
from copy import deepcopy
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

__all__ = ["Memo", "Remembered"]

T = TypeVar("T")

_SIZE = 64
"""Prefixes remembered for each tool list. Each holds the messages it was made of,
which the application mostly keeps alive anyway."""


@dataclass(frozen=True, slots=True)
class Remembered(Generic[T]):
    """A prefix seen before: how many messages it has, and what was made of it."""

    length: int
    value: T


def _same(one: Any, other: Any) -> bool:
    """Tell whether two equal values are equal on the wire, too.

    Python takes ``1``, ``1.0`` and ``True`` for equal. A schema means different
    things by them.
    """
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple):
        return all(map(_same, one, other))
    return True


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    scope: Hashable
    tools: Any
    views: tuple[Any, ...]
    value: T


class Memo(Generic[T]):
    """The prefixes that one model has seen lately, found by comparison.

    Comparing is cheaper than hashing: the text of an unchanged message is the same
    object, which Python sees at once, and an equal copy costs one ``memcmp``.
    Whatever can be changed in place (tool calls, block lists) is copied when it is
    remembered, so a message that was altered later is not taken for the old one.

    Args:
        view: Gives the parts of a message that reach the wire, as one comparable
            value. Equal views must mean equal wire messages.
        size: Prefixes to keep; the least recently used one goes first.
    """

    def __init__(self, view: Callable[[Any], Any], *, size: int = _SIZE) -> None:
        self._view = view
        self._size = size
        self._lock = Lock()
        self._entries: OrderedDict[Hashable, _Entry[T]] = OrderedDict()

    def find(
        self,
        messages: Sequence[Any],
        *,
        tools: Any,
        scope: Hashable,
        accept: Callable[[Remembered[T]], bool] = lambda _: True,
    ) -> Remembered[T] | None:
        """Find the longest remembered prefix that these messages begin with.

        Args:
            messages: The messages of a call.
            tools: The tools of the call, compared by value.
            scope: Whatever else keeps prefixes apart, such as the model.
            accept: Tells whether a prefix may be used at all.
        """
        with self._lock:
            entries = list(self._entries.items())
        views: list[Any] = []
        best: tuple[Hashable, _Entry[T]] | None = None
        for name, entry in entries:
            length = len(entry.views)
            if length >= len(messages) or (best and length <= len(best[1].views)):
                continue
            if entry.scope != scope or entry.tools != tools:
                continue
            if not accept(Remembered(length=length, value=entry.value)):
                continue
            if self._begins(messages, entry.views, views):
                best = (name, entry)
        if best is None or not _is_exact(best[1], tools, views):
            return None
        with self._lock:
            if best[0] in self._entries:
                self._entries.move_to_end(best[0])
        return Remembered(length=len(best[1].views), value=best[1].value)

    def _begins(
        self, messages: Sequence[Any], known: tuple[Any, ...], views: list[Any]
    ) -> bool:
        """Compare message by message; ``views`` grows by what had to be looked at."""
        for index, expected in enumerate(known):
            if index == len(views):
                views.append(self._view(messages[index]))
            if views[index] != expected:
                return False
        return True

    def add(
        self,
        messages: Sequence[Any],
        *,
        tools: Any,
        scope: Hashable,
        name: Hashable,
        value: T,
    ) -> None:
        """Remember what was made of a prefix.

        Args:
            messages: The messages of the prefix, all of them and no more.
            tools: The tools of the prefix.
            scope: As in :meth:`find`.
            name: Names the prefix; adding the same name again replaces it.
            value: What :meth:`find` gives back.
        """
        views = tuple(deepcopy(self._view(message)) for message in messages)
        entry = _Entry(scope=scope, tools=deepcopy(tools), views=views, value=value)
        with self._lock:
            self._entries[name] = entry
            self._entries.move_to_end(name)
            while len(self._entries) > self._size:
                self._entries.popitem(last=False)


def _is_exact(entry: _Entry[Any], tools: Any, views: list[Any]) -> bool:
    """Check the winner for what comparing by value lets pass."""
    return _same(entry.tools, tools) and all(map(_same, entry.views, views))
