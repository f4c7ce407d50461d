"""One API call, with what its handler needs at hand."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .kimi_rules import FUNCTION_NAMES
from .marks import implements
from .models import check_model
from .refusals import RefusedError, bad_request
from .rules import STRICT
from .schema_check import first_problem
from .schemas import REQUESTS

if TYPE_CHECKING:
    from starlette.requests import Request

    from .record import Exchange
    from .world import World

__all__ = ["Call", "parse_json"]

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One API call whose key was accepted.

    Attributes:
        world: The server.
        request: The HTTP request; its body stands in ``exchange``.
        exchange: Its entry in the request log.
        account: Who calls.
    """

    world: World
    request: Request
    exchange: Exchange
    account: str

    @implements(STRICT, FUNCTION_NAMES)
    def body(self, schema: str) -> Json:
        """Return the body, checked against a named schema.

        Raises:
            RefusedError: 415 for another type than JSON, 400 for a misfit.
        """
        body = self.json()
        problem = first_problem(body, REQUESTS[schema], schemas=REQUESTS, at="body")
        if problem is not None:
            raise bad_request(problem.replace("body.", "", 1))
        checked: Json = body
        return checked

    def json(self) -> Any:
        """Return the body as JSON of any shape.

        Raises:
            RefusedError: 415 for another type than JSON, 400 for no JSON.
        """
        sent = self.request.headers.get("content-type", "")
        if sent.partition(";")[0].strip().lower() != "application/json":
            kind = "invalid_request_error"
            raise RefusedError(415, kind, "Send the body as application/json.")
        self.exchange.parsed = parse_json(self.exchange.raw)
        return self.exchange.parsed

    def check_model(self, model: str) -> None:
        """Refuse a model that is not served at this time.

        Raises:
            RefusedError: 404.
        """
        now, settings = self.world.clock.now(), self.world.settings
        check_model(model, now=now, retire=settings.retired_models)

    def path(self, name: str) -> str:
        """Return a part of the path."""
        return str(self.request.path_params[name])


def parse_json(raw: bytes) -> Any:
    """Parse a body, strictly: UTF-8, finite numbers, no half characters.

    Raises:
        RefusedError: 400.
    """
    try:
        value = json.loads(raw.decode(), parse_constant=_no_number, parse_float=_finite)
        # Only an escape can bring in half of a surrogate pair, which no UTF-8 holds.
        if rb"\ud" in raw or rb"\uD" in raw:
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        reason = type(error).__name__
        raise bad_request(f"The body is not valid JSON ({reason}).") from error
    return value


def _no_number(text: str) -> float:
    raise ValueError(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number
