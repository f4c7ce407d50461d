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

from langchain_moonshot_cache.middleware.drift import Beginning

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from typing import Self

    from langchain.agents.middleware.types import ModelRequest, ModelResponse

    from langchain_moonshot_cache.middleware.drift import Trail

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


_TRAIL: ContextVar[Trail] = ContextVar("moonshot_cache_trail", default=())
"""What the call that is under way looked like at each of the watches that it passed."""


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
        """Let the call carry along what it looks like here."""
        before = () if self._is_first else _TRAIL.get()
        token = _TRAIL.set((*before, Beginning.of(request)))
        try:
            yield
        finally:
            _TRAIL.reset(token)


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

    def trail(self) -> Trail:
        """Return what the call that is under way looked like at the watches."""
        return _TRAIL.get() if self.posts else ()

    def origin(self, what: str, *, last: Trail, now: Trail) -> str:
        """Say where a change comes from.

        Args:
            what: What changed.
            last: The trail of the call before, with its end behind all middleware.
            now: The trail of the call in which it changed, the same way.
        """
        if not self.others:
            return (
                "Look at its system prompt and at the middleware before "
                "MoonshotPromptCachingMiddleware; its watching() names the one."
            )
        # A middleware may hand its call to a thread that knows nothing of the trail.
        if not len(last) == len(now) == len(self.posts) + 1:
            return "Which middleware it comes from was not seen."
        changes = [b.changes_from(a).get(what) for a, b in zip(last, now, strict=True)]
        front = self._front([change.at if change else inf for change in changes])
        if front:
            return f"It comes from the middleware {front}."
        writers = [m.name for m in self.others if _has(m, _ON_STATE)]
        if what == "messages" and writers:
            return (
                "It comes with the agent's state, into which these middleware may "
                f"write: {', '.join(writers)}."
            )
        return "It was there before any middleware: look at what the agent is given."

    def _front(self, places: Sequence[float]) -> str | None:
        """Name the one who put a change where it is; None if it was there before.

        Whoever brought it further to the front last is the one. Text that stays, put
        in front of it, only moves it to the back.

        Args:
            places: Where the change is, before each of the watched and behind the last.
        """
        fronts = [
            name
            for name, (before, behind) in zip(self.posts, pairwise(places), strict=True)
            if behind < before
        ]
        return fronts[-1] if fronts else None


NO_SUSPECTS = Suspects((), {})
"""Of an agent whose other middleware is not known."""


def _has(middleware: Middleware, hooks: Sequence[str]) -> bool:
    kind = type(middleware)
    return any(
        getattr(kind, hook) is not getattr(AgentMiddleware, hook) for hook in hooks
    )
