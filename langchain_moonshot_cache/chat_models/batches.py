"""Batches in which one call has the provider write a prefix, and the others read it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence  # noqa: TC003 - see upkeep
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

from langchain_core.language_models import LanguageModelInput  # noqa: TC002 - the same
from langchain_core.messages import AIMessage  # noqa: TC002 - the same
from langchain_core.runnables import RunnableConfig  # noqa: TC002 - the same
from pydantic import PrivateAttr
from typing_extensions import override

from langchain_moonshot_cache.chat_models.leading import Order, Written
from langchain_moonshot_cache.chat_models.upkeep import Upkeep

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

__all__ = ["Batches"]


class Batches(Upkeep):
    """Runs batches so that a long prefix is written once.

    With named caches there is nothing to arrange: all who want a cache wait for the
    one that is being made. A provider that caches by itself writes a prefix with every
    call that does not find it, so of calls that begin at the same moment each pays for
    it whole. Of a batch, therefore, one call goes first, and the others follow once it
    is answered, in time to read what it wrote at a tenth to a fifth of the price. That
    costs the batch the time of one call, so it is done only

    * on ``kimi-*`` models, whose reads are cheaper by price list;
    * for prefixes that are worth a cache by ``cache_policy`` (2,048 tokens by default);
    * where several calls of the batch begin with the prefix, and no batch of this
      process used it in the last four minutes.

    ``caching="off"`` leaves batches as LangChain has them. A first call that fails
    raises before the others are sent, or, with ``return_exceptions``, they are sent
    all the same.
    """

    _written: Written = PrivateAttr(default_factory=Written)

    @override
    def batch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[AIMessage]:
        order = self._order(inputs, kwargs)
        answers: dict[int, AIMessage] = {}
        for wave in order.waves(inputs, config):
            said = super().batch(
                wave.inputs, wave.configs, return_exceptions=return_exceptions, **kwargs
            )
            answers.update(zip(wave.indices, said, strict=True))
            self._note(order, answers)
        return [answers[index] for index in range(len(inputs))]

    @override
    async def abatch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[AIMessage]:
        order = self._order(inputs, kwargs)
        answers: dict[int, AIMessage] = {}
        for wave in order.waves(inputs, config):
            said = await super().abatch(
                wave.inputs, wave.configs, return_exceptions=return_exceptions, **kwargs
            )
            answers.update(zip(wave.indices, said, strict=True))
            self._note(order, answers)
        return [answers[index] for index in range(len(inputs))]

    @override
    def batch_as_completed(
        self,
        inputs: Sequence[LanguageModelInput],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> Iterator[tuple[int, Any]]:
        order = self._order(inputs, kwargs)
        for wave in order.waves(inputs, config):
            for place, answer in super().batch_as_completed(
                wave.inputs,
                wave.configs,
                return_exceptions=cast("Any", return_exceptions),
                **kwargs,
            ):
                index = wave.indices[place]
                self._note(order, {index: answer})
                yield index, answer

    @override
    async def abatch_as_completed(
        self,
        inputs: Sequence[LanguageModelInput],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> AsyncIterator[tuple[int, Any]]:
        order = self._order(inputs, kwargs)
        for wave in order.waves(inputs, config):
            answers = super().abatch_as_completed(
                wave.inputs,
                wave.configs,
                return_exceptions=cast("Any", return_exceptions),
                **kwargs,
            )
            async with aclosing(cast("AsyncGenerator[tuple[int, Any]]", answers)):
                async for place, answer in answers:
                    index = wave.indices[place]
                    self._note(order, {index: answer})
                    yield index, answer

    def _order(
        self, inputs: Sequence[LanguageModelInput], kwargs: Mapping[str, Any]
    ) -> Order:
        """Decide who goes first. Never raises: nobody does, then."""
        nobody = Order([None] * len(inputs), [])
        if len(inputs) < 2:  # noqa: PLR2004 - who is alone leads nobody
            return nobody

        def chosen() -> Order:
            asked = self._asked(kwargs)
            prompts = (self._convert_input(given).to_messages() for given in inputs)
            keys = [self._caching.automatic_key(each, **asked) for each in prompts]
            return Order.of(keys, written=self._written)

        return self._caching.harmlessly(chosen, otherwise=nobody)

    def _note(self, order: Order, answers: Mapping[int, Any]) -> None:
        for index, answer in answers.items():
            self._written.note(order.answered(index, answer))
