"""The server against its own OpenAPI document: schemathesis tries to catch it out."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case

from langchain_moonshot_cache.server import Settings, create_app
from langchain_moonshot_cache.server.models import MODELS
from langchain_moonshot_cache.server.openapi import document

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.types import ASGIApp, Receive, Scope, Send

KEY = "sk-the-only-one"
NOW = 1_800_000_000

UNSET = [None, 0]


def sayable() -> dict[str, Any]:
    """Return the document, with what no schema can say taken out of its requests.

    Which message may follow which, that a required tool exists, that ttl and
    expired_at exclude each other, what the future is: other tests try these.
    """
    described = copy.deepcopy(document())
    schemas = described["components"]["schemas"]
    for name in ("Message", "FirstMessage", "CachedMessage"):
        mapping = schemas[name]["discriminator"]["mapping"]
        reference = mapping.pop("tool")
        schemas[name]["oneOf"].remove({"$ref": reference})
    for name in ("AssistantMessage", "CachedAssistantMessage"):
        schemas[name]["properties"]["tool_calls"] = {"type": "null"}
    for name in ("CacheCreate", "CacheUpdate"):
        schemas[name]["properties"]["expired_at"] = {
            "enum": [*UNSET, NOW + 1, NOW + 3600]
        }
        schemas[name]["anyOf"] = [
            {"properties": {field: {"enum": UNSET}}} for field in ("ttl", "expired_at")
        ]
    schemas["ToolChoice"] = {"enum": [None, "none", "auto"]}
    schemas["ChatRequest"]["properties"]["model"] = {"enum": list(MODELS)}
    schemas["TokenEstimateRequest"]["properties"]["model"] = {"enum": list(MODELS)}
    return described


def kept_open(app: ASGIApp) -> ASGIApp:
    """Return an application that outlives the test that used it last."""

    async def without_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for event in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{event}.complete"})
            return
        await app(scope, receive, send)

    return without_lifespan


def make_app() -> Starlette:
    """Return an application whose clock stands still and whose ids are the same."""
    app = create_app(Settings(control=False, seed=7, api_keys=frozenset({KEY})))
    app.state.world.clock.freeze()
    app.state.world.clock.set(NOW)
    return app


def make_schema() -> Any:
    """Return the schema over an application of its own."""
    schema = schemathesis.openapi.from_dict(sayable())
    schema.app = kept_open(make_app())
    schema.config.update(base_url="http://127.0.0.1")
    # The key is ours to send; that every operation wants it, a check of its own tries.
    schema.config.generation.update(with_security_parameters=False)
    return schema


schema = make_schema()


@schema.parametrize()  # type: ignore[untyped-decorator] # schemathesis has no types here
# The same cases in every run: what fails for one developer fails for all.
@settings(
    max_examples=200,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_schemathesis_finds_nothing(case: Case[Any]) -> None:
    case.call_and_validate(headers={"Authorization": f"Bearer {KEY}"})
