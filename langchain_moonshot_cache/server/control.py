"""The routes under ``/_stand_in/``: how a test owns the server.

They know no accounts and no secrets but the prompts that tests sent, and they exist on
loopback only unless somebody insists.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, get_args

from starlette.responses import JSONResponse
from starlette.routing import Route

from .calls import Call
from .edge import EXCHANGE
from .faults import STATUSES, Fault, Kind
from .refusals import bad_request
from .schema_check import first_problem
from .settings import UsageFields, UsageLayout, WriteHeaders

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from .world import World

    Action = Callable[[World, Any], Any]

__all__ = ["control_routes"]

Schema = dict[str, Any]

# What an HTTP date can express: until the end of the year 9999.
LATEST_TIME = 253_402_300_799
DECADE = 315_360_000  # no test needs to jump further, and dates stay valid
LONGEST_WAIT = 600  # a delay that outlives any client's patience

_COUNT: Schema = {"type": ["integer", "null"], "minimum": 1}
_STATUS: Schema = {"type": ["integer", "null"], "minimum": 200, "maximum": 599}
_TEXT: Schema = {"type": ["string", "null"]}
_KINDS: list[str] = [
    kind for group in get_args(Kind) for kind in get_args(group) or (group,)
]

_CLOCK: Schema = {
    "type": "object",
    "properties": {
        "now": {"type": "number", "minimum": 0, "maximum": LATEST_TIME - DECADE},
        "advance": {"type": "number", "minimum": -DECADE, "maximum": DECADE},
        "freeze": {"type": "boolean"},
    },
}
_FAULT: Schema = {
    "type": "object",
    "required": ["kind"],
    "properties": {
        "kind": {"enum": _KINDS},
        "method": _TEXT,
        "path": _TEXT,
        "nth": _COUNT,
        "times": _COUNT,
        "status": _STATUS,
        "error": {"enum": [None, *STATUSES]},
        "headers": {"type": "object", "additionalProperties": {"type": "string"}},
        "seconds": {"type": "number", "minimum": 0, "maximum": LONGEST_WAIT},
        "chunks": {"type": "integer", "minimum": 0},
    },
}
_TOOL_CALL: Schema = {"type": "object"}
_ANSWERS: Schema = {
    "type": "object",
    "required": ["answers"],
    "properties": {
        "answers": {
            "type": "array",
            "items": {
                "anyOf": [
                    {"type": "string"},
                    {
                        "type": "object",
                        "properties": {
                            "content": _TEXT,
                            "reasoning_content": _TEXT,
                            "finish_reason": _TEXT,
                            "tool_calls": {"type": "array", "items": _TOOL_CALL},
                        },
                    },
                ],
            },
        },
    },
}
_SETTINGS: Schema = {
    "type": "object",
    "properties": {
        "ready_after": {"type": "number", "minimum": 0},
        "cache_token_limit": {"type": "integer", "minimum": 0},
        "account_token_limit": {"type": "integer", "minimum": 0},
        "retired": {"enum": [None, 200, 404]},
        "usage_layout": {"enum": list(get_args(UsageLayout))},
        "usage_fields": {"enum": list(get_args(UsageFields))},
        "write_headers": {"enum": list(get_args(WriteHeaders))},
        "cached_surplus": {"type": "integer", "minimum": 0},
        "require_reasoning": {"type": "boolean"},
        "retired_models": {"type": "boolean"},
    },
}


def control_routes(world: World) -> list[Route]:
    """Return the control routes of one server."""
    table: dict[str, dict[str, tuple[Schema | None, Action]]] = {
        "clock": {"GET": (None, _clock), "PUT": (_CLOCK, _set_clock)},
        "faults": {
            "GET": (None, _faults),
            "POST": (_FAULT, _add_fault),
            "DELETE": (None, _clear_faults),
        },
        "answers": {
            "GET": (None, _answers),
            "POST": (_ANSWERS, _add_answers),
            "DELETE": (None, _clear_answers),
        },
        "requests": {"GET": (None, _requests), "DELETE": (None, _clear_requests)},
        "caches": {"GET": (None, _caches)},
        "prefixes": {"GET": (None, _prefixes), "DELETE": (None, _clear_prefixes)},
        "settings": {"GET": (None, _settings), "PUT": (_SETTINGS, _set_settings)},
    }
    return [_route(f"/_stand_in/{name}", by, world) for name, by in table.items()]


def _route(
    path: str, by_method: Mapping[str, tuple[Schema | None, Action]], world: World
) -> Route:
    async def endpoint(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        schema, action = by_method[method]
        body = None
        if schema is not None:
            body = Call(world, request, request.scope[EXCHANGE], account="").json()
            problem = first_problem(body, schema, schemas={}, at="body")
            if problem is not None:
                raise bad_request(problem.replace("body.", "", 1))
        return JSONResponse(action(world, body))

    return Route(path, endpoint, methods=list(by_method), include_in_schema=False)


def _clock(world: World, _: Any) -> Any:
    return {"now": world.clock.now(), "frozen": world.clock.frozen}


def _set_clock(world: World, body: dict[str, Any]) -> Any:
    if "freeze" in body:
        (world.clock.freeze if body["freeze"] else world.clock.thaw)()
    if "now" in body:
        world.clock.set(body["now"])
    world.clock.advance(body.get("advance", 0))
    return _clock(world, None)


def _faults(world: World, _: Any) -> Any:
    return {"data": world.faults.view()}


def _add_fault(world: World, body: dict[str, Any]) -> Any:
    known = {field.name for field in fields(Fault)} - {"id", "seen", "struck"}
    unknown = sorted(set(body) - known)
    if unknown:
        raise bad_request(f"A fault has no {unknown[0][:80]!r}.")
    return world.faults.add(Fault(**body)).view()


def _clear_faults(world: World, _: Any) -> Any:
    world.faults.clear()
    return _faults(world, None)


def _answers(world: World, _: Any) -> Any:
    return {"waiting": world.script.waiting}


def _add_answers(world: World, body: dict[str, Any]) -> Any:
    try:
        world.script.answer_next(body["answers"])
    except (KeyError, AttributeError, TypeError) as error:
        raise bad_request(f"An answer's tool call lacks {error}.") from error
    return _answers(world, None)


def _clear_answers(world: World, _: Any) -> Any:
    world.script.clear()
    return _answers(world, None)


def _requests(world: World, _: Any) -> Any:
    return {"data": [exchange.view() for exchange in world.log]}


def _clear_requests(world: World, _: Any) -> Any:
    world.log.clear()
    return _requests(world, None)


def _caches(world: World, _: Any) -> Any:
    caches = [
        {"account": cache.account, **cache.wire()} for cache in world.caches.everyone()
    ]
    return {"data": caches, "creates": world.caches.creates()}


def _prefixes(world: World, _: Any) -> Any:
    return {"entries": len(world.prefixes)}


def _clear_prefixes(world: World, _: Any) -> Any:
    world.prefixes.clear()
    return _prefixes(world, None)


def _settings(world: World, _: Any) -> Any:
    return {name: getattr(world.settings, name) for name in _SETTINGS["properties"]}


def _set_settings(world: World, body: dict[str, Any]) -> Any:
    known = _SETTINGS["properties"]
    changed = {name: value for name, value in body.items() if name in known}
    world.settings = replace(world.settings, **changed)
    return _settings(world, None)
