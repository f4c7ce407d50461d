"""Chat completions: from a request, with or without a cache, to its answer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from .billing import Usage
from .demands import check_demands
from .kimi_rules import OUTPUT_LIMIT, PARTIAL
from .marks import implements
from .messages import check_conversation, check_tool_choice
from .models import bills_writes, caches_prefixes
from .parameters import read_headers
from .prefixes import prefix_key
from .rendering import count_message, count_prompt
from .reporting import wire_usage, write_headers
from .rules import (
    CACHE_HEADERS,
    DRY_RUN,
    DRY_RUN_ANSWER,
    ONE_CHOICE,
    RESET_TTL,
    TOKEN_EXP,
)
from .streaming import EventStream

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from .calls import Call
    from .engine import Reply
    from .references import Prompt
    from .settings import Settings

__all__ = ["Completion", "chat"]

Json = dict[str, Any]

NOTHING = Usage(prompt=0, cached=0, completion=0)


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer that is ready to be sent, whole or in pieces.

    Attributes:
        id: The completion's id.
        created: Unix seconds.
        model: The model asked for.
        fingerprint: The engine's name for itself.
        reply: What the engine answered; None for a dry run.
        usage: Tokens.
        settings: How usage is reported.
        headers: Answer headers about the cache.
    """

    id: str
    created: int
    model: str
    fingerprint: str
    reply: Reply | None
    usage: Usage
    settings: Settings
    headers: dict[str, str] = field(default_factory=dict)

    def frame(self, kind: str) -> Json:
        """Return the fields that the answer and every chunk begin with."""
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
        }

    def wire_usage(self) -> Json | None:
        """Return the usage object of the API; None if none is reported."""
        return wire_usage(self.usage, model=self.model, settings=self.settings)

    def wire(self) -> Json:
        """Return the answer of a call that does not stream."""
        choices = []
        if self.reply is not None:
            message = wire_message(self.reply)
            finish = self.reply.finish_reason
            choices = [{"index": 0, "message": message, "finish_reason": finish}]
        answer: Json = {**self.frame("chat.completion"), "choices": choices}
        usage = self.wire_usage()
        return answer if usage is None else {**answer, "usage": usage}


def wire_message(reply: Reply) -> Json:
    """Return the assistant message of an answer."""
    message: Json = {"role": "assistant", "content": reply.content}
    if reply.reasoning_content is not None:
        message["reasoning_content"] = reply.reasoning_content
    if reply.tool_calls:
        message["tool_calls"] = list(reply.tool_calls)
    return message


@implements(ONE_CHOICE, OUTPUT_LIMIT)
async def chat(call: Call) -> ASGIApp:
    """Answer ``POST /v1/chat/completions``."""
    body = call.body("ChatRequest")
    call.check_model(body["model"])
    check_demands(body, settings=call.world.settings)
    headers = read_headers(call.request.headers)
    prompt = call.world.resolver.resolve(
        body, headers, account=call.account, settings=call.world.settings
    )
    check_conversation(prompt.messages)
    check_tool_choice(body.get("tool_choice"), tools=prompt.tools)
    if prompt.reference is not None and prompt.reference.dry_run:
        completion = _checked_only(call, body, prompt)
    else:
        completion = await _answered(call, body, prompt)
    if body.get("stream"):
        options = body.get("stream_options") or {}
        return EventStream(
            call, completion, with_usage=bool(options.get("include_usage"))
        )
    return JSONResponse(completion.wire(), headers=completion.headers)


