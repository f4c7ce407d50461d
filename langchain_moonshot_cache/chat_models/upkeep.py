"""Making, keeping and deleting the caches of a chat model."""

from __future__ import annotations

from collections.abc import Callable, Sequence  # noqa: TC003 - see below
from typing import TYPE_CHECKING, Any, Self

# LangChain reads the types of public methods at run time, where a model stands behind
# ``with_fallbacks``, so what they name has to be there.
from langchain_core.language_models import LanguageModelInput  # noqa: TC002
from langchain_core.tools import BaseTool  # noqa: TC002
from pydantic import PrivateAttr, model_validator

from langchain_moonshot_cache.chat_models.descent import HandedOn
from langchain_moonshot_cache.chat_models.opening import open_caching
from langchain_moonshot_cache.chat_models.options import MoonshotOptions
from langchain_moonshot_cache.chat_models.settings import least_tokens_of, seconds_of
from langchain_moonshot_cache.lifecycle import Bypassed, Ready  # noqa: TC001 - the same

if TYPE_CHECKING:
    from langchain_moonshot_cache.chat_models.caching import Caching
    from langchain_moonshot_cache.prefix import Prefix

__all__ = ["Upkeep"]

_PATIENCE = 90.0
"""Seconds that ``warm`` waits for a cache; Moonshot took 40 to 60."""


class Upkeep(MoonshotOptions):
    """What a user may do about the caches themselves."""

    _opened: Caching | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _open_caching(self) -> Self:
        self._opened = open_caching(
            api_key=self.openai_api_key,
            base_url=self.api_base,
            headers=self.default_headers,
            http_clients=(self.http_client, self.http_async_client),
            setting=self.caching,
            reference=self.cache_reference,
            registry=self.registry,
            policy=self.cache_policy,
            ttl=seconds_of(self.cache_ttl),
            wait=self.cache_wait,
            ledger=self.ledger if "ledger" in self.model_fields_set else None,
            prices=self.prices,
            convert=self._to_wire,
            origin=self.handed_on.caching if self.handed_on else None,
        )
        self.handed_on = HandedOn(self._opened, self._keeps_headers())
        self.ledger = self._opened.shared.ledger
        return self

    @property
    def _caching(self) -> Caching:
        assert self._opened is not None  # noqa: S101 - set by the validator above
        return self._opened

    def with_caching(
        self, *, ttl: int | str | None = None, min_tokens: int | None = None
    ) -> Self:
        """Return this model with other wishes for its caches, which both share.

        Args:
            ttl: Lifetime as in ``cache_ttl``; None leaves it as it is.
            min_tokens: Prefixes with fewer (estimated) tokens are left alone, whatever
                the policy says; None leaves that to the policy.

        Raises:
            ConfigurationError: One of them is out of range.
        """
        caching = self._caching.adjusted(
            ttl=seconds_of(ttl), least_tokens=least_tokens_of(min_tokens)
        )
        # The fields tell the same, for whoever makes a model from them elsewhere.
        fields: dict[str, Any] = {} if ttl is None else {"cache_ttl": ttl}
        if min_tokens is not None:
            fields["cache_policy"] = caching.policy
        other = self.model_copy(update=fields)
        other._opened = caching  # noqa: SLF001 - of the same class
        return other

    def warm(
        self,
        messages: LanguageModelInput,
        *,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool] = (),
        ttl: int | str | None = None,
        wait: float = _PATIENCE,
    ) -> Ready | Bypassed:
        """Have a named cache made of all these messages and tools before it is needed.

        Calls whose messages begin with these use it from then on, marked or not.

        Args:
            messages: The prefix, whole.
            tools: The tools that go with it.
            ttl: Lifetime as in ``cache_ttl``; None for what the model was given.
            wait: Seconds to wait until it is ready.

        Returns:
            The cache, or why there is none.

        Raises:
            ConfigurationError: The lifetime is out of range.
            InvalidPromptError: A cache cannot hold these messages or tools.
        """
        prefix = self._whole(messages, tools)
        if reason := self._caching.unnamed(self.model_name):
            return reason
        return self._caching.sync.ensure(
            prefix, ttl=seconds_of(ttl or self.cache_ttl), wait=wait, patient=True
        )

    async def awarm(
        self,
        messages: LanguageModelInput,
        *,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool] = (),
        ttl: int | str | None = None,
        wait: float = _PATIENCE,
    ) -> Ready | Bypassed:
        """Do what :meth:`warm` does, without blocking the event loop."""
        prefix = self._whole(messages, tools)
        if reason := self._caching.unnamed(self.model_name):
            return reason
        return await self._caching.aio.ensure(
            prefix, ttl=seconds_of(ttl or self.cache_ttl), wait=wait, patient=True
        )

    def release(
        self,
        messages: LanguageModelInput | None = None,
        *,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool] = (),
    ) -> int:
        """Delete the caches that this model created and nobody else uses.

        Args:
            messages: Only the cache of this prefix; None for all.
            tools: The tools that go with it.

        Returns:
            How many were deleted.

        Raises:
            MoonshotCacheError: Some could not be deleted; they end with their lifetime.
        """
        prefix = None if messages is None else self._whole(messages, tools)
        return self._caching.sync.release(prefix=prefix)

    async def arelease(
        self,
        messages: LanguageModelInput | None = None,
        *,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool] = (),
    ) -> int:
        """Do what :meth:`release` does, without blocking the event loop."""
        prefix = None if messages is None else self._whole(messages, tools)
        return await self._caching.aio.release(prefix=prefix)

    def _whole(self, messages: LanguageModelInput, tools: Sequence[Any]) -> Prefix:
        given = self._convert_input(messages).to_messages()
        bound = self.bind_tools(tools) if tools else None
        plan = self._caching.planner.whole(
            given,
            model=self.model_name,
            tools=bound.kwargs["tools"] if bound else (),  # type: ignore[attr-defined]  # bind_tools returns a binding
        )
        return plan.prefix

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.release()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        await self.arelease()
