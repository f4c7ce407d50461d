"""Chat completions at the gateway: whole answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse, Response

from langchain_moonshot_cache.server.backend import Question, dumped
from langchain_moonshot_cache.server.connection import ClientGoneError
from langchain_moonshot_cache.server.gateway.presence import while_there
from langchain_moonshot_cache.server.gateway.prompts import resolve
from langchain_moonshot_cache.server.gateway.settling import (
    cache_headers,
    settle,
    use,
)
from langchain_moonshot_cache.server.gateway.streaming import Stream
from langchain_moonshot_cache.server.gateway.usage import read_usage, told
from langchain_moonshot_cache.server.gateway.visit import VISIT
from langchain_moonshot_cache.server.marks import implements
from langchain_moonshot_cache.server.refusals import bad_request
from langchain_moonshot_cache.server.rules import (
    CACHE_FIRST,
    DRY_RUN,
    DRY_RUN_ANSWER,
)
from langchain_moonshot_cache.server.streaming import DONE

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp

    from langchain_moonshot_cache.server.gateway.prompts import Prompt
    from langchain_moonshot_cache.server.gateway.visit import Visit

__all__ = ["chat"]

Json = dict[str, Any]

# Only what the gateway itself reads; everything else is between client and engine.
CHAT_SCHEMA: Final[Json] = {
    "type": "object",
    "required": ["model", "messages"],
    "properties": {
        "model": {"type": "string", "minLength": 1},
        "messages": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["role"],
                "properties": {"role": {"type": "string"}},
            },
        },
        "tools": {"type": ["array", "null"]},
        "stream": {"type": ["boolean", "null"]},
        "stream_options": {
            "type": ["object", "null"],
            "properties": {"include_usage": {"type": ["boolean", "null"]}},
        },
    },
}


@implements(CACHE_FIRST)
async def chat(request: Request) -> ASGIApp:
    """Answer ``POST /v1/chat/completions``."""
    visit: Visit = request.scope[VISIT]
    body = visit.json(request, CHAT_SCHEMA)
    visit.model = body["model"]
    visit.check_served(model=body["model"])
    if any(message["role"] == "cache" for message in body["messages"][1:]):
        raise bad_request("A message of role cache stands first or nowhere.")
    prompt = await resolve(visit, body, request.headers)
    visit.cache_id = prompt.cache.id if prompt.cache else None
    streams = bool(body.get("stream"))
    if prompt.reference is not None and prompt.reference.dry_run:
        return _checked_only(visit, prompt, streams=streams)
    question = _question(visit, body, prompt)
    if streams:
        return Stream(visit, question, prompt)
    return await _answered(request, visit, question, prompt)


def _question(visit: Visit, body: Json, prompt: Prompt) -> Question:
    kept = {
        name: value
        for name, value in body.items()
        if name not in ("messages", "tools", "stream")
    }
    return Question(
        fields=kept,
        messages=prompt.messages,
        tools=prompt.tools,
        account=visit.account,
        cache_id=visit.cache_id,
    )


async def _answered(
    request: Request, visit: Visit, question: Question, prompt: Prompt
) -> Response:
    world = visit.world
    try:
        with world.metrics.asking():
            answer = await while_there(request.receive, world.engine.complete(question))
    except ClientGoneError:
        settle(visit, prompt)
        raise
    visit.reported = read_usage(answer)
    expired_at = await use(visit, prompt)
    settle(visit, prompt)
    headers = cache_headers(prompt, saved=visit.reported.cached, expired_at=expired_at)
    usage = told(answer.get("usage"), visit.reported)
    return Response(
        dumped(answer if usage is None else {**answer, "usage": usage}),
        media_type="application/json",
        headers=headers,
    )


@implements(DRY_RUN, DRY_RUN_ANSWER)
def _checked_only(visit: Visit, prompt: Prompt, *, streams: bool) -> Response:
    headers = cache_headers(
        prompt, saved=0, expired_at=prompt.cache.expired_at if prompt.cache else 0
    )
    nothing = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    answer: Json = {
        "id": f"chatcmpl-{visit.request_id}",
        "object": "chat.completion.chunk" if streams else "chat.completion",
        "created": visit.world.clock.seconds(),
        "model": visit.model,
        "choices": [],
        "usage": {**nothing, "cached_tokens": 0},
    }
    if not streams:
        return JSONResponse(answer, headers=headers)
    event = b"data: " + dumped(answer) + b"\n\n" + DONE
    return Response(event, media_type="text/event-stream", headers=headers)
