"""The client for threads; its twin for event loops is in async_client."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from langchain_moonshot_cache.protocol.client_base import ClientBase
from langchain_moonshot_cache.protocol.exchange import Failure, Flow, Reply, Sleep
from langchain_moonshot_cache.protocol.http import HttpClient, SyncTransport
from langchain_moonshot_cache.protocol.tags import Tags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from decimal import Decimal
    from os import PathLike

    from pydantic import SecretStr

    from langchain_moonshot_cache.protocol.models import ContextCache

__all__ = ["MoonshotCachingClient"]

T = TypeVar("T")


class MoonshotCachingClient(ClientBase):
    """The named-caching API, and nothing else, for threads.

    Safe for use by many threads, and in a forked child. The key lives in memory only:
    it is in no ``repr``, error or log line, and the client refuses to be pickled.

    Every method takes two keywords besides its own: ``timeout``, in seconds for each
    attempt as a whole, and ``max_retries``; ``None`` means the client's own value.
    Connection errors, 429 (not about quota), 408 and 5xx are tried again, with
    growing, random pauses and never sooner than ``Retry-After`` says.

    Args:
        api_key: The key; default: ``MOONSHOT_API_KEY``.
        base_url: The API's root; default: ``MOONSHOT_API_BASE``, else
            ``https://api.moonshot.cn/v1``.
        timeout: Seconds that an attempt may take as a whole. A blocking read cannot be
            interrupted: a server that falls silent in the middle of a body is noticed
            after up to twice as long, and one that keeps dripping *headers* is bounded
            only by its silences. The client for event loops has neither exception.
        max_retries: Attempts after the first one.
        http_client: An ``httpx.Client`` to send with; stays open on ``close()``.
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
        http_client: HttpClient | None = None,
        default_headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(
            api_key=api_key,
            base_url=base_url,
            timeout=timeout,
            max_retries=max_retries,
            default_headers=default_headers,
        )
        self._transport = SyncTransport(
            endpoint=self._endpoint,
            default_headers=self._default_headers,
            http_client=http_client,
        )
        self._sleep: Callable[[float], None] = time.sleep

    def create(
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
        timeout: float | None = None,
        max_retries: int | None = None,
    ) -> ContextCache:
        """Create a cache (``POST /v1/caching``); it comes back ``pending``.

        A create whose outcome is unknown (lost reply, 5xx, unreadable success) is
        looked up before it is tried again, so it cannot be made twice by a retry. For
        this, every create carries a random id in its metadata, under
        ``create_id``; a value of the caller's own there is used instead and must be
        unique. With 16 pairs and no ``create_id`` there is no room for it: then an
        unknown outcome is raised rather than retried.

        Args:
            model: The model family, such as ``moonshot-v1``.
            messages: What to cache, in the wire's form.
            tools: Tool definitions to cache.
            name: At most 256 characters.
            description: At most 512 characters.
            metadata: At most 16 pairs; keys up to 64, values up to 512 characters.
            tags: Tags to bind to it.
            ttl: Seconds to live; 3600 when neither this nor ``expired_at`` is given.
            expired_at: Unix seconds by the server's clock; excludes ``ttl``.
            find_first: Look for a live cache of this model that carries all of
                ``metadata`` before creating one, and return that.
            timeout: Seconds for each attempt.
            max_retries: Attempts after the first one.

        Raises:
            InvalidPromptError: The messages or tools are not JSON objects.
            ConfigurationError: Another argument is out of its documented range.
            EndpointRetiredError: The server does not speak this API.
            APIStatusError: The server refused.
            ConnectionFailedError: No reply came, or the outcome is unknown.
            ResponseFormatError: The reply was unreadable, and no cache was found.
        """
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
        return self._run(flow, timeout)

    def get(
        self,
        cache_id: str,
        *,
        timeout: float | None = None,
        max_retries: int | None = None,
    ) -> ContextCache:
        """Fetch a cache (``GET /v1/caching/{id}``).

        Args:
            cache_id: Its id.
            timeout: Seconds for each attempt.
            max_retries: Attempts after the first one.

        Raises:
            NotFoundError: This account has no such cache.
            MoonshotCacheError: Any other trouble, see `create`.
        """
        return self._run(
            self._operations.get(cache_id, max_retries=max_retries), timeout
        )

    def list(
        self,
        *,
        metadata: Mapping[str, str] | None = None,
        limit: int = 20,
        order: str = "desc",
        after: str | None = None,
        before: str | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
    ) -> Iterator[ContextCache]:
        """Go through all caches of the account (``GET /v1/caching``), page by page.

        Pages are fetched as they are needed. The id of a page's last cache leads to
        the next page, so collect first what you want to delete while listing.

        Args:
            metadata: Only caches that carry all these pairs.
            limit: Caches a page, not in all.
            order: ``desc`` (newest first) or ``asc``.
            after: Begin after this cache id.
            before: End before this cache id.
            timeout: Seconds for each attempt at each page.
            max_retries: Attempts after the first one, for each page.

        Raises:
            MoonshotCacheError: When a page is fetched, see `create`.
        """
        pages = self._operations.caches(
            metadata=metadata,
            limit=limit,
            order=order,
            after=after,
            before=before,
            max_retries=max_retries,
        )
        while (flow := pages.next()) is not None:
            yield from pages.take(self._run(flow, timeout))

    def update(
        self,
        cache_id: str,
        *,
        metadata: Mapping[str, str] | None = None,
        ttl: int | None = None,
        expired_at: int | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
    ) -> ContextCache:
        """Change metadata or expiry (``PUT /v1/caching/{id}``); back to ``pending``.

        Args:
            cache_id: Its id.
            metadata: Takes the place of all earlier pairs.
            ttl: Seconds to live from now.
            expired_at: Unix seconds by the server's clock; excludes ``ttl``.
            timeout: Seconds for each attempt.
            max_retries: Attempts after the first one.

        Raises:
            NotFoundError: This account has no such cache.
            MoonshotCacheError: Any other trouble, see `create`.
        """
        flow = self._operations.update(
            cache_id,
            metadata=metadata,
            ttl=ttl,
            expired_at=expired_at,
            max_retries=max_retries,
        )
        return self._run(flow, timeout)

    def delete(
        self,
        cache_id: str,
        *,
        timeout: float | None = None,
        max_retries: int | None = None,
    ) -> bool:
        """Delete a cache (``DELETE /v1/caching/{id}``).

        Args:
            cache_id: Its id.
            timeout: Seconds for each attempt.
            max_retries: Attempts after the first one.

        Returns:
            True if it existed, False if there was none. After a lost reply a missing
            cache counts as deleted by the attempt whose reply was lost.

        Raises:
            MoonshotCacheError: The cache may still be there, see `create`.
        """
        return self._run(
            self._operations.delete(cache_id, max_retries=max_retries), timeout
        )

    def estimate_tokens(
        self,
        *,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
    ) -> int:
        """Count tokens (``POST /v1/tokenizers/estimate-token-count``).

        Args:
            model: A model, not a family.
            messages: What to count, in the wire's form.
            tools: Tool definitions to count with them.
            timeout: Seconds for each attempt.
            max_retries: Attempts after the first one.

        Raises:
            MoonshotCacheError: See `create`.
        """
        flow = self._operations.estimate_tokens(
            model=model, messages=messages, tools=tools, max_retries=max_retries
        )
        return self._run(flow, timeout).total_tokens

    def extract_file(
        self,
        path: str | PathLike[str],
        *,
        timeout: float | None = None,
        max_retries: int | None = None,
    ) -> str:
        """Have the text of a file extracted, such as a PDF (``POST /v1/files``).

        The file is uploaded, its text read, and the file deleted again; where that
        fails, the log says so. An upload whose outcome is unknown is not repeated. A
        file that was extracted before comes from this client's memory.

        Args:
            path: The file; the server tells its format from the name.
            timeout: Seconds for each attempt; large files may want more than usual.
            max_retries: Attempts after the first one.

        Returns:
            The text alone. :func:`langchain_moonshot_cache.documents.document_messages`
            takes this method as its ``extract``.

        Raises:
            OSError: The file cannot be read.
            MoonshotCacheError: See `create`.
        """
        file = Path(path)
        flow = self._operations.extract(
            file.name, file.read_bytes(), max_retries=max_retries
        )
        return self._run(flow, timeout)

    def models(
        self, *, timeout: float | None = None, max_retries: int | None = None
    ) -> tuple[str, ...]:
        """Name the models that the key may use (``GET /v1/models``).

        Args:
            timeout: Seconds for each attempt.
            max_retries: Attempts after the first one.

        Raises:
            MoonshotCacheError: See `create`.
        """
        flow = self._operations.models(max_retries=max_retries)
        return tuple(model.id for model in self._run(flow, timeout).data)

    def balance(
        self, *, timeout: float | None = None, max_retries: int | None = None
    ) -> Decimal:
        """Ask what is left on the account (``GET /v1/users/me/balance``).

        Args:
            timeout: Seconds for each attempt.
            max_retries: Attempts after the first one.

        Returns:
            The amount in the account's currency; it may be negative.

        Raises:
            MoonshotCacheError: See `create`.
        """
        flow = self._operations.balance(max_retries=max_retries)
        return self._run(flow, timeout).available

    @property
    def tags(self) -> Tags:
        """Names of the user's own that point at caches."""
        return Tags(self._operations, self._run)

    def close(self) -> None:
        """Close the connections; a client that was handed in stays open."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    def _run(self, flow: Flow[T], timeout: float | None) -> T:
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
                    self._sleep(step.seconds)
                    outcome = None
                else:
                    outcome = self._transport.exchange(step, seconds)
                    self._learn_time(outcome)
