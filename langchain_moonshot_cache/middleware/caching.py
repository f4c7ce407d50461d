"""``MoonshotPromptCachingMiddleware``."""

from __future__ import annotations

import logging
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal
from warnings import warn

from langchain.agents.middleware.types import (
    AgentMiddleware,
    TracePolicy,
    omit_payload,
)
from langchain_core.runnables import RunnableWithFallbacks
from langchain_core.runnables.base import RunnableBindingBase

from langchain_moonshot_cache.chat_models import ChatMoonshotCached
from langchain_moonshot_cache.chat_models.settings import least_tokens_of, seconds_of
from langchain_moonshot_cache.errors import ConfigurationError
from langchain_moonshot_cache.middleware.drift import Beginning, Watch
from langchain_moonshot_cache.middleware.suspects import NO_SUSPECTS, Suspects

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from langchain.agents.middleware.types import ModelRequest, ModelResponse

__all__ = ["MoonshotPromptCachingMiddleware"]

logger = logging.getLogger("langchain_moonshot_cache")

_BEHAVIOURS = ("ignore", "warn", "raise")


class MoonshotPromptCachingMiddleware(AgentMiddleware[Any, Any, Any]):
    """Says for one agent how its prefix is cached, and notices what breaks it.

    Put it last in the list, where it sees what the others made of a request. It writes
    into no message and into no settings: a request goes on with a model that has the
    agent's wishes, so that the agent's state stays as it was, and a fallback to a model
    of another vendor receives none of them.

    With an agent's thread (or, without a checkpointer, with its last call) it compares
    the system message, the tools and the messages. If one of them changed in front of
    something that stayed, what is cached is lost from the change on; that is logged
    once, with the place, and with the name of the middleware that changed it where the
    others are given by :meth:`watching`. Give each agent an instance of its own.

    Args:
        ttl: Lifetime as in ``ChatMoonshotCached.cache_ttl``: ``"5m"``, ``"1h"``, or
            seconds from 30 to 3600; None leaves it to the model.
        min_tokens: Prefixes with fewer (estimated) tokens get no cache and no lifetime;
            None leaves it to the model's policy.
        unsupported_model_behavior: What to do with a model that is no
            ``ChatMoonshotCached``, not even behind bindings: ``"ignore"`` it,
            ``"warn"`` with a ``UserWarning``, or ``"raise"``. The first two let the
            call go on as it is.

    Raises:
        ConfigurationError: An option is out of range or unknown.

    Example:
        .. code-block:: python

            agent = create_agent(
                ChatMoonshotCached(model="kimi-k3"),
                tools=[code_runner],
                system_prompt=handbook,
                middleware=[MoonshotPromptCachingMiddleware(ttl="1h")],
            )
    """

    # The call itself is traced with all its messages; no need to write them twice.
    trace_policy = TracePolicy(process_inputs=omit_payload)

    def __init__(
        self,
        *,
        ttl: int | Literal["5m", "1h"] | None = None,
        min_tokens: int | None = None,
        unsupported_model_behavior: Literal["ignore", "warn", "raise"] = "warn",
    ) -> None:
        super().__init__()
        if unsupported_model_behavior not in _BEHAVIOURS:
            raise ConfigurationError(
                f"unsupported_model_behavior is {unsupported_model_behavior!r}; use "
                f"one of {', '.join(_BEHAVIOURS)}."
            )
        seconds_of(ttl)
        least_tokens_of(min_tokens)
        self.ttl = ttl
        self.min_tokens = min_tokens
        self.unsupported_model_behavior = unsupported_model_behavior
        self._watch = Watch()
        self._suspects: Suspects = NO_SUSPECTS
        self._told: set[str] = set()
        self._lock = Lock()

    def watching(
        self, others: Sequence[AgentMiddleware[Any, Any, Any]]
    ) -> list[AgentMiddleware[Any, Any, Any]]:
        """Put this one behind the others, and learn which of them changes a prefix.

        A middleware sees what all those before it made of a request and not who did
        it. So a watch that changes nothing stands between each two of them::

            caching = MoonshotPromptCachingMiddleware(ttl="1h")
            agent = create_agent(llm, middleware=caching.watching([clock, todo]))

        Args:
            others: The agent's other middleware, in order.

        Returns:
            What to give to ``create_agent``, this one included, as the last.
        """
        self._suspects = Suspects.among(others, watcher=self.name)
        return [*self._suspects.watched(), self]

    def wrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], ModelResponse[Any]],
    ) -> ModelResponse[Any]:
        """Let a call go on with the agent's wishes.

        Args:
            request: What the agent asks.
            handler: Carries it out.

        Raises:
            ConfigurationError: The model is none of ours, and that was to be an error.
        """
        return handler(self._prepared(request))

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        """Do what :meth:`wrap_model_call` does; nothing here waits."""
        return await handler(self._prepared(request))

    def _prepared(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        model = self._wishing(request.model)
        if model is None:
            self._complain(request.model)
            return request
        self._look(request)
        return request.override(model=model)

    def _look(self, request: ModelRequest[Any]) -> None:
        """Compare a call with the one before, and say once what changed."""
        trail = (*self._suspects.trail(), Beginning.of(request))
        last = self._watch.exchange(request, trail)
        if last is None:
            return
        for what, change in trail[-1].changes_from(last[-1]).items():
            with self._lock:
                news = what not in self._told
                self._told.add(what)
            if news:
                logger.warning(
                    "an agent's prefix changes between calls, and what follows the "
                    "change is cached in vain: %s. %s Move what changes into the last "
                    "message.",
                    change.words,
                    self._suspects.origin(what, last=last, now=trail),
                )

    def _wishing(self, model: Any) -> Any:
        """Return the model with the agent's wishes, or None if it is none of ours."""
        if isinstance(model, ChatMoonshotCached):
            return model.with_caching(ttl=self.ttl, min_tokens=self.min_tokens)
        if isinstance(model, RunnableBindingBase):
            inner = self._wishing(model.bound)
            return inner and model.model_copy(update={"bound": inner})
        if isinstance(model, RunnableWithFallbacks):
            first = self._wishing(model.runnable)
            others = [self._wishing(other) or other for other in model.fallbacks]
            return first and model.model_copy(
                update={"runnable": first, "fallbacks": others}
            )
        return None

    def _complain(self, model: Any) -> None:
        if self.unsupported_model_behavior == "ignore":
            return
        text = (
            "MoonshotPromptCachingMiddleware does nothing for "
            f"{type(model).__name__}: use it with ChatMoonshotCached, or set "
            "unsupported_model_behavior='ignore'."
        )
        if self.unsupported_model_behavior == "raise":
            raise ConfigurationError(text)
        warn(text, stacklevel=4)
