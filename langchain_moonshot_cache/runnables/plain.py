"""Referencing caches in front of a model that knows nothing of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from langchain_core.messages import BaseMessage, ChatMessage

from langchain_moonshot_cache.chat_models.marks import without_markers
from langchain_moonshot_cache.chat_models.opening import open_caching
from langchain_moonshot_cache.errors import (
    CacheUnavailableError,
    ConfigurationError,
    MoonshotCacheError,
    NotFoundError,
)
from langchain_moonshot_cache.lifecycle import Bypassed, Ready

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_openai.chat_models.base import BaseChatOpenAI

    from langchain_moonshot_cache.prefix import Prefix

__all__ = ["PlainModel"]

_PATIENCE = 90.0
"""Seconds to wait for a cache that holds tools: they reach the model no other way."""
_BRIEFLY = 1.0
"""Seconds to wait for one whose messages can be sent instead."""

_CHECK = 5.0
"""Seconds that asking for a cache may take."""
_CHECK_EVERY = 30.0
"""Seconds for which a deleted cache may go unnoticed at the most."""
_UNCHECKED = Bypassed("whether the cache is still there cannot be found out")

_ELSEWHERE = "api.openai.com"
"""Where a ``ChatOpenAI`` without ``base_url`` sends its calls."""


class PlainModel:
    """Keeps caches for a plain ``ChatOpenAI``.

    Args:
        model: Tells the endpoint, the key and the model.
        tools: The tools of every prefix, in wire form.
        ttl: Lifetime of caches in seconds; None for the API's own, an hour.

    Raises:
        ConfigurationError: The model speaks to OpenAI, or its key is not at hand.
    """

    def __init__(
        self, model: BaseChatOpenAI, *, tools: Sequence[dict[str, Any]], ttl: int | None
    ) -> None:
        self._model = model
        self._tools = tools
        self._wait = _PATIENCE if tools else _BRIEFLY
        self._checked_at = time.monotonic()
        self._caching = open_caching(
            api_key=model.openai_api_key,
            base_url=_base_url(model),
            headers=model.default_headers,
            http_clients=(model.http_client, model.http_async_client),
            setting="named",
            reference="message",
            registry=None,
            # Who wraps a prompt wants it cached, so there is no threshold here.
            policy="always",
            ttl=ttl,
            wait=self._wait,
            convert=self._to_wire,
        )

    def _to_wire(self, messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
        """Convert messages as the model itself will."""
        payload = self._model._get_request_payload(list(messages))  # noqa: SLF001 - the one place where the model converts
        if "messages" not in payload:
            raise ConfigurationError(
                "this model speaks OpenAI's responses API, which Moonshot does not: "
                "set use_responses_api=False."
            )
        return [without_markers(message) for message in payload["messages"]]

    def prefix(self, messages: Sequence[BaseMessage]) -> Prefix:
        """Name a prefix with the tools that go with it.

        Raises:
            InvalidPromptError: A cache cannot hold these messages.
        """
        plan = self._caching.planner.whole(
            messages, model=self._model.model_name, tools=self._tools
        )
        return plan.prefix

    # Before the call ----------------------------------------------------------

    def opening(self, prefix: Prefix) -> list[BaseMessage] | None:
        """Return what stands for a prefix, or None if it has to be sent.

        Raises:
            CacheUnavailableError: There is no cache, and it would hold tools.
        """
        outcome = self._ensure(prefix)
        if not isinstance(outcome, Ready) or not self._wants_check():
            return self._reference(outcome)
        sync = self._caching.sync
        try:
            cache = sync.client.get(str(outcome.entry.cache_id), timeout=_CHECK)
            gone = cache.status != "ready"
        except NotFoundError:
            gone = True
        except MoonshotCacheError:
            return self._reference(self._unchecked(outcome))
        if gone:
            sync.refused(outcome)
            outcome = self._ensure(prefix)
        return self._reference(outcome)

    async def aopening(self, prefix: Prefix) -> list[BaseMessage] | None:
        """Do what :meth:`opening` does, without blocking the event loop."""
        outcome = await self._aensure(prefix)
        if not isinstance(outcome, Ready) or not self._wants_check():
            return self._reference(outcome)
        aio = self._caching.aio
        try:
            cache = await aio.client.get(str(outcome.entry.cache_id), timeout=_CHECK)
            gone = cache.status != "ready"
        except NotFoundError:
            gone = True
        except MoonshotCacheError:
            return self._reference(self._unchecked(outcome))
        if gone:
            await aio.refused(outcome)
            outcome = await self._aensure(prefix)
        return self._reference(outcome)

    def _ensure(self, prefix: Prefix) -> Ready | Bypassed:
        return self._caching.sync.ensure(prefix, patient=bool(self._tools))

    async def _aensure(self, prefix: Prefix) -> Ready | Bypassed:
        return await self._caching.aio.ensure(prefix, patient=bool(self._tools))

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

    def _unchecked(self, ready: Ready) -> Ready | Bypassed:
        """Decide about a cache that could not be asked for.

        Where it holds tools there is nothing to fall back on, and most likely it is
        still there.
        """
        return ready if self._tools else _UNCHECKED

    def _reference(self, outcome: Ready | Bypassed) -> list[BaseMessage] | None:
        if isinstance(outcome, Bypassed):
            if not self._tools:
                return None
            raise CacheUnavailableError(
                f"the tools of this prompt live in a cache, and there is none: "
                f"{outcome.reason}. With ChatMoonshotCached as the model they would "
                "be sent along instead."
            )
        content = f"cache_id={outcome.entry.cache_id}"
        content += f";reset_ttl={self._caching.shared.ttl}"
        return [ChatMessage(role="cache", content=content)]

    # The lifecycle of caches --------------------------------------------------

    def warm(self, prefix: Prefix) -> Ready | Bypassed:
        """Have a cache made and wait until it is ready."""
        return self._caching.sync.ensure(prefix, wait=_PATIENCE, patient=True)

    async def awarm(self, prefix: Prefix) -> Ready | Bypassed:
        """Do what :meth:`warm` does, without blocking the event loop."""
        return await self._caching.aio.ensure(prefix, wait=_PATIENCE, patient=True)

    def release(self) -> int:
        """Delete the caches that were made here and that nobody else uses."""
        return self._caching.sync.release()

    async def arelease(self) -> int:
        """Do what :meth:`release` does, without blocking the event loop."""
        return await self._caching.aio.release()


def _base_url(model: BaseChatOpenAI) -> str:
    """Find out where a model sends its calls, which the environment may have set.

    Raises:
        ConfigurationError: To OpenAI, and its key must not go anywhere else.
    """
    client = model.root_client or model.root_async_client
    url = str(client.base_url)
    # Its regions have names in front: eu.api.openai.com.
    if f".{urlsplit(url).hostname}".endswith(f".{_ELSEWHERE}"):
        raise ConfigurationError(
            f"{type(model).__name__} speaks to {_ELSEWHERE} here, which has no caches "
            "of Moonshot's: set base_url, or use ChatMoonshotCached."
        )
    return url
