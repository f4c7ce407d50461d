"""What today's models ask of a chat request beyond its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .engine import thinks
from .kimi_rules import (
    ATTACHMENTS,
    BREAKPOINTS,
    BUILT_INS,
    CACHE_HINTS,
    CACHE_OPTIONS,
    CACHE_OPTIONS_ELSEWHERE,
    FREE_CHOICE,
    REASONING_BACK,
    REASONING_EMPTY,
    SAMPLING,
    SCHEMA_STRICT,
    TEXT_ONLY,
    TEXT_ONLY_MODELS,
    THINKING,
    THINKING_ALWAYS,
)
from .marks import implements
from .models import bills_writes, caches_prefixes
from .refusals import bad_request
from .subset import subset_problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .settings import Settings

__all__ = ["check_demands"]

Json = dict[str, Any]

ALLOWED_URLS: Final = ("data:", "ms://")
EFFORTS: Final = ("low", "high", "max")
FIXED: Final = 1  # the one temperature
FIXED_UNTHINKING: Final = 0.6  # the one temperature of a kimi-k2 that does not think


@implements(CACHE_HINTS)
def check_demands(body: Json, *, settings: Settings) -> None:
    """Refuse what the model of a request does not take.

    Args:
        body: The chat request, checked against its schema.
        settings: Which demands are made.

    Raises:
        RefusedError: 400, naming the place in the request.
    """
    _check_built_ins(body)
    _check_content(body)
    _check_cache_options(body)
    if not caches_prefixes(body["model"]):
        return
    _check_thinking(body)
    _check_temperature(body)
    _check_schemas(body)
    if thinks(body):
        _check_choice(body)
        if settings.require_reasoning:
            _check_reasoning(body)


@implements(BUILT_INS)
def _check_built_ins(body: Json) -> None:
    for index, tool in enumerate(body.get("tools") or ()):
        if tool["type"] == "builtin_function":
            name = tool["function"]["name"]
            raise bad_request(
                f"tools[{index}]: the built-in function {name[:80]!r} is not offered "
                "here, because a scripted engine has nothing to search. Define a "
                "function of your own in its place."
            )


@implements(ATTACHMENTS, BREAKPOINTS, TEXT_ONLY, TEXT_ONLY_MODELS)
def _check_content(body: Json) -> None:
    text_only = not caches_prefixes(body["model"])
    for index, message in enumerate(body["messages"]):
        content = message.get("content")
        if not isinstance(content, list):
            continue
        if text_only:
            raise bad_request(
                f"messages[{index}].content must be a text: {body['model']} reads no "
                "list of parts."
            )
        for place, part in enumerate(content):
            _check_part(part, at=f"messages[{index}].content[{place}]")


def _check_part(part: Json, *, at: str) -> None:
    if "prompt_cache_breakpoint" in part:
        raise bad_request(f"{at}.prompt_cache_breakpoint is not supported here.")
    kind = part["type"]
    if kind == "text":
        return
    url = part[kind] if isinstance(part[kind], str) else part[kind]["url"]
    if not url.startswith(ALLOWED_URLS):
        raise bad_request(
            f"{at}.{kind} must be a data: URL in base64 or an ms:// file; public URLs "
            "are not fetched."
        )


@implements(CACHE_OPTIONS, CACHE_OPTIONS_ELSEWHERE)
def _check_cache_options(body: Json) -> None:
    model = body["model"]
    if body.get("prompt_cache_options") is not None and not bills_writes(model):
        raise bad_request(f"prompt_cache_options is not supported by {model}.")


@implements(THINKING, THINKING_ALWAYS)
def _check_thinking(body: Json) -> None:
    effort, model = body.get("reasoning_effort"), body["model"]
    if model.startswith("kimi-k3") and effort not in (None, *EFFORTS):
        raise bad_request(f"reasoning_effort must be one of: {', '.join(EFFORTS)}.")
    switch = (body.get("thinking") or {}).get("type")
    if switch == "disabled" and thinks(body):
        raise bad_request(f"thinking.type: {model} always thinks.")


@implements(SAMPLING)
def _check_temperature(body: Json) -> None:
    allowed = FIXED if thinks(body) else FIXED_UNTHINKING
    if body.get("temperature") not in (None, allowed):
        raise bad_request(
            f"temperature must be {allowed} for {body['model']}, or left out."
        )


@implements(FREE_CHOICE)
def _check_choice(body: Json) -> None:
    choice = body.get("tool_choice")
    if choice not in (None, "auto", "none"):
        named = "'required'" if choice == "required" else "a named function"
        raise bad_request(
            f"tool_choice: {named} cannot be had while {body['model']} thinks; use "
            "'auto' or 'none'."
        )


@implements(REASONING_BACK, REASONING_EMPTY)
def _check_reasoning(body: Json) -> None:
    for index, message in enumerate(body["messages"]):
        if message.get("tool_calls") and message.get("reasoning_content") is None:
            raise bad_request(
                f"messages[{index}].reasoning_content is missing: while "
                f"{body['model']} thinks, a turn with tool calls must bring its "
                "reasoning back."
            )


@implements(SCHEMA_STRICT)
def _check_schemas(body: Json) -> None:
    for at, schema, strict in _schemas(body):
        if schema is not None and strict is not False:
            problem = subset_problem(schema, at=at)
            if problem is not None:
                raise bad_request(problem)


def _schemas(body: Mapping[str, Any]) -> Iterator[tuple[str, Any, bool | None]]:
    for index, tool in enumerate(body.get("tools") or ()):
        function = tool["function"]
        at = f"tools[{index}].function.parameters"
        yield at, function.get("parameters"), function.get("strict")
    asked = (body.get("response_format") or {}).get("json_schema")
    if asked is not None:
        at = "response_format.json_schema.schema"
        yield at, asked.get("schema"), asked.get("strict")
