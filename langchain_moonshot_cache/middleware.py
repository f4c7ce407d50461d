"""Context caching for agents of ``create_agent``; needs the extra ``middleware``.

``ChatMoonshotCached`` takes care of an agent's system prompt and tools by itself. The
middleware here is for what belongs to one agent rather than to its model: how long its
prefix shall live, from which size on it gets a cache, and a word when something in
front of the conversation changes from call to call, which no cache survives.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal
from warnings import warn

try:
    from langchain.agents.middleware.types import (
        AgentMiddleware,
        TracePolicy,
        omit_payload,
    )
except ImportError as missing:
    raise ImportError(
        "langchain_moonshot_cache.middleware needs LangChain's agents: "
        "pip install 'langchain-moonshot-cache[middleware]'"
    ) from missing

from langchain_core.runnables import RunnableWithFallbacks
from langchain_core.runnables.base import RunnableBindingBase
from langchain_core.utils.function_calling import convert_to_openai_tool

from langchain_moonshot_cache.chat_models import ChatMoonshotCached
from langchain_moonshot_cache.chat_models.settings import least_tokens_of, seconds_of
from langchain_moonshot_cache.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from langchain.agents.middleware.types import ModelRequest, ModelResponse
    from langchain_core.messages import SystemMessage

__all__ = ["MoonshotPromptCachingMiddleware"]

logger = logging.getLogger("langchain_moonshot_cache")

_MOST_THREADS = 128
"""Conversations whose last beginning is remembered: enough for those that run at the
same time, and few enough that prompts which differ from each other take no room."""

_BEHAVIOURS = ("ignore", "warn", "raise")


class MoonshotPromptCachingMiddleware(AgentMiddleware[Any, Any, Any]):
    """Says for one agent how its prefix is cached, and notices what breaks it.

    Put it last in the list, where it sees what the others made of a request. It writes
    into no message and into no settings: a request goes on with a model that has the
    agent's wishes, so that the agent's state stays as it was, and a fallback to a model
    of another vendor receives none of them.

    With an agent's thread (or, without a checkpointer, with its last call) it compares
    the system message and the tools. If they changed, what is cached is lost from the
    change on; that is logged once, with the place. Give each agent an instance of its
    own.

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
        self._watch = _Watch()

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
        self._watch.look(request)
        return request.override(model=model)

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


@dataclass(frozen=True, slots=True)
class _Beginning:
    """What stands in front of a conversation."""

    system: SystemMessage | None
    tools: tuple[Any, ...]


class _Watch:
    """Compares what stands in front of a conversation with the call before."""

    def __init__(self) -> None:
        self._last: OrderedDict[tuple[str, ...], _Beginning] = OrderedDict()
        self._told: set[str] = set()
        self._lock = Lock()

    def look(self, request: ModelRequest[Any]) -> None:
        """Compare a request with the one before, and say once what changed."""
        now = _Beginning(request.system_message, tuple(request.tools))
        place = _place(request)
        with self._lock:
            last = self._last.pop(place, None)
            self._last[place] = now
            if len(self._last) > _MOST_THREADS:
                self._last.popitem(last=False)
        if last is not None:
            self._tell("system", _system_change(last.system, now.system))
            self._tell("tools", _tools_change(last.tools, now.tools))

    def _tell(self, what: str, change: str) -> None:
        with self._lock:
            news = bool(change) and what not in self._told
            if news:
                self._told.add(what)
        if news:
            logger.warning(
                "an agent's prefix changes between calls, and what follows the change "
                "is cached in vain: %s. Look at its system prompt and at the "
                "middleware before MoonshotPromptCachingMiddleware, and move what "
                "changes into the last message.",
                change,
            )


def _place(request: ModelRequest[Any]) -> tuple[str, ...]:
    """Name the conversation and the agent in it that a request belongs to."""
    info = getattr(request.runtime, "execution_info", None)
    if info is None:
        return ()
    # Each step of the path is a node's name and, after a colon, the id of one run.
    steps = str(info.checkpoint_ns).split("|")
    return (info.thread_id or "", *(step.partition(":")[0] for step in steps))


def _system_change(last: SystemMessage | None, now: SystemMessage | None) -> str:
    """Say where two system messages part, without quoting them; nothing if nowhere."""
    before, after = (message.content if message else "" for message in (last, now))
    if before == after:
        return ""
    texts = [message.text if message else "" for message in (last, now)]
    if texts[0] == texts[1]:
        return "the system message has other content blocks"
    parted = enumerate(zip(*texts, strict=False))
    same = next((at for at, (a, b) in parted if a != b), min(map(len, texts)))
    return f"the system message differs from character {same + 1} on"


def _tools_change(last: Sequence[Any], now: Sequence[Any]) -> str:
    """Say how the tools differ, by name; nothing if they do not."""
    if len(last) == len(now) and all(map(_same, last, now)):
        return ""
    before, after = _described(last), _described(now)
    if before == after and list(before) == list(after):
        return ""
    changes = {
        "added": [name for name in after if name not in before],
        "gone": [name for name in before if name not in after],
        "described otherwise": [
            name for name in after if name in before and after[name] != before[name]
        ],
    }
    told = [
        f"{change}: {', '.join(names)}" for change, names in changes.items() if names
    ]
    return f"the tools differ ({'; '.join(told) or 'in their order'})"


def _same(one: Any, other: Any) -> bool:
    return one is other


def _described(tools: Sequence[Any]) -> dict[str, Any]:
    """Bring tools into the form in which a model is told them, by name."""
    plain = [t if isinstance(t, dict) else convert_to_openai_tool(t) for t in tools]
    return {str(_named(tool).get("name", tool.get("type"))): tool for tool in plain}


def _named(tool: dict[str, Any]) -> dict[str, Any]:
    function = tool.get("function")
    return function if isinstance(function, dict) else tool
