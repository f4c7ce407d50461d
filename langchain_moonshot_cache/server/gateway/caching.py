"""The caching API at the gateway: one function for each route."""

from __future__ import annotations

import asyncio
from random import SystemRandom
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse, Response

from langchain_moonshot_cache.server.backend import dumped
from langchain_moonshot_cache.server.gateway.rules import MAPPED
from langchain_moonshot_cache.server.gateway.state import Content, Record, Tag
from langchain_moonshot_cache.server.gateway.visit import VISIT
from langchain_moonshot_cache.server.life import (
    LONGEST_LIFE,
    end_of_life,
    new_cache_id,
)
from langchain_moonshot_cache.server.marks import implements
from langchain_moonshot_cache.server.messages import check_cached
from langchain_moonshot_cache.server.paging import read_page
from langchain_moonshot_cache.server.parameters import CACHE_LIST
from langchain_moonshot_cache.server.refusals import bad_request, not_found
from langchain_moonshot_cache.server.rendering import count_prompt
from langchain_moonshot_cache.server.rules import (
    ACCOUNT_TOKENS,
    ASYNC_CREATE,
    BUILD_ERROR,
    DELETE,
    LISTING,
    OBJECT_NAME,
    UPDATE,
    UPDATE_REVIVES,
)
from langchain_moonshot_cache.server.schemas import REQUESTS

if TYPE_CHECKING:
    from starlette.requests import Request

    from langchain_moonshot_cache.server.gateway.visit import Visit
    from langchain_moonshot_cache.server.gateway.world import GatewayWorld
    from langchain_moonshot_cache.server.refusals import RefusedError

__all__ = [
    "bind_tag",
    "create_cache",
    "delete_cache",
    "find_cache",
    "get_cache",
    "list_caches",
    "show_cache",
    "unknown_cursor",
    "update_cache",
]

Json = dict[str, Any]

_FIELDS: Final[Json] = REQUESTS["CacheCreate"]["properties"]
CREATE_SCHEMA: Final[Json] = {
    **REQUESTS["CacheCreate"],
    # Not the vendor's families: whatever the engine has.
    "properties": {**_FIELDS, "model": {"type": "string", "minLength": 1}},
}
_RANDOM: Final = SystemRandom()


@implements(ASYNC_CREATE, MAPPED)
async def create_cache(request: Request) -> Response:
    """Answer ``POST /v1/caching``."""
    visit: Visit = request.scope[VISIT]
    body = visit.json(request, CREATE_SCHEMA)
    visit.model = body["model"]
    check_cached(body)
    visit.check_served(model=body["model"], or_family=True)
    world = visit.world
    now = world.clock.seconds()
    end = end_of_life(body, now=now, longest=LONGEST_LIFE)
    record = Record(
        id=new_cache_id(_RANDOM),
        account=visit.account,
        model=body["model"],
        name=body.get("name") or "",
        description=body.get("description") or "",
        metadata=body.get("metadata"),
        created_at=now,
        expired_at=end,
        built="pending",
        failure=None,
        tokens=None,
        estimate=count_prompt(body["messages"], body.get("tools")),
        length=len(body["messages"]),
    )
    await _check_room(visit, record)
    return await _take_in(visit, record, body)


async def _take_in(visit: Visit, record: Record, body: Json) -> Response:
    world, tools = visit.world, body.get("tools")
    content = Content(
        dumped(body["messages"]), None if tools is None else dumped(tools)
    )
    await world.state.add(record, content)
    visit.cache_id = record.id
    for tag in body.get("tags") or ():
        await bind_tag(world, tag, cache_id=record.id, account=visit.account)
    world.builder.build(record)
    return _answer(shown(record, content, now=world.clock.now()))


async def bind_tag(
    world: GatewayWorld, tag: str, *, cache_id: str, account: str
) -> Tag:
    """Let a tag point at a cache that is there."""
    bound = Tag(tag, cache_id, world.clock.seconds())
    await world.state.bind(bound, account=account)
    return bound


@implements(ACCOUNT_TOKENS)
async def _check_room(visit: Visit, record: Record) -> None:
    world, limit = visit.world, visit.world.settings.account_token_limit
    used = await world.state.living_tokens(visit.account, now=world.clock.now())
    if used + record.estimate > limit:
        raise bad_request(
            f"The account's caches hold about {used} tokens; {record.estimate} more "
            f"would exceed its limit of {limit}. Delete some first."
        )


