"""From a reply to a model, or to an error of ours.

This is the one place that knows what a server's refusals look like. Recorded forms:
``{"error": {"message", "type", "code"?}}`` from the API itself, and
``{"code": 5, "error": "url.not_found", "message": ..., "scode": ...}``, where
``error`` is a string, from the gateway in front of it: that is what a retired
``/v1/caching`` answers, with 404 and on one host with 200.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from langchain_moonshot_cache.errors import MoonshotCacheError, ResponseFormatError
from langchain_moonshot_cache.protocol.headers import request_id
from langchain_moonshot_cache.protocol.refusals import refusal

if TYPE_CHECKING:
    from langchain_moonshot_cache.protocol.endpoint import Endpoint
    from langchain_moonshot_cache.protocol.exchange import Reply, Request

__all__ = ["MAX_REPLY_BYTES", "read"]

M = TypeVar("M", bound=BaseModel)

# A page of 20 caches, each echoing the 128k tokens one may hold, stays well below.
MAX_REPLY_BYTES = 64 * 1024 * 1024
_GZIP = 16 + zlib.MAX_WBITS  # zlib's way to ask for a gzip header
_NO_CONTENT = 204
_SUCCESS = range(200, 300)
_REDIRECT = range(300, 400)


@dataclass(frozen=True, slots=True)
class _UnreadableError(Exception):
    """Why a body is not JSON; never leaves this module."""

    why: str


def read(endpoint: Endpoint, request: Request, reply: Reply, model: type[M]) -> M:
    """Decode a reply.

    Args:
        endpoint: Where the reply came from, for advice and for what to withhold.
        request: What was asked.
        reply: What came.
        model: What it should be.

    Raises:
        APIStatusError: The server refused; the subclass says how.
        ResponseFormatError: The reply is not what the protocol promises.
    """
    outcome = _understood(endpoint, request, reply, model)
    if isinstance(outcome, MoonshotCacheError):
        # Here, where no variable holds the body: a server may quote key and prompt, and
        # some tools show the variables of a traceback.
        raise outcome
    return outcome


def _understood(
    endpoint: Endpoint, request: Request, reply: Reply, model: type[M]
) -> M | MoonshotCacheError:
    body: Any = None
    problem = ""
    try:
        body = _parse(reply)
    except _UnreadableError as unreadable:
        problem = unreadable.why
    refused = refusal(endpoint, request, reply, body)
    if refused is not None:
        return refused
    if reply.status not in _SUCCESS:
        return _unexpected(request, reply, _odd_status(reply))
    if problem:
        return _unexpected(request, reply, problem)
    return _validated(request, reply, body, model)


def _validated(
    request: Request, reply: Reply, body: Any, model: type[M]
) -> M | MoonshotCacheError:
    try:
        return model.model_validate(body)
    except ValidationError as error:
        found = error.errors(
            include_url=False, include_context=False, include_input=False
        )
    # Only field names that the models declare: keys below them are the server's data.
    places = sorted({f"{_field(item['loc'])} ({item['type']})" for item in found})
    return _unexpected(
        request, reply, f"it is no {model.__name__}: {', '.join(places[:5])}"
    )


def _field(location: tuple[int | str, ...]) -> str:
    """Name the field at fault, but no key inside a mapping of the user's."""
    names = [part for part in location if isinstance(part, str)]
    depth = 2 if names[:1] in (["data"], ["error"]) else 1
    return ".".join(names[:depth]) or "body"


def _parse(reply: Reply) -> Any:
    """Parse a body as JSON, or raise `_UnreadableError`."""
    body = _plain_body(reply)
    if len(body) > MAX_REPLY_BYTES:
        raise _UnreadableError(f"it is larger than {MAX_REPLY_BYTES} bytes")
    if reply.status == _NO_CONTENT or not body.strip():
        raise _UnreadableError("its body is empty")
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        why = "its body is no UTF-8"
    except RecursionError:
        why = "its JSON is nested too deeply"
    except ValueError:  # also numbers of thousands of digits
        html = body.lstrip()[:1] == b"<"
        why = "its body is HTML" if html else "its body is no JSON"
    raise _UnreadableError(why)


def _refuse_constant(_name: str) -> NoReturn:
    """NaN and Infinity are Python's, not JSON's."""
    raise ValueError


def _plain_body(reply: Reply) -> bytes:
    """Undo gzip, within the limit: a small body may unpack to any size."""
    encoding = reply.headers.get("content-encoding", "identity").strip().lower()
    if encoding in {"", "identity"}:
        return reply.body
    if encoding not in {"gzip", "x-gzip"}:
        raise _UnreadableError("it is compressed in a way that was not asked for")
    unpacker = zlib.decompressobj(_GZIP)
    try:
        body = unpacker.decompress(reply.body, MAX_REPLY_BYTES)
    except zlib.error:
        raise _UnreadableError("its gzip data is damaged") from None
    if unpacker.unconsumed_tail:
        raise _UnreadableError(f"it unpacks to more than {MAX_REPLY_BYTES} bytes")
    if not unpacker.eof:
        raise _UnreadableError("its gzip data is cut short")
    return body


def _odd_status(reply: Reply) -> str:
    if reply.status in _REDIRECT:
        return (
            f"it redirects to {_origin(reply.headers.get('location', ''))}, and a key "
            "is sent nowhere but to base_url: correct base_url if that is the server"
        )
    return "its status is none that the API uses, and the body is no error of the API"


def _origin(location: str) -> str:
    """Scheme and host of a redirect; the rest of it may carry secrets."""
    try:
        parts = urlsplit(location)
        host = parts.hostname
    except ValueError:
        return "a malformed address"
    return f"{parts.scheme}://{host}" if host else "another path of the same host"


def _unexpected(request: Request, reply: Reply, why: str) -> ResponseFormatError:
    return ResponseFormatError(
        f"The reply to {request.method} {request.path} is not what the caching API "
        f"promises: {why} (status {reply.status}, {len(reply.body)} bytes). Check that "
        "base_url is an API root such as https://host/v1, and no proxy answers for it.",
        status_code=reply.status,
        request_id=request_id(reply.headers),
        cache_id=request.cache_id,
    )
