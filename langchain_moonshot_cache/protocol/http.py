"""The only module that knows httpx: one exchange, in both colours.

Nothing of httpx comes out of here: a request ends in a `Reply` or in a `Failure`.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import threading
import time
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import httpx

from langchain_moonshot_cache.errors import ConfigurationError
from langchain_moonshot_cache.protocol.decode import MAX_REPLY_BYTES
from langchain_moonshot_cache.protocol.exchange import Failure, Reply, Request
from langchain_moonshot_cache.protocol.headers import request_id

if TYPE_CHECKING:
    import ssl
    from collections.abc import Generator, Mapping

    from langchain_moonshot_cache.protocol.endpoint import Endpoint

__all__ = ["AsyncHttpClient", "AsyncTransport", "HttpClient", "SyncTransport"]

HttpClient: TypeAlias = httpx.Client
AsyncHttpClient: TypeAlias = httpx.AsyncClient

logger = logging.getLogger("langchain_moonshot_cache")

# httpx raises these before a byte of the request left.
_NOTHING_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.InvalidURL,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
# All that httpx raises: InvalidURL and StreamError stand outside of HTTPError.
_TROUBLE = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError)


@functools.cache
def _tls() -> ssl.SSLContext:
    """The machine's trusted roots, read once.

    Reading them takes some 70 ms of CPU, which every client, and every event loop of
    an asynchronous one, would pay again.
    """
    return httpx.create_ssl_context()


class _Bearer(httpx.Auth):
    """Adds the key as late as possible, so that it stands in no local variable."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        key = self._endpoint.key
        request.headers["Authorization"] = f"Bearer {key.get_secret_value()}"
        yield request


class _TooSlowError(Exception):
    """The attempt as a whole took longer than it may."""


@dataclass(slots=True, kw_only=True)
class _Attempt:
    """One exchange under way: its clock, its limits, its body so far."""

    request: Request
    timeout: float
    started: float = field(default_factory=time.monotonic)
    body: bytearray = field(default_factory=bytearray, repr=False)
    received_at: float = 0.0

    def options(
        self, endpoint: Endpoint, default_headers: Mapping[str, str]
    ) -> dict[str, Any]:
        """The arguments of ``httpx.Client.stream``."""
        content_type = (
            {}
            if self.request.body is None
            else {"Content-Type": self.request.content_type}
        )
        return {
            "method": self.request.method,
            "url": endpoint.base_url + self.request.path,
            "params": self.request.params or None,
            "content": self.request.body,
            "headers": {
                "User-Agent": "langchain-moonshot-cache",
                "Accept": "application/json",
                **default_headers,
                **content_type,
                "Accept-Encoding": "gzip",  # what decode can unpack within a bound
            },
            "auth": _Bearer(endpoint),
            "timeout": self.timeout,
            "follow_redirects": False,  # the key goes to base_url and nowhere else
        }

    def wants_more(self, chunk: bytes) -> bool:
        """Keep a chunk, and say whether to read on.

        httpx's timeout is for each read: a server that sends a byte now and then
        never hits it, so the whole attempt is measured here. A body beyond all
        measure is left where it is, and decode refuses it by its size.
        """
        self.body += chunk
        if time.monotonic() - self.started > self.timeout:
            raise _TooSlowError
        return len(self.body) <= MAX_REPLY_BYTES

    def reply(self, response: httpx.Response) -> Reply:
        """What came."""
        headers = {name.lower(): value for name, value in response.headers.items()}
        seconds = time.monotonic() - self.started
        self._log(str(response.status_code), seconds, request_id(headers))
        return Reply(
            status=response.status_code,
            headers=headers,
            body=bytes(self.body),
            received_at=self.received_at,
            seconds=seconds,
        )

    def failure(self, error: Exception) -> Failure:
        """Why nothing came, without what httpx's texts may quote.

        That of a connection error names the trouble ("Connection refused"); that of a
        protocol error may hold bytes of the reply, so there the type has to do.
        """
        reason = type(error).__name__
        if isinstance(error, httpx.ConnectError):
            reason = f"{reason}: {error}"[:200]
        elif isinstance(error, TimeoutError | _TooSlowError):
            reason = f"no complete reply within {self.timeout:g} s"
        seconds = time.monotonic() - self.started
        self._log(reason, seconds, None)
        sent = not isinstance(error, _NOTHING_SENT)
        return Failure(reason=reason, sent=sent, seconds=seconds)

    def _log(self, outcome: str, seconds: float, request: str | None) -> None:
        """Method, path, outcome, time, id: never a body, a header or a parameter."""
        logger.debug(
            "%s %s -> %s in %.3f s, request id %s",
            self.request.method,
            self.request.path,
            outcome,
            seconds,
            request,
        )