async def find_cache(visit: Visit, cache_id: str) -> Record:
    """Return a cache of who asks; a pending one is built, if nobody is at it.

    Raises:
        RefusedError: 404, when this account has no such cache.
    """
    world = visit.world
    record = await world.state.find(cache_id, account=visit.account)
    if record is None:
        raise not_found(f"There is no cache {cache_id[:80]!r}.")
    visit.cache_id = record.id
    if record.status(world.clock.now()) == "pending":
        world.builder.build(record)
    return record


async def show_cache(visit: Visit, record: Record) -> Response:
    """Return the answer that carries a cache."""
    content = await visit.world.state.content(record.id)
    if content is None:  # deleted in this moment
        raise not_found(f"There is no cache {record.id!r}.")
    return _answer(shown(record, content, now=visit.world.clock.now()))


@implements(OBJECT_NAME, BUILD_ERROR)
def shown(record: Record, content: Content, *, now: float) -> bytes:
    """Return the cache object of the API as JSON text."""
    head: Json = {
        "id": record.id,
        "object": "context_cache_object",
        "created_at": record.created_at,
        "model": record.model,
        "name": record.name,
        "description": record.description,
        "metadata": record.metadata,
        "expired_at": record.expired_at,
        "status": record.status(now),
        "tokens": record.tokens,
    }
    if record.failure is not None:
        head["error"] = {"type": "server_error", "message": record.failure}
    parts = dumped(head).removesuffix(b"}"), b',"messages":', content.messages
    return b"".join((*parts, b',"tools":', content.tools or b"null", b"}"))


def _answer(body: bytes) -> Response:
    return Response(body, media_type="application/json")


@implements(LISTING)
async def list_caches(request: Request) -> Response:
    """Answer ``GET /v1/caching``."""
    visit: Visit = request.scope[VISIT]
    page = read_page(request, CACHE_LIST)
    state, now = visit.world.state, visit.world.clock.now()
    try:
        records = await state.page(page, account=visit.account)
    except KeyError as error:
        raise unknown_cursor(error) from error
    contents = await asyncio.gather(*(state.content(r.id) for r in records))
    found = [
        shown(record, content, now=now)
        for record, content in zip(records, contents, strict=True)
        if content is not None
    ]
    return _answer(b'{"object":"list","data":[' + b",".join(found) + b"]}")


def unknown_cursor(error: KeyError) -> RefusedError:
    """Return the refusal of a cursor that is not this account's."""
    return not_found(f"There is no {str(error.args[0])[:80]!r} to continue from.")


async def get_cache(request: Request) -> Response:
    """Answer ``GET /v1/caching/{cache_id}``."""
    visit: Visit = request.scope[VISIT]
    return await show_cache(
        visit, await find_cache(visit, request.path_params["cache_id"])
    )


@implements(UPDATE, UPDATE_REVIVES)
async def update_cache(request: Request) -> Response:
    """Answer ``PUT /v1/caching/{cache_id}``."""
    visit: Visit = request.scope[VISIT]
    body = visit.json(request, REQUESTS["CacheUpdate"])
    world = visit.world
    record = await find_cache(visit, request.path_params["cache_id"])
    status = record.status(world.clock.now())
    if status == "error":
        raise bad_request("A cache whose creation failed cannot be updated.")
    values: Json = {"built": "pending"}
    if body.get("ttl") or body.get("expired_at") or status == "inactive":
        now = world.clock.seconds()
        values["expired_at"] = end_of_life(body, now=now, longest=LONGEST_LIFE)
    if "metadata" in body:
        values["metadata"] = body["metadata"]
    changed = await world.state.change(record.id, account=visit.account, values=values)
    if changed is None:
        raise not_found(f"There is no cache {record.id!r}.")
    world.builder.build(changed)
    return await show_cache(visit, changed)


@implements(DELETE)
async def delete_cache(request: Request) -> Response:
    """Answer ``DELETE /v1/caching/{cache_id}``."""
    visit: Visit = request.scope[VISIT]
    world, cache_id = visit.world, request.path_params["cache_id"]
    now = world.clock.seconds()
    if not await world.state.remove(cache_id, account=visit.account, now=now):
        raise not_found(f"There is no cache {cache_id[:80]!r}.")
    visit.cache_id = cache_id
    world.contents.drop(cache_id)
    world.builder.forget(cache_id)
    return JSONResponse(
        {"deleted": True, "id": cache_id, "object": "context_cache_object.deleted"}
    )
