"""The gateway's outermost layer: keys, limits, ids, the access log, the last word."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers

from langchain_moonshot_cache.server.connection import ClientGoneError
from langchain_moonshot_cache.server.gateway.visit import VISIT, Visit
from langchain_moonshot_cache.server.refusals import RefusedError, refuse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from langchain_moonshot_cache.server.gateway.world import GatewayWorld

__all__ = ["OPEN_PATHS", "GatewayEdge"]

OPEN_PATHS: Final = frozenset({"/healthz", "/metrics"})
"""Asked by programs that have no key. They tell counts, and nothing of any account."""
LINGER: Final = 5.0
"""Seconds that a body which was refused is still taken from the wire, so that a client
that sends before it reads gets to read the answer."""


class GatewayEdge:
    """Wraps the application; what it does holds for every route."""

    def __init__(
        self, app: ASGIApp, *, world: GatewayWorld, log: Callable[[Visit], None]
    ) -> None:
        self._app = app
        self._world = world
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the start and stop of the server."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = Visit(
            world=self._world,
            request_id=secrets.token_hex(12),
            method=scope["method"],
            path=scope["path"],
        )
        scope[VISIT] = visit
        try:
            await self._serve(visit, scope, receive, _stamped(send, visit))
        finally:
            self._world.metrics.answered(visit.status)
            self._log(visit)

    async def _serve(
        self, visit: Visit, scope: Scope, receive: Receive, send: Send
    ) -> None:
        headers = Headers(scope=scope)
        try:
            if visit.path not in OPEN_PATHS:
                known = self._world.accounts
                visit.account = known.identify(headers.get("authorization"))
            visit.body = await self._body(headers, receive)
            await self._app(scope, receive, send)
        except ClientGoneError:
            visit.status = 0
        except (
            RefusedError
        ) as refusal:  # what the application raises, it answers itself
            await refuse(refusal)(scope, receive, _unfinished(send))
            await _let_it_finish(receive)
            await send({"type": "http.response.body", "body": b""})

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        """Read a body within the limits.

        Raises:
            ClientGoneError: When it breaks off.
            RefusedError: 413 or 408, as soon as it is known to be too long or too slow.
        """
        settings = self._world.settings
        limit = settings.max_body_bytes
        if _announced(headers) > limit:
            raise _too_large(limit)
        parts, size = [], 0
        try:
            async with asyncio.timeout(settings.body_seconds):
                async for part in _parts(receive):
                    size += len(part)
                    if size > limit:
                        raise _too_large(limit)
                    parts.append(part)
        except TimeoutError as error:
            message = f"The body took longer than {settings.body_seconds:g} seconds."
            raise RefusedError(408, "invalid_request_error", message) from error
        return b"".join(parts)


def _announced(headers: Headers) -> int:
    """Return how long a body says that it is; 0 if it does not say."""
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() else 0


def _too_large(limit: int) -> RefusedError:
    message = f"The body is too large; at most {limit} bytes fit."
    return RefusedError(413, "invalid_request_error", message)


async def _parts(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        yield message.get("body", b"")
        more = message.get("more_body", False)


async def _let_it_finish(receive: Receive) -> None:
    try:
        async with asyncio.timeout(LINGER):
            async for _ in _parts(receive):
                pass
    except (TimeoutError, ClientGoneError):
        return


def _unfinished(send: Send) -> Send:
    """Return a ``send`` that leaves the answer open, with all of its body sent."""

    async def unfinished(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "more_body": True}
        await send(message)

    return unfinished


def _stamped(send: Send, visit: Visit) -> Send:
    async def stamped(message: Message) -> None:
        if message["type"] == "http.response.start":
            visit.status = message["status"]
            stamp = (b"msh-request-id", visit.request_id.encode())
            message["headers"] = [*message.get("headers", ()), stamp]
        await send(message)

    return stamped
