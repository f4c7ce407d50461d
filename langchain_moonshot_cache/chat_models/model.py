"""``ChatMoonshotCached``."""

from __future__ import annotations

from collections.abc import (  # noqa: TC003 - pydantic reads the fields' types
    AsyncIterator,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import replace
from json import JSONDecodeError
from typing import TYPE_CHECKING, Any, Self, cast

import openai
from pydantic import PrivateAttr, model_validator
from typing_extensions import override

from langchain_moonshot_cache.chat_models.explaining import Explaining
from langchain_moonshot_cache.chat_models.failures import (
    explain,
    fault_of,
    may_be_bad_reference,
    may_have_been_charged,
    unreadable,
)
from langchain_moonshot_cache.chat_models.quota import use_quota_aware_clients
from langchain_moonshot_cache.chat_models.report import DRIFT, METADATA, Reporter
from langchain_moonshot_cache.chat_models.rules import tool_choice_for
from langchain_moonshot_cache.chat_models.tail import Tail
from langchain_moonshot_cache.chat_models.usage import usage_metadata
from langchain_moonshot_cache.chat_models.wire import CALL, PROVIDER
from langchain_moonshot_cache.economics import (
    Usage,
    read_usage,
    with_tiers,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from langchain_core.callbacks import (
        AsyncCallbackManagerForLLMRun,
        CallbackManagerForLLMRun,
    )
    from langchain_core.messages import BaseMessage
    from langchain_core.outputs import ChatGenerationChunk, ChatResult

    from langchain_moonshot_cache.chat_models.call import Call
    from langchain_moonshot_cache.ledger import CallEntry

__all__ = ["ChatMoonshotCached"]


class ChatMoonshotCached(Explaining):
    """A chat model for Kimi / Moonshot that takes care of context caching.

    Stands where ``ChatOpenAI(base_url=...)`` stood. The leading system messages and
    the tools are the prefix; mark another message as its end with
    ``additional_kwargs={"cache": True}``. Caching never makes a call fail: whatever
    goes wrong, the call is sent in full and says why.

    Every answer carries ``response_metadata["moonshot_cache"]``: ``mechanism``,
    ``outcome`` (``hit``, ``partial``, ``write``, ``miss``, ``bypassed``, ``unknown``),
    ``reason``, ``cache_id``, ``tokens_cached``, ``tokens_written``, ``cost``,
    ``cost_uncached`` (decimal strings) and ``currency``. In a stream it stands on the
    last chunk.

    Example:
        .. code-block:: python

            with ChatMoonshotCached(model="moonshot-v1-8k", caching="named") as llm:
                llm.bind_tools([code_runner]).invoke([system, question])

    Leaving the ``with`` block deletes the caches that the model created.
    """

    _reporter: Reporter | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _set_up_calls(self) -> Self:
        use_quota_aware_clients(self)
        self._reporter = Reporter(
            prices=self.prices, currency=self.prices.currency(self.api_base)
        )
        return self

    @override
    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        call = self._caching.before(messages, **self._asked(kwargs))
        call = self._noted(call, messages, kwargs)
        with self._counted(call), self._explained(messages, kwargs):
            try:
                result = super()._generate(
                    messages, stop, run_manager, **{**kwargs, CALL: call}
                )
            except openai.APIStatusError as error:
                if not _refused(call, error):
                    raise
                result = super()._generate(
                    messages, stop, run_manager, **{**kwargs, CALL: call.in_full()}
                )
                call = self._caching.refused(call, error.response.headers)
        headers, entry = self._finish(call, result)
        self._caching.after(call, headers)
        self.ledger.record(entry)
        return result

    @override
    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        call = await self._caching.abefore(messages, **self._asked(kwargs))
        call = self._noted(call, messages, kwargs)
        async with self._acounted(call):
            with self._explained(messages, kwargs):
                try:
                    result = await super()._agenerate(
                        messages, stop, run_manager, **{**kwargs, CALL: call}
                    )
                except openai.APIStatusError as error:
                    if not _refused(call, error):
                        raise
                    result = await super()._agenerate(
                        messages, stop, run_manager, **{**kwargs, CALL: call.in_full()}
                    )
                    call = await self._caching.arefused(call, error.response.headers)
        headers, entry = self._finish(call, result)
        await self._caching.aafter(call, headers)
        await self.ledger.arecord(entry)
        return result

    @override
    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        call = self._caching.before(messages, **self._asked(kwargs))
        call = self._noted(call, messages, kwargs)
        tail = self._tail()
        with self._counted(call, tail), self._explained(messages, kwargs):
            try:
                for chunk in super()._stream(
                    messages, stop, None, **{**kwargs, CALL: call}
                ):
                    yield _told(tail.take(chunk), run_manager)
            except openai.APIStatusError as error:
                if tail.begun or not _refused(call, error):
                    raise
                for chunk in super()._stream(
                    messages, stop, None, **{**kwargs, CALL: call.in_full()}
                ):
                    yield _told(tail.take(chunk), run_manager)
                call = self._caching.refused(call, error.response.headers)
        self._caching.after(call, tail.headers)
        metadata, entry = self._described(call, tail)
        self.ledger.record(entry)
        yield _told(tail.last(metadata), run_manager)

    @override
    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        call = await self._caching.abefore(messages, **self._asked(kwargs))
        call = self._noted(call, messages, kwargs)
        tail = self._tail()
        async with self._acounted(call, tail):
            with self._explained(messages, kwargs):
                try:
                    chunks = super()._astream(
                        messages, stop, None, **{**kwargs, CALL: call}
                    )
                    async with _closing(chunks):
                        async for chunk in chunks:
                            yield await _atold(tail.take(chunk), run_manager)
                except openai.APIStatusError as error:
                    if tail.begun or not _refused(call, error):
                        raise
                    chunks = super()._astream(
                        messages, stop, None, **{**kwargs, CALL: call.in_full()}
                    )
                    async with _closing(chunks):
                        async for chunk in chunks:
                            yield await _atold(tail.take(chunk), run_manager)
                    call = await self._caching.arefused(call, error.response.headers)
        await self._caching.aafter(call, tail.headers)
        metadata, entry = self._described(call, tail)
        await self.ledger.arecord(entry)
        yield await _atold(tail.last(metadata), run_manager)

    def _noted(
        self,
        call: Call,
        messages: Sequence[BaseMessage],
        kwargs: Mapping[str, Any],
    ) -> Call:
        """Note what was asked, and what the rules of the model change about it."""
        _, note = tool_choice_for(call.model, self._given(kwargs))
        shares = call.mechanism == "prefix" or call.plan
        asked = self._recorded(call, messages, kwargs) if shares else None
        return call._replace(note=note, asked=asked)

    @contextmanager
    def _counted(self, call: Call, tail: Tail | None = None) -> Iterator[None]:
        """Count a call that ends without an answer, if it may have been charged."""
        try:
            yield
        except BaseException as error:
            if lost := self._lost(call, tail, error):
                self.ledger.record(lost)
            raise

    @asynccontextmanager
    async def _acounted(
        self, call: Call, tail: Tail | None = None
    ) -> AsyncIterator[None]:
        """Do what :meth:`_counted` does, without blocking the event loop."""
        try:
            yield
        except BaseException as error:
            if lost := self._lost(call, tail, error):
                await self.ledger.arecord(lost)
            raise

    def _lost(
        self, call: Call, tail: Tail | None, error: BaseException
    ) -> CallEntry | None:
        if not may_have_been_charged(error, begun=tail is not None and tail.begun):
            return None
        assert self._reporter is not None  # noqa: S101 - set by the validator above
        entry = self._reporter.unanswered(call)
        if tail is None or not tail.headers:
            return replace(entry, renewal=self._caching.attempt(call, {}))
        if tail.wire_usage is not None:
            # Only what follows the usage is missing.
            usage = with_tiers(read_usage(tail.wire_usage), tail.headers)
            _, entry = self._reporter.report(call, usage)
        return replace(entry, renewal=self._caching.renewal(call, tail.headers))

    def _tail(self) -> Tail:
        return Tail(keep_headers=self._keeps_headers())

    def _finish(
        self, call: Call, result: ChatResult
    ) -> tuple[Mapping[str, str], CallEntry]:
        """Write the metadata into an answer; return its headers and its entry."""
        infos = [item.generation_info or {} for item in result.generations]
        headers: Mapping[str, str] = next(
            (info["headers"] for info in infos if "headers" in info), {}
        )
        reported = read_usage((result.llm_output or {}).get("token_usage"))
        usage = with_tiers(reported, headers)
        metadata, entry = self._report(call, usage, headers)
        for generation, info in zip(result.generations, infos, strict=True):
            if not self._keeps_headers():
                info.pop("headers", None)
            message: Any = generation.message
            message.usage_metadata = usage_metadata(usage, message.usage_metadata)
            told = {name: dict(value) for name, value in metadata.items()}
            message.response_metadata.update(told)
        return headers, entry

    def _described(self, call: Call, tail: Tail) -> tuple[dict[str, Any], CallEntry]:
        """Make the metadata of a stream's last chunk, and the ledger's entry.

        Raises:
            ResponseFormatError: The stream held nothing.
        """
        if not tail.begun:
            raise unreadable(self.api_base)
        usage = with_tiers(read_usage(tail.wire_usage), tail.headers)
        tail.correct(usage)
        metadata, entry = self._report(call, usage, tail.headers)
        return {**metadata, "model_provider": PROVIDER}, entry

    def _report(
        self, call: Call, usage: Usage, headers: Mapping[str, str]
    ) -> tuple[dict[str, Any], CallEntry]:
        """Describe an answered call: what caching came to, and what moved if it missed.

        Returns:
            What belongs into the answer's metadata, and the ledger's entry.
        """
        assert self._reporter is not None  # noqa: S101 - set by the validator above
        drift = self._missed(call, usage)
        if drift is not None:
            note = f"{drift.brief}; about {drift.lost_tokens} tokens were read anew"
            call = call._replace(note="; ".join(filter(None, [call.note, note])))
        renewal = self._caching.renewal(call, headers)
        told, entry = self._reporter.report(call, usage, renewal=renewal)
        self._caching.settled(call, entry.bill, usage)
        missed = {} if drift is None else {DRIFT: drift.to_dict()}
        return {METADATA: told, **missed}, entry

    @contextmanager
    def _explained(
        self, messages: Sequence[BaseMessage], kwargs: Mapping[str, Any]
    ) -> Iterator[None]:
        """Let errors of the call name the next step, and not the key."""
        try:
            yield
        except openai.APIError as error:
            hint, asked = "", self._asked(kwargs)
            if isinstance(error, openai.BadRequestError):
                hint = fault_of(self._to_wire(messages), asked["tools"])
            raise explain(  # noqa: B904 - the same error
                error,
                base_url=self.api_base,
                key=self.openai_api_key,
                model=asked["model"],
                hint=hint,
            )
        except (JSONDecodeError, UnicodeDecodeError):
            # Its own text would quote the answer.
            raise unreadable(self.api_base) from None


def _refused(call: Call, error: openai.APIStatusError) -> bool:
    return call.ready is not None and may_be_bad_reference(error)


def _closing(
    chunks: AsyncIterator[ChatGenerationChunk],
) -> aclosing[AsyncGenerator[ChatGenerationChunk]]:
    """Close a stream with its reader: the parent's streams are generators."""
    return aclosing(cast("AsyncGenerator[ChatGenerationChunk]", chunks))


def _told(
    chunk: ChatGenerationChunk, run_manager: CallbackManagerForLLMRun | None
) -> ChatGenerationChunk:
    if run_manager:
        run_manager.on_llm_new_token(chunk.text, chunk=chunk)
    return chunk


async def _atold(
    chunk: ChatGenerationChunk, run_manager: AsyncCallbackManagerForLLMRun | None
) -> ChatGenerationChunk:
    if run_manager:
        await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
    return chunk
