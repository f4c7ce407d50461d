"""The model behind a prompt, however it is wrapped."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from langchain_core.runnables import RunnableSequence, RunnableWithFallbacks
from langchain_core.runnables.base import RunnableBindingBase
from langchain_core.runnables.configurable import DynamicRunnable
from langchain_openai import AzureChatOpenAI
from langchain_openai.chat_models.base import BaseChatOpenAI

from langchain_moonshot_cache.chat_models import ChatMoonshotCached
from langchain_moonshot_cache.errors import ConfigurationError

__all__ = ["Behind", "look_behind"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """A chat model and what calls to it bring along.

    Attributes:
        model: The chat model itself.
        bound: Keyword arguments that are bound to it.
        fallbacks: What takes its place when it fails.
    """

    model: Any
    bound: dict[str, Any] = field(default_factory=dict)
    fallbacks: tuple[Behind, ...] = ()

    @property
    def tools(self) -> list[Any]:
        """Tools that are bound to the model."""
        return list(self.bound.get("tools") or ())

    def chat(self) -> BaseChatOpenAI:
        """Return the chat model, under the model name that its calls ask for."""
        model: BaseChatOpenAI = self.model
        name = self.bound.get("model")
        if not name or name == model.model_name:
            return model
        return model.model_copy(update={"model_name": name})

    def check(self, *, tools: bool) -> None:
        """Refuse what could only lead to wrong answers.

        Args:
            tools: Whether the prompt brings tools.

        Raises:
            ConfigurationError: The model or a fallback could not use the cache, or
                would miss the tools.
        """
        _check_protocol(self.model)
        if isinstance(self.model, ChatMoonshotCached):
            for other in self.fallbacks:
                other.check_as_fallback(tools=tools and not self.tools)
            return
        if self.tools:
            raise ConfigurationError(
                "tools are bound to this model, and the server refuses tools beside a "
                "cache that holds some: give them to CachedPromptRunnable(tools=...) "
                "and leave the model without."
            )
        if self.fallbacks:
            raise ConfigurationError(
                "a plain model with fallbacks would send them a cache that is not "
                "theirs: use ChatMoonshotCached, which sends everything in full "
                "where there is no cache."
            )

    def check_as_fallback(self, *, tools: bool) -> None:
        """Refuse a fallback that would go without the tools of the prompt.

        Raises:
            ConfigurationError: It would.
        """
        ours = isinstance(self.model, ChatMoonshotCached)
        if tools and not ours and not self.tools:
            raise ConfigurationError(
                f"the fallback {type(self.model).__name__} would not be told the tools "
                "of this prompt: bind them to each of the models instead."
            )


def look_behind(model: Any) -> Behind:
    """Find the chat model behind bindings, retries, fallbacks and a parser."""
    bound: dict[str, Any] = {}
    while True:
        if isinstance(model, RunnableBindingBase):
            bound = {**model.kwargs, **bound}
            model = model.bound
        elif isinstance(model, DynamicRunnable):
            model = model.default
        elif isinstance(model, RunnableSequence):
            model = model.first
        else:
            break
    if not isinstance(model, RunnableWithFallbacks):
        return Behind(model=model, bound=bound)
    first, *others = (
        replace(behind, bound={**behind.bound, **bound})
        for behind in map(look_behind, [model.runnable, *model.fallbacks])
    )
    return replace(first, fallbacks=(*first.fallbacks, *others))


def _check_protocol(model: Any) -> None:
    if isinstance(model, BaseChatOpenAI) and not isinstance(model, AzureChatOpenAI):
        return
    raise ConfigurationError(
        f"{type(model).__name__} cannot reference a cache of Moonshot's: use "
        "ChatMoonshotCached, or ChatOpenAI with Moonshot's base_url."
    )
