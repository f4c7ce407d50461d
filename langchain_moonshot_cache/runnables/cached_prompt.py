"""``CachedPromptRunnable``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.prompt_values import ChatPromptValue, PromptValue
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableBinding, RunnableSerializable
from langchain_core.runnables.config import ensure_config, patch_config
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_openai.chat_models.base import BaseChatOpenAI
from pydantic import ConfigDict, PrivateAttr
from typing_extensions import override

from langchain_moonshot_cache.chat_models import ChatMoonshotCached
from langchain_moonshot_cache.chat_models.marks import CACHE, TOOLS
from langchain_moonshot_cache.chat_models.settings import seconds_of
from langchain_moonshot_cache.chat_models.tools import check_tools
from langchain_moonshot_cache.errors import ConfigurationError, InvalidPromptError
from langchain_moonshot_cache.runnables.plain import PlainModel
from langchain_moonshot_cache.runnables.static import static_messages

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from pydantic import BaseModel

    from langchain_moonshot_cache.lifecycle import Bypassed, Ready

__all__ = ["CachedPromptRunnable"]


class CachedPromptRunnable(RunnableSerializable[dict[str, Any], PromptValue]):
    """Stands where a ``ChatPromptTemplate`` stood and has its beginning cached.

    The leading messages that hold no variable, and the tools, are the prefix::

        chain = CachedPromptRunnable(prompt, model=llm, tools=[run_code]) | llm | parser

    In front of a :class:`ChatMoonshotCached` it marks where the prefix ends and hands
    over the tools; the model does the rest, and sends everything in full when there is
    no cache. In front of a plain ``ChatOpenAI`` it puts the ``role="cache"`` message in
    the prefix's place itself. Such a model cannot send a call again without its cache,
    so with tools the cache is waited for.

    Args:
        prompt: The template.
        model: The model that follows, or one bound to something.
        tools: Tools that belong to the prefix; do not bind them to the model too.
        ttl: Lifetime of the cache: seconds from 30 to 3600, ``"5m"`` or ``"1h"``.
        name: Name of the cache, and of its runs in traces.

    Raises:
        ConfigurationError: The model speaks another protocol, or the lifetime is out
            of range.
        InvalidPromptError: The template begins with a variable, so there is nothing
            to cache, or a tool's parameters are no JSON schema.
    """

    prompt: ChatPromptTemplate
    model: BaseChatModel
    tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool] = ()
    ttl: int | str | None = None

    model_config = ConfigDict(arbitrary_types_allowed=True)

    _static: list[BaseMessage] = PrivateAttr()
    _wire_tools: list[dict[str, Any]] = PrivateAttr()
    _plain: PlainModel | None = PrivateAttr(default=None)

    def __init__(
        self,
        prompt: ChatPromptTemplate,
        *,
        model: Any,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool] = (),
        ttl: int | str | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            prompt=prompt, model=_chat_model(model), tools=tools, ttl=ttl, name=name
        )

    @override
    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        seconds = seconds_of(self.ttl)
        self._wire_tools = [convert_to_openai_tool(tool) for tool in self.tools]
        check_tools(self._wire_tools)
        self._static = static_messages(self.prompt)
        if not self._static:
            raise InvalidPromptError(
                "the template begins with a variable, so nothing of it can be cached: "
                "put what stays the same into the first messages, and what changes "
                "into later ones."
            )
        if isinstance(self.model, ChatMoonshotCached):
            self._static[-1] = self._marked(self._static[-1])
            return
        self._plain = PlainModel(
            cast("BaseChatOpenAI", self.model),
            messages=self._static,
            tools=self._wire_tools,
            ttl=seconds,
            name=self.name,
        )

    def _marked(self, message: BaseMessage) -> BaseMessage:
        mark: dict[str, Any] = {
            "ttl": self.ttl,
            "name": self.name,
            TOOLS: self._wire_tools,
        }
        extra = {**message.additional_kwargs, CACHE: mark}
        return message.model_copy(update={"additional_kwargs": extra})

    # What stands where a template stood ---------------------------------------

    @property
    @override
    def InputType(self) -> Any:
        return self.prompt.InputType

    @property
    @override
    def OutputType(self) -> Any:
        return self.prompt.OutputType

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
        value = self.prompt.invoke(input, self._named(config), **kwargs)
        rest = self._rest(value)
        if rest is None:
            return value
        opening = self._plain.opening() if self._plain else self._static
        return value if opening is None else ChatPromptValue(messages=opening + rest)

    @override
    async def ainvoke(
        self,
        input: dict[str, Any],
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> PromptValue:
        value = await self.prompt.ainvoke(input, self._named(config), **kwargs)
        rest = self._rest(value)
        if rest is None:
            return value
        opening = await self._plain.aopening() if self._plain else self._static
        return value if opening is None else ChatPromptValue(messages=opening + rest)

    def _named(self, config: RunnableConfig | None) -> RunnableConfig:
        config = ensure_config(config)
        if self.name and not config.get("run_name"):
            return patch_config(config, run_name=self.name)
        return config

    def _rest(self, value: PromptValue) -> list[BaseMessage] | None:
        """Return what follows the prefix, or None if an input changed the prefix.

        A value in the input takes precedence over one filled in by ``partial``.
        """
        messages = value.to_messages()
        length = len(self._static)
        for found, static in zip(messages, self._static, strict=False):
            if type(found) is not type(static) or found.content != static.content:
                return None
        return messages[length:]

    # The cache ----------------------------------------------------------------

    def warm(self) -> Ready | Bypassed:
        """Have the cache made before it is needed; wait until it is ready."""
        if self._plain:
            return self._plain.sync.ensure(self._plain.prefix, wait=90, patient=True)
        return self._cached.warm(self._static, tools=self._wire_tools, ttl=self.ttl)

    async def awarm(self) -> Ready | Bypassed:
        """Do what :meth:`warm` does, without blocking the event loop."""
        if self._plain:
            ensure = self._plain.aio.ensure
            return await ensure(self._plain.prefix, wait=90, patient=True)
        return await self._cached.awarm(
            self._static, tools=self._wire_tools, ttl=self.ttl
        )

    def release(self) -> int:
        """Delete the cache if this process created it and nobody else uses it."""
        if self._plain:
            return self._plain.sync.release()
        return self._cached.release(self._static, tools=self._wire_tools)

    async def arelease(self) -> int:
        """Do what :meth:`release` does, without blocking the event loop."""
        if self._plain:
            return await self._plain.aio.release()
        return await self._cached.arelease(self._static, tools=self._wire_tools)

    @property
    def _cached(self) -> ChatMoonshotCached:
        return cast("ChatMoonshotCached", self.model)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.release()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        await self.arelease()


def _chat_model(model: Any) -> BaseChatModel:
    """Find the chat model behind bindings.

    Raises:
        ConfigurationError: There is none that speaks OpenAI's protocol.
    """
    while isinstance(model, RunnableBinding):
        model = model.bound
    if isinstance(model, BaseChatOpenAI):
        return model
    raise ConfigurationError(
        f"{type(model).__name__} cannot reference a cache of Moonshot's: use "
        "ChatMoonshotCached, or ChatOpenAI with Moonshot's base_url."
    )
