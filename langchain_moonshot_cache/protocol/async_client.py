"""The client for event loops; its twin for threads is in client."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from langchain_moonshot_cache.protocol.client_base import ClientBase
from langchain_moonshot_cache.protocol.exchange import Failure, Flow, Reply, Sleep
from langchain_moonshot_cache.protocol.http import AsyncHttpClient, AsyncTransport
from langchain_moonshot_cache.protocol.tags import AsyncTags

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from decimal import Decimal
    from os import PathLike

    from pydantic import SecretStr

    from langchain_moonshot_cache.protocol.models import ContextCache

__all__ = ["AsyncMoonshotCachingClient"]

T = TypeVar("T")


class AsyncMoonshotCachingClient(ClientBase):
    """The named-caching API, and nothing else, for event loops.

    The methods, their arguments and what they raise are those of
    `MoonshotCachingClient`, to be awaited; ``list`` is to be iterated with
    ``async for``. A call that is cancelled leaves nothing half-done in the client.
    It may be used in one event loop after another; close it in the last one.

    Args:
        api_key: The key; default: ``MOONSHOT_API_KEY``.
        base_url: The API's root; default: ``MOONSHOT_API_BASE``, else
            ``https://api.moonshot.cn/v1``.
        timeout: Seconds that an attempt may take as a whole.
        max_retries: Attempts after the first one.
        http_client: An ``httpx.AsyncClient`` to send with; stays open on ``aclose()``.
        default_headers: Sent with every request. They cannot replace the key.

    Raises:
        ConfigurationError: No key, a key or URL that cannot be one.
    """

    def __init__(
        self,
        *,
        api_key: str | SecretStr | None = None,
        base_url: str | None = None,
        timeout: float = 30.0,
        max_retries: int = 2,
        http_client: AsyncHttpClient | None = None,
        default_headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(
            api_key=api_key,
            base_url=base_url,
            timeout=timeout,
            max_retries=max_retries,
            default_headers=default_headers,
        )
        self._transport = AsyncTransport(
            endpoint=self._endpoint,
            default_headers=self._default_headers,
            http_client=http_client,
        )
        self._sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def create(
        self,
        *,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] | None = None,
        name: str | None = None,
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
        tags: Sequence[str] | None = None,
        ttl: int | None = None,
        expired_at: int | None = None,
        find_first: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109  # seconds for one attempt
        max_retries: int | None = None,
    ) -> ContextCache:
        """Create a cache, never blindly twice; see `MoonshotCachingClient.create`."""
        flow = self._operations.create(
            model=model,
            messages=messages,
            tools=tools,
            name=name,
            description=description,
            metadata=metadata,
            tags=tags if tags is None else [*tags],
            ttl=ttl,
            expired_at=expired_at,
            find_first=find_first,
            max_retries=max_retries,
        )
        return await self._run(flow, timeout)

    async def get(
        self,
        cache_id: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109  # seconds for one attempt
        max_retries: int | None = None,
    ) -> ContextCache:
        """Fetch a cache; see `MoonshotCachingClient.get`."""
        return await self._run(
            self._operations.get(cache_id, max_retries=max_retries), timeout
        )

    async def list(
        self,
        *,
        metadata: Mapping[str, str] | None = None,
        limit: int = 20,
        order: str = "desc",
        after: str | None = None,
        before: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  # seconds for one attempt
        max_retries: int | None = None,
    ) -> AsyncIterator[ContextCache]:
        """Go through all caches; see `MoonshotCachingClient.list`."""
        pages = self._operations.caches(
            metadata=metadata,
            limit=limit,
            order=order,
            after=after,
            before=before,
            max_retries=max_retries,
        )
        while (flow := pages.next()) is not None:
            for cache in pages.take(await self._run(flow, timeout)):
                yield cache

    async def update(
        self,
        cache_id: str,
        *,
        metadata: Mapping[str, str] | None = None,
        ttl: int | None = None,
        expired_at: int | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  # seconds for one attempt
        max_retries: int | None = None,
    ) -> ContextCache:
        """Change metadata or expiry; see `MoonshotCachingClient.update`."""
        flow = self._operations.update(
            cache_id,
            metadata=metadata,
            ttl=ttl,
            expired_at=expired_at,
            max_retries=max_retries,
        )
        return await self._run(flow, timeout)

    async def delete(
        self,
        cache_id: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109  # seconds for one attempt
        max_retries: int | None = None,
    ) -> bool:
        """Delete a cache; see `MoonshotCachingClient.delete`."""
        return await self._run(
            self._operations.delete(cache_id, max_retries=max_retries), timeout
        )

    async def estimate_tokens(
        self,
        *,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  # seconds for one attempt
        max_retries: int | None = None,
    ) -> int:
        """Count tokens; see `MoonshotCachingClient.estimate_tokens`."""
        flow = self._operations.estimate_tokens(
            model=model, messages=messages, tools=tools, max_retries=max_retries
        )
        return (await self._run(flow, timeout)).total_tokens

    async def extract_file(
        self,
        path: str | PathLike[str],
        *,
        timeout: float | None = None,  # noqa: ASYNC109  # seconds for one attempt
        max_retries: int | None = None,
    ) -> str:
        """Extract a file's text; see `MoonshotCachingClient.extract_file`."""
        file = Path(path)
        data = await asyncio.to_thread(file.read_bytes)
        flow = self._operations.extract(file.name, data, max_retries=max_retries)
        return await self._run(flow, timeout)

    async def models(
        self,
        *,
        timeout: float | None = None,  # noqa: ASYNC109  # seconds for one attempt
        max_retries: int | None = None,
    ) -> tuple[str, ...]:
        """Name the models that the key may use; see `MoonshotCachingClient.models`."""
        flow = self._operations.models(max_retries=max_retries)
        return tuple(model.id for model in (await self._run(flow, timeout)).data)

    async def balance(
        self,
        *,
        timeout: float | None = None,  # noqa: ASYNC109  # seconds for one attempt
        max_retries: int | None = None,
    ) -> Decimal:
        """Ask what is left; see `MoonshotCachingClient.balance`."""
        flow = self._operations.balance(max_retries=max_retries)
        return (await self._run(flow, timeout)).available

    @property
    def tags(self) -> AsyncTags:
        """Names of the user's own that point at caches."""
        return AsyncTags(self._operations, self._run)

    async def aclose(self) -> None:
        """Close the connections; a client that was handed in stays open."""
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        await self.aclose()

    async def _run(
        self,
        flow: Flow[T],
        timeout: float | None,  # noqa: ASYNC109  # seconds for one attempt
    ) -> T:
        """Drive a flow: send what it asks for, sleep when it says so."""
        seconds = self._seconds(timeout)
        outcome: Reply | Failure | None = None
        with closing(flow):
            while True:
                try:
                    step = flow.send(outcome)
                except StopIteration as done:
                    return done.value  # type: ignore[no-any-return]  # Flow[T] returns T
                if isinstance(step, Sleep):
                    await self._sleep(step.seconds)
                    outcome = None
                else:
                    outcome = await self._transport.exchange(step, seconds)
                    self._learn_time(outcome)
