"""Which middleware of an agent puts changing text in front of stable text."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING, Any

from langchain.agents.middleware.types import (
    AgentMiddleware,
    TracePolicy,
    omit_payload,
)
from typing_extensions import override

from langchain_moonshot_cache.middleware.drift import Watch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
    from typing import Self

    from langchain.agents.middleware.types import ModelRequest, ModelResponse

    from langchain_moonshot_cache.middleware.drift import Change

    Middleware = AgentMiddleware[Any, Any, Any]

__all__ = ["NO_SUSPECTS", "Suspects"]

_ON_REQUESTS = ("wrap_model_call", "awrap_model_call")
_ON_STATE = (
    "before_agent",
    "abefore_agent",
    "before_model",
    "abefore_model",
    "after_model",
    "aafter_model",
)


_SEEN: ContextVar[tuple[Mapping[str, Change] | None, ...]] = ContextVar(
    "moonshot_cache_seen", default=()
)
"""What the watches of an agent saw of the call that is under way, in their order."""


_UNSEEN = "Which middleware it comes from was not seen."


class _Post(AgentMiddleware[Any, Any, Any]):
    """A watch between two middleware; it lets every request through as it is.

    Args:
        name: What the agent knows it by.
        is_first: Whether no other watch stands before it.
    """

    trace_policy = TracePolicy(process_inputs=omit_payload)

    def __init__(self, name: str, *, is_first: bool) -> None:
        super().__init__()
        self._name = name
        self._is_first = is_first
        self._watch = Watch()

    @property
    @override
    def name(self) -> str:
        return self._name

    @override
    def wrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], ModelResponse[Any]],
    ) -> ModelResponse[Any]:
        with self._noted(request):
            return handler(request)

    @override
    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        with self._noted(request):
            return await handler(request)

    @contextmanager
    def _noted(self, request: ModelRequest[Any]) -> Iterator[None]:
        """Tell those behind, for the time of this call, what was seen here."""
        before = () if self._is_first else _SEEN.get()
        token = _SEEN.set((*before, self._watch.look(request)))
        try:
            yield
        finally:
            _SEEN.reset(token)


@dataclass(frozen=True, slots=True)
class Suspects:
    """The other middleware of an agent, with a watch before each that changes requests.

    Attributes:
        others: All of them, in order.
        posts: The watches, by the name of the middleware that follows.
    """

    others: tuple[Middleware, ...]
    posts: dict[str, _Post]

    @classmethod
    def among(cls, others: Sequence[Middleware], *, watcher: str) -> Self:
        """Set up the watches.

        Args:
            others: The other middleware, in order.
            watcher: Name of the middleware behind them all.
        """
        names = [m.name for m in others if _has(m, _ON_REQUESTS)]
        posts = {
            name: _Post(f"{watcher}.before.{name}", is_first=name == names[0])
            for name in names
        }
        return cls(tuple(others), posts)

    def watched(self) -> list[Middleware]:
        """Return them with the watches in between."""
        return [
            each
            for other in self.others
            for each in (self.posts.get(other.name), other)
            if each is not None
        ]

    def origin(self, what: str, change: Change) -> str:
        """Say where a change in the call that is under way comes from.

        Args:
            what: What changed.
            change: How it looks behind all of the middleware.
        """
        if not self.others:
            return (
                "Look at its system prompt and at the middleware before "
                "MoonshotPromptCachingMiddleware; its watching() names the one."
            )
        places: list[float] = []
        for changes in _SEEN.get():
            if changes is None:
                return _UNSEEN
            places.append(changes[what].at if what in changes else inf)
        # A middleware may hand its call to a thread that knows nothing of it.
        if len(places) != len(self.posts):
            return _UNSEEN
        return self._named([*places, change.at])

    def _named(self, places: Sequence[float]) -> str:
        """Tell from the place of the change before and behind each middleware.

        Whoever brought it further to the front last is the one. Text that stays, put
        in front of it, only moves it to the back.
        """
        fronts = [
            name
            for name, (before, behind) in zip(self.posts, pairwise(places), strict=True)
            if behind < before
        ]
        if fronts:
            return f"It comes from the middleware {fronts[-1]}."
        writers = [m.name for m in self.others if _has(m, _ON_STATE)]
        if writers:
            return (
                "It comes with the agent's state, into which these middleware may "
                f"write: {', '.join(writers)}."
            )
        return "It comes with the agent's state, before any middleware."


NO_SUSPECTS = Suspects((), {})
"""Of an agent whose other middleware is not known."""


def _has(middleware: Middleware, hooks: Sequence[str]) -> bool:
    kind = type(middleware)
    return any(
        getattr(kind, hook) is not getattr(AgentMiddleware, hook) for hook in hooks
    )
