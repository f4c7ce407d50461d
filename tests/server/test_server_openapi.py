"""The server against its own OpenAPI document: schemathesis tries to catch it out."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case, GenerationMode

from langchain_moonshot_cache.server import Settings, create_app
from langchain_moonshot_cache.server.models import MODELS, bills_writes
from langchain_moonshot_cache.server.openapi import document
from langchain_moonshot_cache.server.schemas import named

if TYPE_CHECKING:
    from collections.abc import Callable

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
    # An answer may well call a tool.
    schemas["Answer"] = copy.deepcopy(schemas["AssistantMessage"])
    choice = schemas["Completion"]["properties"]["choices"]["items"]
    choice["properties"]["message"] = named("Answer")
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
    schemas["ChatTool"] = schemas["Tool"]
    schemas["TokenEstimateRequest"]["properties"]["model"] = {"enum": list(MODELS)}
    return described


def of_texts(schemas: dict[str, Any]) -> None:
    """Let a chat be one with a moonshot-v1 model, which reads texts only."""
    chat = schemas["ChatRequest"]["properties"]
    chat["model"] = {"enum": [name for name in MODELS if name.startswith("moonshot")]}
    chat["prompt_cache_options"] = {"type": "null"}
    for union in ("Message", "FirstMessage"):
        spoken = schemas[f"Spoken{union}"] = copy.deepcopy(schemas[union])
        for role, reference in spoken["discriminator"]["mapping"].items():
            name = reference.rpartition("/")[2]
            if role != "cache":
                schemas[f"Spoken{name}"] = copy.deepcopy(schemas[name])
                kinds = ["string", "null"] if role == "assistant" else "string"
                schemas[f"Spoken{name}"]["properties"]["content"] = {"type": kinds}
                spoken["discriminator"]["mapping"][role] = reference.replace(
                    name, f"Spoken{name}"
                )
        mapping = spoken["discriminator"]["mapping"]
        spoken["oneOf"] = [{"$ref": reference} for reference in mapping.values()]
    chat["messages"]["prefixItems"] = [named("SpokenFirstMessage")]
    chat["messages"]["items"] = named("SpokenMessage")


def of_kimi(schemas: dict[str, Any]) -> None:
    """Let a chat be one with a kimi model that writes prefixes, and within its rules.

    A rule that holds for some models only is no rule of the document.
    """
    chat = schemas["ChatRequest"]["properties"]
    chat["model"] = {"enum": [name for name in MODELS if bills_writes(name)]}
    chat["messages"]["prefixItems"] = [named("Message")]
    chat["temperature"] = {"enum": [None, 1]}
    chat["thinking"] = {"enum": [None, {"type": "enabled"}]}
    chat["reasoning_effort"] = {"enum": [None, "low", "high", "max"]}
    schemas["ChatTool"]["properties"]["function"]["properties"]["strict"] = {
        "enum": [False]
    }
    schemas["ChatTool"]["properties"]["function"]["required"] = ["name", "strict"]
    schemas["JsonFormat"]["properties"]["json_schema"]["properties"]["schema"] = {
        "enum": [{"type": "object", "properties": {"a": {"type": "string"}}}]
    }
    url = {"type": "string", "pattern": "^(data:image/png;base64,|ms://)[a-z]{0,9}$"}
    for kind in ("image", "video"):
        part = schemas[f"{kind.title()}Part"]
        part["properties"][f"{kind}_url"] = url


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
    # With time standing still a cache would stay pending for ever, and a reference that
    # hits upon the tag of an earlier case be refused. So caches are ready at once.
    app = create_app(
        Settings(control=False, seed=7, api_keys=frozenset({KEY}), ready_after=0)
    )
    app.state.world.clock.freeze()
    app.state.world.clock.set(NOW)
    return app


def make_schema(narrow: Callable[[dict[str, Any]], None] = of_texts) -> Any:
    """Return the schema, narrowed, over an application of its own."""
    described = sayable()
    narrow(described["components"]["schemas"])
    schema = schemathesis.openapi.from_dict(described)
    schema.app = kept_open(make_app())
    schema.config.update(base_url="http://127.0.0.1")
    # The key is ours to send; that every operation wants it, a check of its own tries.
    schema.config.generation.update(with_security_parameters=False)
    return schema


# The same cases in every run: what fails for one developer fails for all.
thorough = settings(
    max_examples=200,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
schema = make_schema()
kimi = make_schema(of_kimi).include(path="/v1/chat/completions")
kimi.config.generation.update(modes=[GenerationMode.POSITIVE])


@schema.parametrize()  # type: ignore[untyped-decorator] # schemathesis has no types here
@thorough
def test_schemathesis_finds_nothing(case: Case[Any]) -> None:
    case.call_and_validate(headers={"Authorization": f"Bearer {KEY}"})


@kimi.parametrize()  # type: ignore[untyped-decorator] # schemathesis has no types here
@thorough
def test_schemathesis_finds_nothing_in_chats_with_kimi(case: Case[Any]) -> None:
    case.call_and_validate(headers={"Authorization": f"Bearer {KEY}"})
