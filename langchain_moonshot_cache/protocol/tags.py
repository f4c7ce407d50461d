"""Tags, the names of a user's own that point at caches, in both colours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from langchain_moonshot_cache.protocol.exchange import Flow

if TYPE_CHECKING:
    from langchain_moonshot_cache.protocol.models import CacheTag, ContextCache
    from langchain_moonshot_cache.protocol.operations import Operations

__all__ = ["AsyncTags", "Tags"]

# Drivers are generic in what the flow returns, which a Callable type cannot say.
_Run: TypeAlias = Callable[[Flow[Any], float | None], Any]
_AsyncRun: TypeAlias = Callable[[Flow[Any], float | None], Awaitable[Any]]


class Tags:
    """The tags of an account; comes from `MoonshotCachingClient.tags`.

    A tag has 1 to 128 characters: a letter, then letters, ``_``, ``-``, ``.``.
    Every method may raise any `MoonshotCacheError` that a request can end in.
    """

    def __init__(self, operations: Operations, run: _Run) -> None:
        self._operations = operations
        self._run = run

    def create(
        self,
        tag: str,
        *,
        cache_id: str,
        timeout: float | None = None,
        max_retries: int | None = None,
    ) -> CacheTag:
        """Bind a tag to a cache (``POST /v1/caching/refs/tags``).

        Args:
            tag: The tag; one that exists moves to the cache.
            cache_id: The cache.
            timeout: Seconds for each attempt.
            max_retries: Attempts after the first one.
        """
        flow = self._operations.create_tag(
            tag, cache_id=cache_id, max_retries=max_retries
        )
        bound: CacheTag = self._run(flow, timeout)
        return bound

    def get(
        self,
        tag: str,
        *,
        timeout: float | None = None,
        max_retries: int | None = None,
    ) -> CacheTag:
        """Fetch a tag (``GET /v1/caching/refs/tags/{tag}``).

        Args:
            tag: The tag.
            timeout: Seconds for each attempt.
            max_retries: Attempts after the first one.

        Raises:
            NotFoundError: This account has no such tag.
        """
        flow = self._operations.get_tag(tag, max_retries=max_retries)
        found: CacheTag = self._run(flow, timeout)
        return found

    def content(
        self,
        tag: str,
        *,
        timeout: float | None = None,
        max_retries: int | None = None,
    ) -> ContextCache:
        """Fetch the cache it points at (``GET .../refs/tags/{tag}/content``).

        Args:
            tag: The tag.
            timeout: Seconds for each attempt.
            max_retries: Attempts after the first one.

        Raises:
            NotFoundError: This account has no such tag, or its cache is gone.
        """
        flow = self._operations.tag_content(tag, max_retries=max_retries)
        cache: ContextCache = self._run(flow, timeout)
        return cache

    def list(
        self,
        *,
        limit: int = 20,
        order: str = "desc",
        after: str | None = None,
        before: str | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
    ) -> Iterator[CacheTag]:
        """Go through all tags (``GET /v1/caching/refs/tags``), page by page.

        Args:
            limit: Tags a page, not in all.
            order: ``desc`` (newest first) or ``asc``.
            after: Begin after this tag.
            before: End before this tag.
            timeout: Seconds for each attempt at each page.
            max_retries: Attempts after the first one, for each page.
        """
        pages = self._operations.tags(
            limit=limit,
            order=order,
            after=after,
            before=before,
            max_retries=max_retries,
        )
        while (flow := pages.next()) is not None:
            yield from pages.take(self._run(flow, timeout))

    def delete(
        self,
        tag: str,
        *,
        timeout: float | None = None,
        max_retries: int | None = None,
    ) -> bool:
        """Delete a tag (``DELETE /v1/caching/refs/tags/{tag}``), not its cache.

        Args:
            tag: The tag.
            timeout: Seconds for each attempt.
            max_retries: Attempts after the first one.

        Returns:
            True; the documented server says yes to a tag that never was, too. False
            only from a server that answers 404.
        """
        flow = self._operations.delete_tag(tag, max_retries=max_retries)
        deleted: bool = self._run(flow, timeout)
        return deleted


class AsyncTags:
    """The tags of an account; comes from `AsyncMoonshotCachingClient.tags`.

    The methods are those of `Tags`, to be awaited; ``list`` is to be iterated.
    """

    def __init__(self, operations: Operations, run: _AsyncRun) -> None:
        self._operations = operations
        self._run = run

    async def create(
        self,
        tag: str,
        *,
        cache_id: str,
        timeout: float | None = None,  # noqa: ASYNC109  # seconds for one attempt
        max_retries: int | None = None,
    ) -> CacheTag:
        """Bind a tag to a cache; see `Tags.create`."""
        flow = self._operations.create_tag(
            tag, cache_id=cache_id, max_retries=max_retries
        )
        bound: CacheTag = await self._run(flow, timeout)
        return bound

    async def get(
        self,
        tag: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109  # seconds for one attempt
        max_retries: int | None = None,
    ) -> CacheTag:
        """Fetch a tag; see `Tags.get`."""
        flow = self._operations.get_tag(tag, max_retries=max_retries)
        found: CacheTag = await self._run(flow, timeout)
        return found

    async def content(
        self,
        tag: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109  # seconds for one attempt
        max_retries: int | None = None,
    ) -> ContextCache:
        """Fetch the cache it points at; see `Tags.content`."""
        flow = self._operations.tag_content(tag, max_retries=max_retries)
        cache: ContextCache = await self._run(flow, timeout)
        return cache

    async def list(
        self,
        *,
        limit: int = 20,
        order: str = "desc",
        after: str | None = None,
        before: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  # seconds for one attempt
        max_retries: int | None = None,
    ) -> AsyncIterator[CacheTag]:
        """Go through all tags; see `Tags.list`."""
        pages = self._operations.tags(
            limit=limit,
            order=order,
            after=after,
            before=before,
            max_retries=max_retries,
        )
        while (flow := pages.next()) is not None:
            for tag in pages.take(await self._run(flow, timeout)):
                yield tag

    async def delete(
        self,
        tag: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109  # seconds for one attempt
        max_retries: int | None = None,
    ) -> bool:
        """Delete a tag, not its cache; see `Tags.delete`."""
        flow = self._operations.delete_tag(tag, max_retries=max_retries)
        deleted: bool = await self._run(flow, timeout)
        return deleted