class SyncTransport:
    """Exchanges for threads, over a client handed in or one of its own.

    Its own client is made at the first exchange, and anew in a forked child, where
    the parent's connections must not be touched.
    """

    def __init__(
        self,
        *,
        endpoint: Endpoint,
        default_headers: Mapping[str, str],
        http_client: HttpClient | None,
    ) -> None:
        self._endpoint = endpoint
        self._default_headers = default_headers
        self._given = http_client
        self._own: dict[int, httpx.Client] = {}
        self._lock = threading.Lock()
        self._closed = False

    def exchange(self, request: Request, timeout: float) -> Reply | Failure:
        """Send a request and read its reply within ``timeout`` seconds.

        Raises:
            ConfigurationError: The client is closed.
        """
        client = self._client()
        attempt = _Attempt(request=request, timeout=timeout)
        options = attempt.options(self._endpoint, self._default_headers)
        try:
            with client.stream(**options) as response:
                attempt.received_at = time.time()
                for chunk in response.iter_raw():
                    if not attempt.wants_more(chunk):
                        break
            return attempt.reply(response)
        except (*_TROUBLE, _TooSlowError) as error:
            return attempt.failure(error)

    def close(self) -> None:
        """Close the connections, unless the client was handed in."""
        self._closed = True
        with self._lock:
            own = self._own.pop(os.getpid(), None)
        if own is not None:
            own.close()

    def _client(self) -> httpx.Client:
        _refuse_closed(closed=self._closed, given=self._given)
        if self._given is not None:
            return self._given
        with self._lock:
            client = self._own.get(os.getpid())
            if client is None:
                client = self._own[os.getpid()] = httpx.Client(verify=_tls())
            return client


class AsyncTransport:
    """Exchanges for event loops, over a client handed in or its own.

    Connections belong to the loop that opened them, so it keeps one client for each
    loop: two calls of ``asyncio.run`` may share it.
    """

    def __init__(
        self,
        *,
        endpoint: Endpoint,
        default_headers: Mapping[str, str],
        http_client: AsyncHttpClient | None,
    ) -> None:
        self._endpoint = endpoint
        self._default_headers = default_headers
        self._given = http_client
        self._own: weakref.WeakKeyDictionary[
            asyncio.AbstractEventLoop, httpx.AsyncClient
        ] = weakref.WeakKeyDictionary()
        self._closed = False

    async def exchange(
        self,
        request: Request,
        timeout: float,  # noqa: ASYNC109  # the same call as in SyncTransport
    ) -> Reply | Failure:
        """Send a request and read its reply within ``timeout`` seconds.

        Raises:
            ConfigurationError: The client is closed.
        """
        client = self._client()
        attempt = _Attempt(request=request, timeout=timeout)
        options = attempt.options(self._endpoint, self._default_headers)
        try:
            async with asyncio.timeout(timeout), client.stream(**options) as response:
                attempt.received_at = time.time()
                async for chunk in response.aiter_raw():
                    if not attempt.wants_more(chunk):
                        break
            return attempt.reply(response)
        except (*_TROUBLE, TimeoutError, _TooSlowError) as error:
            return attempt.failure(error)

    async def aclose(self) -> None:
        """Close this loop's connections, unless the client was handed in."""
        self._closed = True
        own = self._own.pop(asyncio.get_running_loop(), None)
        if own is not None:
            await own.aclose()

    def _client(self) -> httpx.AsyncClient:
        _refuse_closed(closed=self._closed, given=self._given)
        if self._given is not None:
            return self._given
        loop = asyncio.get_running_loop()
        client = self._own.get(loop)
        if client is None:
            client = self._own[loop] = httpx.AsyncClient(verify=_tls())
        return client


def _refuse_closed(*, closed: bool, given: HttpClient | AsyncHttpClient | None) -> None:
    if closed or (given is not None and given.is_closed):
        raise ConfigurationError("This client is closed; make a new one.")
