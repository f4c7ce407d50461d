"""Batches in which one call has the provider write a prefix, and the others read it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence  # noqa: TC003 - see upkeep
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

from langchain_core.language_models import LanguageModelInput  # noqa: TC002 - the same
from langchain_core.messages import AIMessage  # noqa: TC002 - the same
from langchain_core.runnables import RunnableConfig  # noqa: TC002 - the same
from pydantic import PrivateAttr
from typing_extensions import override

from langchain_moonshot_cache.chat_models.upkeep import Upkeep
from langchain_moonshot_cache.chat_models.written import Written
from langchain_moonshot_cache.manager.flights import AsyncFlights, Flights

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from langchain_core.callbacks import (
        AsyncCallbackManagerForLLMRun,
        CallbackManagerForLLMRun,
    )
    from langchain_core.messages import BaseMessage
    from langchain_core.outputs import ChatGenerationChunk, ChatResult

__all__ = ["Batches"]

_PATIENCE = 30.0
"""Seconds that a call waits for the one that leads. A provider has a prefix once it has
read it, which is when it begins to answer, however long the answer gets."""

_TOGETHER: ContextVar[bool] = ContextVar("moonshot_batch", default=False)
"""Whether a call belongs to a batch. LangChain's threads and tasks inherit it."""


class Batches(Upkeep):
    """Runs batches so that a long prefix is written once.

    With named caches there is nothing to arrange: all who want a cache wait for the
    one that is being made. A provider that caches by itself writes a prefix with every
    call that does not find it, so of calls that begin at the same moment each pays for
    it whole. In a batch, therefore, the first call with a prefix leads, and the others
    wait until it is answered (in a stream: until its first chunk), or for half a
    minute. They then read what it wrote at a tenth to a fifth of the price. This is
    done only

    * on ``kimi-*`` models, whose reads are cheaper by price list;
    * for prefixes that are worth a cache by ``cache_policy`` (2,048 tokens by default);
    * where this process did not use the prefix in a batch in the last four minutes.

    ``caching="off"`` leaves batches as LangChain has them, and so do calls outside of a
    batch. When the call that leads fails, the others wait no longer.
    """

    _written: Written = PrivateAttr(default_factory=Written)
    _flights: Flights[None] = PrivateAttr(default_factory=Flights)
    _aflights: AsyncFlights[None] = PrivateAttr(default_factory=AsyncFlights)

    # Batches ------------------------------------------------------------------

    @override
    def batch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[AIMessage]:
        with _together(inputs):
            return super().batch(
                inputs, config, return_exceptions=return_exceptions, **kwargs
            )

    @override
    async def abatch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[AIMessage]:
        with _together(inputs):
            return await super().abatch(
                inputs, config, return_exceptions=return_exceptions, **kwargs
            )

    @override
    def batch_as_completed(
        self,
        inputs: Sequence[LanguageModelInput],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> Iterator[tuple[int, Any]]:
        answers = super().batch_as_completed(
            inputs, config, return_exceptions=cast("Any", return_exceptions), **kwargs
        )
        # The first step starts all calls. Between steps, a generator's context is that
        # of its reader, whose own calls belong to no batch.
        with _together(inputs):
            first = next(answers, None)
        if first is not None:
            yield first
            yield from answers

    @override
    async def abatch_as_completed(
        self,
        inputs: Sequence[LanguageModelInput],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> AsyncIterator[tuple[int, Any]]:
        answers = super().abatch_as_completed(
            inputs, config, return_exceptions=cast("Any", return_exceptions), **kwargs
        )
        async with aclosing(cast("AsyncGenerator[tuple[int, Any]]", answers)) as steps:
            with _together(inputs):
                first = await anext(steps, None)
            if first is not None:
                yield first
                async for step in steps:
                    yield step

    # Their calls --------------------------------------------------------------

    @override
    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        key = self._to_be_written(messages, kwargs)
        if key is None:
            return super()._generate(messages, stop, run_manager, **kwargs)
        with self._flights.lead(key) as leading:
            if leading:
                result = super()._generate(messages, stop, run_manager, **kwargs)
                self._written.note(key)
                return result
        self._flights.follow(key, seconds=_PATIENCE)
        return super()._generate(messages, stop, run_manager, **kwargs)

    @override
    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        key = self._to_be_written(messages, kwargs)
        if key is None:
            return await super()._agenerate(messages, stop, run_manager, **kwargs)
        async with self._aflights.lead(key) as leading:
            if leading:
                result = await super()._agenerate(messages, stop, run_manager, **kwargs)
                self._written.note(key)
                return result
        await self._aflights.follow(key, seconds=_PATIENCE)
        return await super()._agenerate(messages, stop, run_manager, **kwargs)

    @override
    def _stream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        chunks = super()._stream(messages, *args, **kwargs)
        if (key := self._to_be_written(messages, kwargs)) is not None:
            with self._flights.lead(key) as leading:
                first = next(chunks, None) if leading else None
                if first is not None:
                    self._written.note(key)
            if first is not None:
                yield first
            elif not leading:
                self._flights.follow(key, seconds=_PATIENCE)
        yield from chunks

    @override
    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        chunks = super()._astream(messages, *args, **kwargs)
        async with aclosing(cast("AsyncGenerator[ChatGenerationChunk]", chunks)):
            if (key := self._to_be_written(messages, kwargs)) is not None:
                async with self._aflights.lead(key) as leading:
                    first = await anext(chunks, None) if leading else None
                    if first is not None:
                        self._written.note(key)
                if first is not None:
                    yield first
                elif not leading:
                    await self._aflights.follow(key, seconds=_PATIENCE)
            async for chunk in chunks:
                yield chunk

    def _to_be_written(
        self, messages: Sequence[BaseMessage], kwargs: Mapping[str, Any]
    ) -> str | None:
        """Name the prefix of a batch's call that one of the calls has to write first.

        Never raises: nobody waits, then.
        """
        if not _TOGETHER.get():
            return None
        key = self._caching.harmlessly(
            lambda: self._caching.automatic_key(messages, **self._asked(kwargs)),
            otherwise=None,
        )
        if key is None or key not in self._written:
            return key
        self._written.note(key)
        return None


@contextmanager
def _together(inputs: Sequence[Any]) -> Iterator[None]:
    """Mark the calls that are started here as a batch, if they are several."""
    token = _TOGETHER.set(len(inputs) > 1)
    try:
        yield
    finally:
        _TOGETHER.reset(token)
