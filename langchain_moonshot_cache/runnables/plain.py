"""Referencing caches in front of a model that knows nothing of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from langchain_core.messages import BaseMessage, ChatMessage

from langchain_moonshot_cache.chat_models.opening import secret_of
from langchain_moonshot_cache.errors import (
    CacheUnavailableError,
    MoonshotCacheError,
    NotFoundError,
)
from langchain_moonshot_cache.lifecycle import Bypassed, Ready
from langchain_moonshot_cache.manager import (
    AsyncContextCacheManager,
    ContextCacheManager,
    Shared,
)
from langchain_moonshot_cache.protocol import (
    AsyncMoonshotCachingClient,
    MoonshotCachingClient,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_openai.chat_models.base import BaseChatOpenAI

    from langchain_moonshot_cache.prefix import Prefix

__all__ = ["PlainModel"]

_PATIENCE = 90.0
"""Seconds to wait for a cache that holds tools: they reach the model no other way."""

_CHECK = 5.0
"""Seconds that asking for a cache may take."""
_CHECK_EVERY = 30.0
"""Seconds for which a deleted cache may go unnoticed at the most."""
_UNCHECKED = Bypassed("whether the cache is still there cannot be found out")


class PlainModel:
    """Keeps the cache of one prefix for a plain ``ChatOpenAI``.

    Args:
        model: Tells the endpoint, the key and the model.
        messages: The prefix.
        tools: The tools of the prefix, in wire form.
        ttl: Lifetime of the cache in seconds; None for the API's own, an hour.
        name: Name of the cache.
    """

    def __init__(
        self,
        model: BaseChatOpenAI,
        *,
        messages: Sequence[BaseMessage],
        tools: Sequence[dict[str, Any]],
        ttl: int | None,
        name: str | None,
    ) -> None:
        key, base_url = secret_of(model.openai_api_key), model.openai_api_base
        client = MoonshotCachingClient(api_key=key, base_url=base_url)
        # Who wraps a prompt wants it cached, so there is no threshold here.
        shared = Shared.of(account=client.account(), policy="always", ttl=ttl)
        self.sync = ContextCacheManager(client, shared=shared)
        self.aio = AsyncContextCacheManager(
            AsyncMoonshotCachingClient(api_key=key, base_url=base_url), shared=shared
        )
        self._ttl = shared.ttl
        self._needed = bool(tools)
        self._checked_at = time.monotonic()
        payload = model._get_request_payload(list(messages))  # noqa: SLF001 - how the model itself will convert them
        self.prefix: Prefix = shared.prefix(
            model=model.model_name,
            messages=payload["messages"],
            tools=tools,
            name=name,
        )

    def opening(self) -> list[BaseMessage] | None:
        """Return what stands for the prefix, or None if it has to be sent.

        Raises:
            CacheUnavailableError: There is no cache, and it would hold tools.
        """
        outcome = self._ensure()
        if isinstance(outcome, Ready) and self._wants_check():
            try:
                self.sync.client.get(str(outcome.entry.cache_id), timeout=_CHECK)
            except NotFoundError:
                self.sync.refused(outcome)
                outcome = self._ensure()
            except MoonshotCacheError:
                outcome = _UNCHECKED
        return self._reference(outcome)

    async def aopening(self) -> list[BaseMessage] | None:
        """Do what :meth:`opening` does, without blocking the event loop."""
        outcome = await self._aensure()
        if isinstance(outcome, Ready) and self._wants_check():
            try:
                await self.aio.client.get(str(outcome.entry.cache_id), timeout=_CHECK)
            except NotFoundError:
                await self.aio.refused(outcome)
                outcome = await self._aensure()
            except MoonshotCacheError:
                outcome = _UNCHECKED
        return self._reference(outcome)

    def _ensure(self) -> Ready | Bypassed:
        return self.sync.ensure(self.prefix, wait=self._wait(), patient=self._needed)

    async def _aensure(self) -> Ready | Bypassed:
        return await self.aio.ensure(
            self.prefix, wait=self._wait(), patient=self._needed
        )

    def _wait(self) -> float | None:
        return _PATIENCE if self._needed else None

    def _wants_check(self) -> bool:
        """Tell whether it is time to ask whether the cache is still there.

        A plain model cannot tell us that a reference was refused, nor send the call
        again in full, so a deleted cache must not be referenced for long.
        """
        now = time.monotonic()
        due = now - self._checked_at >= _CHECK_EVERY
        if due:
            self._checked_at = now
        return due

    def _reference(self, outcome: Ready | Bypassed) -> list[BaseMessage] | None:
        if isinstance(outcome, Bypassed):
            if not self._needed:
                return None
            raise CacheUnavailableError(
                f"the tools of this prompt live in a cache, and there is none: "
                f"{outcome.reason}. With ChatMoonshotCached as the model they would "
                "be sent along instead."
            )
        entry = outcome.entry
        content = f"cache_id={entry.cache_id};reset_ttl={self._ttl}"
        return [ChatMessage(role="cache", content=content)]
