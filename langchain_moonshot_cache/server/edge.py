"""The outermost layer: ids and dates, the request log, and scripted faults."""

from __future__ import annotations

import secrets
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, Response

from .connection import ClientGoneError, cut, read_body, wait
from .faults import EDGE_KINDS, Fault
from .marks import implements
from .record import Exchange
from .refusals import RefusedError, refuse
from .rules import SERVER_CLOCK

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .world import World

__all__ = ["CONTROL_PREFIX", "EXCHANGE", "Edge"]

CONTROL_PREFIX = "/_stand_in/"
EXCHANGE = "stand_in.exchange"  # where a request's scope keeps its exchange

_KINDS = {
    401: "invalid_authentication_error",
    403: "permission_denied_error",
    404: "resource_not_found_error",
    429: "rate_limit_reached_error",
}
SERVER_ERROR = 500
_HTML = "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"


class Edge:
    """Wraps the application; what it does holds for every route."""

    def __init__(self, app: ASGIApp, *, world: World) -> None:
        self._app = app
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the start and stop of the server."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = self._exchange(scope)
        scope[EXCHANGE] = exchange
        stamped = self._stamped(send, exchange)
        try:
            await self._serve(exchange, scope, receive, stamped)
        except ClientGoneError:
            return
        except RefusedError as refusal:
            await refuse(refusal)(scope, receive, stamped)
        finally:
            exchange.raw = b""

    def _exchange(self, scope: Scope) -> Exchange:
        headers = dict(Headers(scope=scope).items())
        headers.pop("authorization", None)
        return Exchange(
            request_id=secrets.token_hex(12),
            at=self._world.clock.now(),
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
        )

    async def _serve(
        self, exchange: Exchange, scope: Scope, receive: Receive, send: Send
    ) -> None:
        limit = self._world.settings.max_body_bytes
        exchange.raw = await read_body(receive, limit=limit)
        exchange.size = len(exchange.raw)
        fault = None
        if not exchange.path.startswith(CONTROL_PREFIX):
            self._world.log.add(exchange)
            fault = self._world.faults.take(
                EDGE_KINDS, method=exchange.method, path=exchange.path
            )
        if fault is None:
            await self._app(scope, receive, send)
            return
        await wait(fault.seconds, receive)
        await self._strike(fault, scope, receive, send)

    @implements(SERVER_CLOCK)
    def _stamped(self, send: Send, exchange: Exchange) -> Send:
        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = formatdate(self._world.clock.now(), usegmt=True)
                exchange.status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"date", date.encode()),
                    (b"msh-request-id", exchange.request_id.encode()),
                ]
            await send(message)

        return stamped

    async def _strike(
        self, fault: Fault, scope: Scope, receive: Receive, send: Send
    ) -> None:
        match fault.kind:
            case "status" | "html":
                await _made_up(fault)(scope, receive, send)
            case "cut":
                await cut(scope, receive)
            case "reply_lost":
                await self._carried_out(scope, receive)
                await cut(scope, receive)
            case "cut_body":
                start, body = await self._carried_out(scope, receive)
                await send(start)
                half = body[: len(body) // 2]
                await send(
                    {"type": "http.response.body", "body": half, "more_body": True}
                )
                await cut(scope, receive)
            case "malformed":
                start, body = await self._carried_out(scope, receive)
                await _garbled(fault, start, body)(scope, receive, send)
            case _:  # delay: the waiting was all
                await self._app(scope, receive, send)

    async def _carried_out(
        self, scope: Scope, receive: Receive
    ) -> tuple[Message, bytes]:
        """Let the request take effect and keep its answer back."""
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, keep)
        return messages[0], b"".join(m.get("body", b"") for m in messages[1:])


def _made_up(fault: Fault) -> Response:
    if fault.kind == "html":
        status = fault.status or 502
        page = fault.body or _HTML.format(f"{status} Bad Gateway")
        return HTMLResponse(page, status_code=status, headers=fault.headers)
    status = fault.error_status(SERVER_ERROR)
    if isinstance(fault.body, str):
        return Response(fault.body, status_code=status, headers=fault.headers)
    default = "server_error" if status >= SERVER_ERROR else "invalid_request_error"
    kind = _KINDS.get(status, default)
    body: Any = fault.body or fault.error_body(kind)
    return JSONResponse(body, status_code=status, headers=fault.headers)


def _garbled(fault: Fault, start: Message, body: bytes) -> Response:
    """Return an answer with sound headers whose body is not what it should be."""
    if isinstance(fault.body, str):
        content = fault.body.encode()
    elif fault.body is not None:
        content = bytes(JSONResponse(fault.body).body)
    else:
        content = body[: len(body) // 2]
    return Response(
        content,
        status_code=fault.status or start["status"],
        headers=fault.headers,
        media_type="application/json",
    )
