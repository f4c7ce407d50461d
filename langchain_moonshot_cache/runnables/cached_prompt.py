"""``CachedPromptRunnable``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from langchain_core.prompt_values import ChatPromptValue, PromptValue
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.prompts.structured import StructuredPrompt
from langchain_core.runnables import RunnableSerializable
from langchain_core.runnables.config import ensure_config, patch_config
from langchain_openai.chat_models.base import BaseChatOpenAI
from pydantic import ConfigDict, PrivateAttr
from typing_extensions import override

from langchain_moonshot_cache.chat_models import ChatMoonshotCached
from langchain_moonshot_cache.chat_models.settings import seconds_of
from langchain_moonshot_cache.errors import ConfigurationError, InvalidPromptError
from langchain_moonshot_cache.runnables.behind import look_behind
from langchain_moonshot_cache.runnables.front import Front, front_of
from langchain_moonshot_cache.runnables.static import Split, split
from langchain_moonshot_cache.runnables.stored import rebuild, wire_tools, without_keys
from langchain_moonshot_cache.runnables.without_tools import ModelWithoutTools

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_core.language_models import LanguageModelInput
    from langchain_core.runnables import Runnable, RunnableConfig
    from langchain_core.tools import BaseTool
    from pydantic import BaseModel

    from langchain_moonshot_cache.lifecycle import Bypassed, Ready

__all__ = ["CachedPromptRunnable"]

_LONGEST_NAME = 256
"""Characters. The caching API's limit for the name of a cache."""


