"""What operators and their programs ask a gateway: models, use, health, metrics."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import JSONResponse, Response

from langchain_moonshot_cache.server.gateway.visit import VISIT
from langchain_moonshot_cache.server.refusals import not_found

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.requests import Request

    from langchain_moonshot_cache.server.gateway.visit import Visit

__all__ = ["get_model", "healthz", "list_models", "metrics", "statement"]

Json = dict[str, Any]

HEALTHY_WITHIN: Final = 2.0
"""Seconds: load balancers give up after about as many."""
SICK: Final = 503


async def list_models(request: Request) -> Response:
    """Answer ``GET /v1/models``."""
    visit: Visit = request.scope[VISIT]
    names = await _names(visit)
    return JSONResponse({"object": "list", "data": [_model(visit, n) for n in names]})


async def get_model(request: Request) -> Response:
    """Answer ``GET /v1/models/{model}``."""
    visit: Visit = request.scope[VISIT]
    name = request.path_params["model"]
    if name not in await _names(visit):
        raise not_found(f"Not found the model {name[:80]} or Permission denied")
    return JSONResponse(_model(visit, name))


async def _names(visit: Visit) -> list[str]:
    engine = visit.world.engine
    return list(engine.names) if engine.names is not None else await engine.models()


def _model(visit: Visit, name: str) -> Json:
    created = visit.world.clock.seconds()
    return {"id": name, "object": "model", "created": created, "owned_by": "gateway"}


async def statement(request: Request) -> Response:
    """Answer ``GET /gateway/statement``: what an account used, day by day.

    Tokens and no money: what an engine of one's own costs is not on any price list.
    """
    visit: Visit = request.scope[VISIT]
    await visit.world.tally.write()
    lines = await visit.world.state.statement(visit.account)
    return JSONResponse(
        {
            "object": "gateway.statement",
            "account": visit.account,
            "lines": [{"day": d, "model": m, **counts} for d, m, counts in lines],
        }
    )


async def healthz(request: Request) -> Response:
    """Answer ``GET /healthz``: 200 if both the engine and the state answer."""
    visit: Visit = request.scope[VISIT]
    engine, state = await asyncio.gather(
        _answers(visit.world.engine.models()), _answers(visit.world.state.check())
    )
    report = {"engine": "ok" if engine else "down", "state": "ok" if state else "down"}
    return JSONResponse(report, status_code=200 if engine and state else SICK)


async def _answers(question: Awaitable[Any]) -> bool:
    try:
        async with asyncio.timeout(HEALTHY_WITHIN):
            await question
    except Exception:  # noqa: BLE001 - whatever keeps it from answering
        return False
    return True


async def metrics(request: Request) -> Response:
    """Answer ``GET /metrics``, in the text format of Prometheus."""
    visit: Visit = request.scope[VISIT]
    world = visit.world
    text = world.metrics.exposition(await world.state.census(world.clock.now()))
    return Response(text, media_type=CONTENT_TYPE_LATEST)