async def _answered(call: Call, body: Json, prompt: Prompt) -> Completion:
    world = call.world
    request = {**body, "messages": prompt.messages, "tools": prompt.tools}
    reply = await world.script.complete(request)
    usage = _counted(call, body, prompt, wire_message(reply))
    call.exchange.engine = {
        "model": body["model"],
        "messages": prompt.messages,
        "tools": prompt.tools,
        "cache_id": prompt.cache.id if prompt.cache else None,
        "prompt_tokens": usage.prompt,
        "cached_tokens": usage.cached,
        "cache_write_tokens": usage.written,
        "cache_write_tier": usage.tier,
        "completion_tokens": usage.completion,
        "answer": wire_message(reply),
    }
    charge = world.billing.call(
        call.account,
        request_id=call.exchange.request_id,
        model=body["model"],
        usage=usage,
        cache=(prompt.cache.id, prompt.cache.model) if prompt.cache else None,
    )
    world.store.change(charge)
    headers = {
        **_used(call, prompt, saved=usage.cached),
        **write_headers(usage, settings=world.settings),
    }
    return _completion(call, body, reply=reply, usage=usage, headers=headers)


def _counted(call: Call, body: Json, prompt: Prompt, turn: Json) -> Usage:
    """Count the tokens of a call; a kimi model reads and writes its prefix."""
    completion = count_message(turn)
    if caches_prefixes(body["model"]):
        usage = _read_prefix(call, body, prompt, turn)
        return replace(usage, completion=completion)
    total = count_prompt(prompt.messages, prompt.tools)
    cached = min(prompt.cache.tokens, total) if prompt.cache else 0
    return Usage(prompt=total, cached=cached, completion=completion)


@implements(PARTIAL)
def _read_prefix(call: Call, body: Json, prompt: Prompt, turn: Json) -> Usage:
    prefixes = call.world.prefixes
    reading = prefixes.read(
        prefix_key(body, account=call.account),
        messages=prompt.messages,
        tools=prompt.tools,
        tier=(body.get("prompt_cache_options") or {}).get("ttl", "5m"),
    )
    last = prompt.messages[-1]
    continued = last["role"] == "assistant" and bool(last.get("partial"))
    if continued:
        turn = {**turn, "content": _joined(last.get("content"), turn["content"])}
    prefixes.keep_turn(reading, turn, continued=continued)
    billed = bills_writes(body["model"])
    return Usage(
        prompt=reading.prompt,
        cached=reading.cached,
        completion=0,
        written=reading.written if billed else None,
        tier=reading.tier if billed else None,
    )


def _joined(begun: str | list[Json] | None, added: str | None) -> str | list[Json]:
    if isinstance(begun, list):
        return [*begun, {"type": "text", "text": added or ""}]
    return (begun or "") + (added or "")


@implements(RESET_TTL)
def _used(call: Call, prompt: Prompt, *, saved: int) -> dict[str, str]:
    cache, reference = prompt.cache, prompt.reference
    if cache is None:
        return {}
    if reference is not None and reference.reset_ttl:
        cache = call.world.caches.renew(
            cache, seconds=reference.reset_ttl, settings=call.world.settings
        )
    return _cache_headers(cache.id, saved=saved, expired_at=cache.expired_at)


@implements(CACHE_HEADERS, TOKEN_EXP)
def _cache_headers(cache_id: str, *, saved: int, expired_at: int) -> dict[str, str]:
    return {
        "Msh-Context-Cache-Id": cache_id,
        "Msh-Context-Cache-Token-Saved": str(saved),
        "Msh-Context-Cache-Token-Exp": str(expired_at),
    }


@implements(DRY_RUN, DRY_RUN_ANSWER)
def _checked_only(call: Call, body: Json, prompt: Prompt) -> Completion:
    cache, headers = prompt.cache, {}
    if cache is not None:
        headers = _cache_headers(cache.id, saved=0, expired_at=cache.expired_at)
    return _completion(call, body, reply=None, usage=NOTHING, headers=headers)


def _completion(
    call: Call,
    body: Json,
    *,
    reply: Reply | None,
    usage: Usage,
    headers: dict[str, str],
) -> Completion:
    return Completion(
        id=f"chatcmpl-{call.exchange.request_id}",
        created=call.world.clock.seconds(),
        model=body["model"],
        fingerprint=call.world.script.fingerprint,
        reply=reply,
        usage=usage,
        settings=call.world.settings,
        headers=headers,
    )