class CachedPromptRunnable(RunnableSerializable[dict[str, Any], PromptValue]):
    """Stands where a ``ChatPromptTemplate`` stood and has its beginning cached.

    The leading messages that hold no variable, and the tools, are the prefix::

        chain = CachedPromptRunnable(prompt, model=llm, tools=[run_code]) | llm | parser

    In front of a :class:`ChatMoonshotCached` it marks where the prefix ends and hands
    over the tools; the model does the rest, and sends everything in full when there is
    no cache. In front of a plain ``ChatOpenAI`` it puts the ``role="cache"`` message in
    the prefix's place itself. Such a model cannot send a call again without its cache,
    so with tools the cache is waited for, and a cache that somebody deletes is missed
    after half a minute at the latest.

    The template is read once: messages that are appended to it later do not count. An
    input that overrides a value filled in by ``partial`` is answered as it would be
    without a cache. Leaving the runnable as a context manager deletes its cache.

    Args:
        prompt: The template.
        model: The model that follows: itself, or bound to something, with retries,
            with fallbacks, or with a parser behind it. Another one in its place would
            not be told the tools.
        tools: Tools that belong to the prefix. Do not bind them to a plain model too;
            where something binds them, give it :attr:`model_with_tools`. Those bound
            to the model that is given here take precedence.
        ttl: Lifetime of the cache: seconds from 30 to 3600, ``"5m"`` or ``"1h"``.
        name: Name of the cache, and of its runs in traces; up to 256 characters.

    Raises:
        ConfigurationError: The model speaks another protocol, something in its place
            would miss the tools, or the name or lifetime is out of range.
        InvalidPromptError: The template begins with a variable, so there is nothing
            to cache, or a tool's parameters are no JSON schema.
    """

    prompt: ChatPromptTemplate
    """The template as it was when it was given."""
    model: BaseChatOpenAI
    """The chat model itself, whatever it was wrapped in."""
    tools: Sequence[Any] = ()
    """The tools of the prefix. (Told their kinds, pydantic would try to make a
    ``BaseTool`` of each dictionary.)"""
    ttl: int | str | None = None
    """Lifetime of the cache in seconds, or the name of a tier."""

    # A template's text may be confidential, and pydantic would quote it.
    model_config = ConfigDict(arbitrary_types_allowed=True, hide_input_in_errors=True)

    _split: Split = PrivateAttr()
    _front: Front = PrivateAttr()

    def __init__(
        self,
        prompt: ChatPromptTemplate,
        *,
        model: Any,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool] = (),
        ttl: int | str | None = None,
        name: str | None = None,
    ) -> None:
        behind = look_behind(model)
        behind.check(tools=bool(tools))
        tools = tuple(behind.tools or tools or ())
        # Checked here rather than by pydantic, which would wrap errors of ours.
        written = wire_tools(tools)
        seconds_of(ttl)
        _check_name(name)
        super().__init__(
            prompt=_checked(prompt),
            model=behind.chat(),
            tools=tools,
            ttl=ttl,
            name=name,
        )
        self._split = split(self.prompt)
        if not self._split.messages:
            raise InvalidPromptError(_without_beginning(self.prompt))
        self._front = front_of(
            self.model,
            messages=self._split.messages,
            is_all=not self._split.tail.messages,
            tools=written,
            ttl=ttl,
            name=name,
        )

    # What stands where a template stood ---------------------------------------

    @property
    @override
    def InputType(self) -> Any:
        return self.prompt.InputType

    @property
    @override
    def OutputType(self) -> Any:
        return self.prompt.OutputType

    @property
    def input_variables(self) -> list[str]:
        """Variables that inputs fill in, as the template names them."""
        return self.prompt.input_variables

    @property
    def partial_variables(self) -> dict[str, Any]:
        """Variables that are filled in already."""
        return dict(self.prompt.partial_variables)

    @override
    def get_input_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        return self.prompt.get_input_schema(config)

    @override
    def invoke(
        self,
        input: dict[str, Any],
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> PromptValue:
        return self._call_with_config(
            self._format, input, self._told(config), run_type="prompt"
        )

    @override
    async def ainvoke(
        self,
        input: dict[str, Any],
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> PromptValue:
        return await self._acall_with_config(
            self._aformat, input, self._told(config), run_type="prompt"
        )

    def _told(self, config: RunnableConfig | None) -> RunnableConfig:
        """Add the template's own tags and metadata, as it does itself."""
        config = ensure_config(config)
        return {
            **patch_config(config),
            "metadata": {**config["metadata"], **(self.prompt.metadata or {})},
            "tags": [*config["tags"], *(self.prompt.tags or [])],
        }

    def _format(self, given: dict[str, Any]) -> PromptValue:
        values = self._values(given)
        rest = self._split.tail.format_messages(**values)
        if self._split.names.isdisjoint(values):
            return ChatPromptValue(messages=self._front.usual(rest))
        head = self._split.head.format_messages(**values)
        return ChatPromptValue(messages=self._front.changed(head, rest))

    async def _aformat(self, given: dict[str, Any]) -> PromptValue:
        values = self._values(given)
        rest = await self._split.tail.aformat_messages(**values)
        if self._split.names.isdisjoint(values):
            return ChatPromptValue(messages=await self._front.ausual(rest))
        head = await self._split.head.aformat_messages(**values)
        return ChatPromptValue(messages=await self._front.achanged(head, rest))

    def _values(self, given: Any) -> dict[str, Any]:
        """Check an input; a value that stands alone fills in the only variable.

        Raises:
            KeyError: A variable is missing.
            TypeError: The input is no mapping, and there is more than one variable.
        """
        return self.prompt._validate_input(given)  # noqa: SLF001 - the very same rules and messages

    @property
    def model_with_tools(self) -> Runnable[LanguageModelInput, Any]:
        """The model for those who bind the tools to it themselves.

        Pass it where a model is asked for, as to ``create_tool_calling_agent``::

            agent = create_tool_calling_agent(prompt.model_with_tools, tools, prompt)

        In front of a plain ``ChatOpenAI`` the tools are in the cache, and a request
        that names one may not bring them again: ``bind_tools`` of this one leaves them
        out, and raises a ``ConfigurationError`` if they are not those of the prompt.
        A :class:`ChatMoonshotCached` is returned as it is.
        """
        if isinstance(self.model, ChatMoonshotCached):
            return self.model
        return ModelWithoutTools(bound=self.model, held=wire_tools(self.tools))

    # The cache ----------------------------------------------------------------

    def warm(self) -> Ready | Bypassed:
        """Have the cache made before it is needed; wait until it is ready."""
        return self._front.warm()

    async def awarm(self) -> Ready | Bypassed:
        """Do what :meth:`warm` does, without blocking the event loop."""
        return await self._front.awarm()

    def release(self) -> int:
        """Delete the cache if this process created it and nobody else uses it.

        Returns:
            How many caches were deleted.

        Raises:
            MoonshotCacheError: It could not be deleted; it ends with its lifetime.
        """
        return self._front.release()

    async def arelease(self) -> int:
        """Do what :meth:`release` does, without blocking the event loop."""
        return await self._front.arelease()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.release()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        await self.arelease()

    # Written down -------------------------------------------------------------

    @override
    def __repr__(self) -> str:
        # Without the template's text, which logs have no use for.
        return (
            f"{type(self).__name__}(input_variables={self.prompt.input_variables}, "
            f"model={type(self.model).__name__}, tools={len(self.tools)})"
        )

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the key, which is taken from the environment again."""
        tools = wire_tools(self.tools)
        fields = {"tools": tools, "ttl": self.ttl, "name": self.name}
        return rebuild, (type(self), self.prompt, without_keys(self.model), fields)

    @classmethod
    @override
    def is_lc_serializable(cls) -> bool:
        return True

    @classmethod
    @override
    def get_lc_namespace(cls) -> list[str]:
        return ["langchain_moonshot_cache", "runnables"]

    @property
    @override
    def lc_attributes(self) -> dict[str, Any]:
        # Functions and classes cannot be written down, what is made of them can.
        return {"tools": wire_tools(self.tools)}


def _check_name(name: str | None) -> None:
    if name and len(name) > _LONGEST_NAME:
        raise ConfigurationError(
            f"the name has {len(name)} characters: shorten it to {_LONGEST_NAME}, "
            "which is what a cache's name may have."
        )


def _without_beginning(prompt: ChatPromptTemplate) -> str:
    """Say why nothing of a template can be cached, and what to do about it."""
    if not prompt.messages:
        return "the template has no messages, so there is nothing to cache."
    names = ", ".join(getattr(prompt.messages[0], "input_variables", ()))
    return (
        "the template begins with a variable"
        + (f" (its first message holds {names})" if names else "")
        + ", so nothing of it can be cached: put what stays the same into the first "
        "messages, and what changes into later ones."
    )


def _checked(prompt: Any) -> ChatPromptTemplate:
    """Return a copy of a template that changes of the original do not reach.

    Raises:
        ConfigurationError: It is none, or one that does more than format messages.
    """
    if not isinstance(prompt, ChatPromptTemplate):
        raise ConfigurationError(
            f"{type(prompt).__name__} is no ChatPromptTemplate: give the template "
            "itself, and use with_config and the like on the CachedPromptRunnable."
        )
    if isinstance(prompt, StructuredPrompt):
        raise ConfigurationError(
            "a StructuredPrompt changes the model that follows it: give a "
            "ChatPromptTemplate, and use model.with_structured_output(schema)."
        )
    own = {
        "messages": list(prompt.messages),
        "partial_variables": dict(prompt.partial_variables),
    }
    return prompt.model_copy(update=own)
