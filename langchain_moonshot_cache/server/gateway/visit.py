"""One request at the gateway: what its handler needs, and what the log tells of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.server.calls import parse_json
from langchain_moonshot_cache.server.gateway.usage import Reported
from langchain_moonshot_cache.server.refusals import (
    RefusedError,
    bad_request,
    not_found,
)
from langchain_moonshot_cache.server.schema_check import first_problem
from langchain_moonshot_cache.server.schemas import REQUESTS

if TYPE_CHECKING:
    from starlette.requests import Request

    from langchain_moonshot_cache.server.gateway.world import GatewayWorld

__all__ = ["VISIT", "Visit"]

Json = dict[str, Any]

VISIT = "moonshot_gateway.visit"
"""Where a request's scope keeps its visit."""


@dataclass(slots=True, kw_only=True)
class Visit:
    """A request and what became of it.

    Attributes:
        world: The gateway.
        request_id: The id in the ``Msh-Request-Id`` header.
        method: HTTP method.
        path: Path without query.
        route: The route that it matched, with names in place of its variable parts.
        body: What was sent.
        account: Who asks, once the key was accepted: a digest.
        status: Status of the answer; 0 if nobody was there to hear it.
        model: The model asked for.
        cache_id: The cache that was used.
        reported: What the engine said of the call.
        first: Seconds until the first piece of a stream.
        trouble: What went wrong with the engine, in a word.
        began: When it began, by a clock that only grows.
    """

    world: GatewayWorld
    request_id: str
    method: str
    path: str
    route: str | None = None
    body: bytes = b""
    account: str = ""
    status: int = 0
    model: str | None = None
    cache_id: str | None = None
    reported: Reported = field(default_factory=Reported)
    first: float | None = None
    trouble: str | None = None
    began: float = field(default_factory=time.perf_counter)

    def elapsed(self) -> float:
        """Return the seconds since it began."""
        return time.perf_counter() - self.began

    def json(self, request: Request, schema: Json) -> Json:
        """Return the body, checked against a schema.

        Raises:
            RefusedError: 415 for another type than JSON, 400 for a misfit.
        """
        sent = request.headers.get("content-type", "")
        if sent.partition(";")[0].strip().lower() != "application/json":
            kind = "invalid_request_error"
            raise RefusedError(415, kind, "Send the body as application/json.")
        value = parse_json(self.body)
        self.body = b""
        problem = first_problem(value, schema, schemas=REQUESTS, at="body")
        if problem is not None:
            raise bad_request(problem.replace("body.", "", 1))
        checked: Json = value
        return checked

    def check_served(self, *, model: str, or_family: bool = False) -> None:
        """Refuse a model that the map does not know.

        Args:
            model: The model, or a family.
            or_family: Whether a family of known models will do.

        Raises:
            RefusedError: 404.
        """
        names = self.world.engine.names
        if names is None or model in names:
            return
        if or_family and any(name.startswith(f"{model}-") for name in names):
            return
        raise not_found(f"Not found the model {model[:80]} or Permission denied")
