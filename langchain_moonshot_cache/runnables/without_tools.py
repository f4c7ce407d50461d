"""A plain model behind a cached prompt: its tools reach it by the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables.base import RunnableBindingBase

from langchain_moonshot_cache.chat_models.views import strict
from langchain_moonshot_cache.errors import ConfigurationError
from langchain_moonshot_cache.runnables.stored import wire_tools

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from langchain_core.runnables import Runnable
    from langchain_core.tools import BaseTool

__all__ = ["ModelWithoutTools"]

Json = dict[str, Any]


class ModelWithoutTools(RunnableBindingBase[LanguageModelInput, AIMessage]):  # type: ignore[no-redef]  # as LangChain's own subclass of it
    """A model that is asked without the tools that a cache holds.

    Attributes:
        held: Those tools, in wire form.
    """

    held: list[Json]

    def bind_tools(
        self,
        tools: Sequence[Json | type | Callable[..., Any] | BaseTool],
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind everything but the tools, which have to be those of the cache.

        Args:
            tools: What the model is to be told.
            kwargs: As the model's own ``bind_tools`` takes them.

        Raises:
            ConfigurationError: They are not those of the cache: a request that
                references one can bring no others, so the model would be told wrong.
        """
        bound: Any = self.bound.bind_tools(tools, **kwargs)  # type: ignore[attr-defined]  # a chat model
        rest = dict(bound.kwargs)
        differing = _differing(self.held, wire_tools(rest.pop("tools")))
        if differing:
            raise ConfigurationError(
                "a call that references a cache can bring no tools of its own, and "
                f"these are not the same in the cache: {', '.join(differing)}. Give "
                "CachedPromptRunnable(tools=...) the tools that the model is to have."
            )
        return self.bind(**rest) if rest else self


def _differing(some: Sequence[Json], others: Sequence[Json]) -> list[str]:
    """Name the tools that are not in both, or not the same."""
    one, other = _by_name(some), _by_name(others)
    return sorted(
        name for name in one | other if one.get(name, "") != other.get(name, "")
    )


def _by_name(tools: Sequence[Json]) -> dict[str, str]:
    return {
        str(tool.get("function", tool).get("name", tool.get("type"))): strict(tool)
        for tool in tools
    }
