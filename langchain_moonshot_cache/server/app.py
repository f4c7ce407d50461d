"""The application: every route, and what holds for all of them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from . import handlers
from .calls import Call
from .chat import chat
from .control import control_routes
from .edge import EXCHANGE, Edge
from .marks import implements
from .openapi import document
from .refusals import RefusedError, refuse, unknown_route, usual_refusals
from .rules import RETIRED, UNKNOWN_ROUTE
from .settings import Settings
from .world import World, make_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp

    Handler = Callable[[Call], Awaitable[ASGIApp]]

__all__ = ["ROUTES", "create_app"]

CACHING = "/v1/caching"

ROUTES: dict[str, dict[str, Handler]] = {
    CACHING: {"POST": handlers.create_cache, "GET": handlers.list_caches},
    # Before the caches: "refs" would else be taken for an id.
    "/v1/caching/refs/tags": {"POST": handlers.create_tag, "GET": handlers.list_tags},
    "/v1/caching/refs/tags/{tag}": {
        "GET": handlers.get_tag,
        "DELETE": handlers.delete_tag,
    },
    "/v1/caching/refs/tags/{tag}/content": {"GET": handlers.get_tag_content},
    "/v1/caching/{cache_id}": {
        "GET": handlers.get_cache,
        "PUT": handlers.update_cache,
        "DELETE": handlers.delete_cache,
    },
    "/v1/chat/completions": {"POST": chat},
    "/v1/files": {"POST": handlers.upload_file, "GET": handlers.list_files},
    "/v1/files/{file_id}": {
        "GET": handlers.get_file,
        "DELETE": handlers.delete_file,
    },
    "/v1/files/{file_id}/content": {"GET": handlers.get_file_content},
    "/v1/models": {"GET": handlers.list_models},
    "/v1/models/{model}": {"GET": handlers.get_model},
    "/v1/tokenizers/estimate-token-count": {"POST": handlers.estimate_tokens},
    "/v1/users/me/balance": {"GET": handlers.get_balance},
    "/_stand_in/bill": {"GET": handlers.bill},
}


def create_app(settings: Settings | None = None) -> Starlette:
    """Make the application, with a state of its own.

    Args:
        settings: How it behaves; the defaults if None.

    Raises:
        StoreError: If the data file is not one of this server's.
    """
    settings = settings or Settings()
    world = make_world(settings)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        world.store.close()

    routes = [_route(path, by_method, world) for path, by_method in ROUTES.items()]
    routes.append(Route("/openapi.json", _described, methods=["GET"]))
    if settings.control:
        routes += control_routes(world)
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={
            **usual_refusals("The stand-in"),
            RefusedError: _refused,
            404: _unknown,
        },
    )
    app.router.redirect_slashes = False
    app.state.world = world
    app.add_middleware(Edge, world=world)
    return app


def _route(path: str, by_method: Mapping[str, Handler], world: World) -> Route:
    async def endpoint(request: Request) -> ASGIApp:
        retired = _retired(request, world)
        if retired is not None:
            return retired
        exchange = request.scope[EXCHANGE]
        exchange.account = world.accounts.identify(request.headers.get("authorization"))
        call = Call(world, request, exchange, exchange.account)
        method = "GET" if request.method == "HEAD" else request.method
        return await by_method[method](call)

    return Route(path, endpoint, methods=list(by_method))


@implements(RETIRED)
def _retired(request: Request, world: World) -> Response | None:
    status = world.settings.retired
    if status is None or not request.url.path.startswith(CACHING):
        return None
    return _gone(request, status=status)


def _gone(request: Request, *, status: int) -> Response:
    return unknown_route(
        method=request.method,
        path=request.url.path,
        agent=request.headers.get("user-agent", ""),
        status=status,
    )


async def _described(_: Request) -> Response:
    return JSONResponse(document())


async def _refused(_: Request, refusal: Exception) -> Response:
    if not isinstance(refusal, RefusedError):
        raise refusal
    return refuse(refusal)


@implements(UNKNOWN_ROUTE)
async def _unknown(request: Request, _: Exception) -> Response:
    return _gone(request, status=404)
