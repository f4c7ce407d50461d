"""What answers each route, apart from chat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from .faults import BUILD_KINDS
from .marks import implements
from .messages import check_cached, check_conversation
from .models import served
from .multipart import fields_of
from .paging import read_page
from .parameters import CACHE_LIST, TAG_LIST
from .refusals import bad_request
from .rendering import count_prompt
from .rules import BUILD_ERROR, FILE_UPLOAD, SERVER_CLOCK, TAGS, TOKEN_COUNT

if TYPE_CHECKING:
    from starlette.responses import Response

    from .calls import Call

__all__ = [
    "bill",
    "create_cache",
    "create_tag",
    "delete_cache",
    "delete_file",
    "delete_tag",
    "estimate_tokens",
    "get_balance",
    "get_cache",
    "get_file",
    "get_file_content",
    "get_model",
    "get_tag",
    "get_tag_content",
    "list_caches",
    "list_files",
    "list_models",
    "list_tags",
    "update_cache",
    "upload_file",
]


def _list(data: list[dict[str, Any]]) -> Response:
    return JSONResponse({"object": "list", "data": data})


@implements(BUILD_ERROR, TAGS)
async def create_cache(call: Call) -> Response:
    """Answer ``POST /v1/caching``."""
    body = call.body("CacheCreate")
    check_cached(body)
    world, exchange = call.world, call.exchange
    fault = world.faults.take(BUILD_KINDS, method=exchange.method, path=exchange.path)
    failure = None
    if fault is not None:
        failure = str(fault.body or "The cache could not be built.")
    cache = world.caches.create(
        body, account=call.account, settings=world.settings, failure=failure
    )
    for tag in body.get("tags") or ():
        world.tags.bind(tag, cache_id=cache.id, account=call.account)
    return JSONResponse(cache.wire())


async def list_caches(call: Call) -> Response:
    """Answer ``GET /v1/caching``."""
    page = read_page(call.request, CACHE_LIST)
    found = call.world.caches.page(page, account=call.account)
    return _list([cache.wire() for cache in found])


async def get_cache(call: Call) -> Response:
    """Answer ``GET /v1/caching/{cache_id}``."""
    cache = call.world.caches.get(call.path("cache_id"), account=call.account)
    return JSONResponse(cache.wire())


async def update_cache(call: Call) -> Response:
    """Answer ``PUT /v1/caching/{cache_id}``."""
    body = call.body("CacheUpdate")
    world = call.world
    cache = world.caches.update(
        call.path("cache_id"), body, account=call.account, settings=world.settings
    )
    return JSONResponse(cache.wire())


async def delete_cache(call: Call) -> Response:
    """Answer ``DELETE /v1/caching/{cache_id}``."""
    cache_id = call.path("cache_id")
    call.world.caches.delete(cache_id, account=call.account)
    return JSONResponse(
        {"deleted": True, "id": cache_id, "object": "context_cache_object.deleted"}
    )


async def create_tag(call: Call) -> Response:
    """Answer ``POST /v1/caching/refs/tags``."""
    body = call.body("TagCreate")
    cache_id = body["cache_id"]
    tag = call.world.tags.bind(body["tag"], cache_id=cache_id, account=call.account)
    return JSONResponse(tag)


async def list_tags(call: Call) -> Response:
    """Answer ``GET /v1/caching/refs/tags``."""
    page = read_page(call.request, TAG_LIST)
    return _list(call.world.tags.page(page, account=call.account))


async def get_tag(call: Call) -> Response:
    """Answer ``GET /v1/caching/refs/tags/{tag}``."""
    return JSONResponse(call.world.tags.get(call.path("tag"), account=call.account))


async def get_tag_content(call: Call) -> Response:
    """Answer ``GET /v1/caching/refs/tags/{tag}/content``."""
    cache = call.world.tags.content(call.path("tag"), account=call.account)
    return JSONResponse(cache.wire())


async def delete_tag(call: Call) -> Response:
    """Answer ``DELETE /v1/caching/refs/tags/{tag}``."""
    return JSONResponse(call.world.tags.delete(call.path("tag"), account=call.account))


@implements(FILE_UPLOAD)
async def upload_file(call: Call) -> Response:
    """Answer ``POST /v1/files``."""
    sent = call.request.headers.get("content-type", "")
    form = fields_of(call.exchange.raw, content_type=sent)
    file, purpose = form.get("file"), form.get("purpose")
    if file is None:
        raise bad_request("The form has no file.")
    if purpose is None or purpose.data != b"file-extract":
        raise bad_request("The purpose must be 'file-extract'.")
    name = file.filename or ""
    return JSONResponse(
        call.world.files.add(file.data, name=name, account=call.account)
    )


async def list_files(call: Call) -> Response:
    """Answer ``GET /v1/files``."""
    return _list(call.world.files.all(account=call.account))


async def get_file(call: Call) -> Response:
    """Answer ``GET /v1/files/{file_id}``."""
    return JSONResponse(
        call.world.files.get(call.path("file_id"), account=call.account)
    )


async def get_file_content(call: Call) -> Response:
    """Answer ``GET /v1/files/{file_id}/content``."""
    return JSONResponse(
        call.world.files.content(call.path("file_id"), account=call.account)
    )


async def delete_file(call: Call) -> Response:
    """Answer ``DELETE /v1/files/{file_id}``."""
    return JSONResponse(
        call.world.files.delete(call.path("file_id"), account=call.account)
    )


@implements(SERVER_CLOCK)
async def list_models(call: Call) -> Response:
    """Answer ``GET /v1/models``."""
    names = served(
        now=call.world.clock.now(), retire=call.world.settings.retired_models
    )
    return _list([_model(call, name) for name in names])


async def get_model(call: Call) -> Response:
    """Answer ``GET /v1/models/{model}``."""
    name = call.path("model")
    call.check_model(name)
    return JSONResponse(_model(call, name))


def _model(call: Call, name: str) -> dict[str, Any]:
    created = call.world.clock.seconds()
    return {"id": name, "object": "model", "created": created, "owned_by": "moonshot"}


@implements(TOKEN_COUNT)
async def estimate_tokens(call: Call) -> Response:
    """Answer ``POST /v1/tokenizers/estimate-token-count``."""
    body = call.body("TokenEstimateRequest")
    call.check_model(body["model"])
    check_conversation(body["messages"])
    total = count_prompt(body["messages"], body.get("tools"))
    return JSONResponse(
        {"code": 0, "data": {"total_tokens": total}, "scode": "0x0", "status": True}
    )


async def get_balance(call: Call) -> Response:
    """Answer ``GET /v1/users/me/balance``."""
    return JSONResponse(call.world.billing.balance(call.account))


async def bill(call: Call) -> Response:
    """Answer ``GET /_stand_in/bill``."""
    return JSONResponse(call.world.billing.bill(call.account))
