"""Tags at the gateway: names that an account gives to its caches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from langchain_moonshot_cache.server.gateway.caching import (
    bind_tag,
    find_cache,
    show_cache,
    unknown_cursor,
)
from langchain_moonshot_cache.server.gateway.visit import VISIT
from langchain_moonshot_cache.server.marks import implements
from langchain_moonshot_cache.server.paging import read_page
from langchain_moonshot_cache.server.parameters import TAG_LIST
from langchain_moonshot_cache.server.refusals import not_found
from langchain_moonshot_cache.server.rules import TAG_DANGLES, TAG_DELETE, TAG_MOVES
from langchain_moonshot_cache.server.schemas import REQUESTS
from langchain_moonshot_cache.server.tags import check_tag

if TYPE_CHECKING:
    from starlette.requests import Request

    from langchain_moonshot_cache.server.gateway.state import Tag
    from langchain_moonshot_cache.server.gateway.visit import Visit

__all__ = ["create_tag", "delete_tag", "get_tag", "get_tag_content", "list_tags"]

Json = dict[str, Any]


@implements(TAG_MOVES)
async def create_tag(request: Request) -> Response:
    """Answer ``POST /v1/caching/refs/tags``."""
    visit: Visit = request.scope[VISIT]
    body = visit.json(request, REQUESTS["TagCreate"])
    record = await find_cache(visit, body["cache_id"])
    account = visit.account
    tag = await bind_tag(visit.world, body["tag"], cache_id=record.id, account=account)
    return JSONResponse(_shown(tag, visit))


async def list_tags(request: Request) -> Response:
    """Answer ``GET /v1/caching/refs/tags``."""
    visit: Visit = request.scope[VISIT]
    page = read_page(request, TAG_LIST)
    try:
        found = await visit.world.state.tags(page, account=visit.account)
    except KeyError as error:
        raise unknown_cursor(error) from error
    data = [_shown(tag, visit) for tag in found]
    return JSONResponse({"object": "list", "data": data})


async def get_tag(request: Request) -> Response:
    """Answer ``GET /v1/caching/refs/tags/{tag}``."""
    visit: Visit = request.scope[VISIT]
    return JSONResponse(_shown(await _find(visit, request), visit))


@implements(TAG_DANGLES)
async def get_tag_content(request: Request) -> Response:
    """Answer ``GET /v1/caching/refs/tags/{tag}/content``."""
    visit: Visit = request.scope[VISIT]
    tag = await _find(visit, request)
    return await show_cache(visit, await find_cache(visit, tag.cache_id))


@implements(TAG_DELETE)
async def delete_tag(request: Request) -> Response:
    """Answer ``DELETE /v1/caching/refs/tags/{tag}``."""
    visit: Visit = request.scope[VISIT]
    tag = request.path_params["tag"]
    check_tag(tag)
    await visit.world.state.unbind(tag, account=visit.account)
    return JSONResponse(
        {"deleted": True, "object": "cache_object.tag.deleted", "tag": tag}
    )


async def _find(visit: Visit, request: Request) -> Tag:
    name = request.path_params["tag"]
    check_tag(name)
    tag = await visit.world.state.tag(name, account=visit.account)
    if tag is None:
        raise not_found(f"There is no tag {name!r}.")
    return tag


def _shown(tag: Tag, visit: Visit) -> Json:
    return {
        "cache_id": tag.cache_id,
        "created_at": tag.created_at,
        "object": "cache_object.tag",
        "owned_by": visit.account,
        "tag": tag.tag,
    }
