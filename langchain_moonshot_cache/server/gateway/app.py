"""The gateway's application: every route, and what holds for all of them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.routing import Route

from langchain_moonshot_cache.server.backend import EngineError
from langchain_moonshot_cache.server.gateway import caching, operating, tagging
from langchain_moonshot_cache.server.gateway.access import AccessLog
from langchain_moonshot_cache.server.gateway.chat import chat
from langchain_moonshot_cache.server.gateway.edge import GatewayEdge
from langchain_moonshot_cache.server.gateway.visit import VISIT
from langchain_moonshot_cache.server.gateway.world import GatewayWorld
from langchain_moonshot_cache.server.refusals import (
    RefusedError,
    refuse,
    unknown_route,
    usual_refusals,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from io import RawIOBase

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from langchain_moonshot_cache.server.backend import Engine
    from langchain_moonshot_cache.server.gateway.settings import GatewaySettings
    from langchain_moonshot_cache.server.gateway.visit import Visit

    Handler = Callable[[Request], Awaitable[ASGIApp]]

__all__ = ["create_gateway"]

ROUTES: Final[dict[str, dict[str, Handler]]] = {
    "/v1/caching": {"POST": caching.create_cache, "GET": caching.list_caches},
    # Before the caches: "refs" would else be taken for an id.
    "/v1/caching/refs/tags": {"POST": tagging.create_tag, "GET": tagging.list_tags},
    "/v1/caching/refs/tags/{tag}": {
        "GET": tagging.get_tag,
        "DELETE": tagging.delete_tag,
    },
    "/v1/caching/refs/tags/{tag}/content": {"GET": tagging.get_tag_content},
    "/v1/caching/{cache_id}": {
        "GET": caching.get_cache,
        "PUT": caching.update_cache,
        "DELETE": caching.delete_cache,
    },
    "/v1/chat/completions": {"POST": chat},
    "/v1/models": {"GET": operating.list_models},
    "/v1/models/{model:path}": {"GET": operating.get_model},
    "/gateway/statement": {"GET": operating.statement},
    "/healthz": {"GET": operating.healthz},
    "/metrics": {"GET": operating.metrics},
}


def create_gateway(
    settings: GatewaySettings, *, engine: Engine, access_log: RawIOBase | None = None
) -> Starlette:
    """Make the application that serves the caching API and chat before an engine.

    Args:
        settings: How it behaves.
        engine: What answers; it is closed when the application ends.
        access_log: Where to write a line for each request, unbuffered; None writes
            none.

    Raises:
        StoreError: If the state's URL is of no known kind. That it cannot be used is
            found when the application starts.
    """
    world = GatewayWorld.make(settings, engine=engine)
    log = AccessLog(access_log, metrics=world.metrics)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await world.open()
        log.start()
        yield
        await world.close()
        await asyncio.to_thread(log.stop)

    app = Starlette(
        routes=[_route(path, by_method) for path, by_method in ROUTES.items()],
        lifespan=lifespan,
        exception_handlers={
            **usual_refusals("The gateway"),
            RefusedError: _refused,
            404: _unknown,
            **dict.fromkeys(world.state.errors, _without_state),
        },
    )
    app.router.redirect_slashes = False
    app.state.world = world
    app.add_middleware(GatewayEdge, world=world, log=log)
    return app


def _route(path: str, by_method: Mapping[str, Handler]) -> Route:
    async def endpoint(request: Request) -> ASGIApp:
        request.scope[VISIT].route = path
        method = "GET" if request.method == "HEAD" else request.method
        return await by_method[method](request)

    return Route(path, endpoint, methods=list(by_method))


async def _refused(request: Request, refusal: Exception) -> Response:
    if not isinstance(refusal, RefusedError):
        raise refusal
    visit: Visit = request.scope[VISIT]
    if isinstance(refusal, EngineError):
        visit.trouble = refusal.trouble
    return refuse(refusal)


async def _unknown(request: Request, _: Exception) -> Response:
    agent = request.headers.get("user-agent", "")
    path = request.url.path
    return unknown_route(method=request.method, path=path, agent=agent, status=404)


async def _without_state(request: Request, error: Exception) -> Response:
    visit: Visit = request.scope[VISIT]
    visit.world.metrics.state_failed(error)
    message = "The gateway's state cannot be reached."
    return refuse(RefusedError(503, "server_error", message))
