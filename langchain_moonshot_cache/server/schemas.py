"""The JSON schemas of every request, as published and as enforced."""

from __future__ import annotations

from typing import Any

from .models import CACHE_FAMILIES

__all__ = ["CACHE_ID", "REQUESTS", "TAG", "named"]

Schema = dict[str, Any]

LARGEST_LIFE = 3600  # one hour, the longest life of a cache in seconds
# The year 5138: later times are mistakes, such as milliseconds.
LATEST_TIME = 99_999_999_999

CACHE_ID = r"^cache-[a-z0-9]{20}$"
TAG = r"^[A-Za-z][A-Za-z_.\-]{0,127}$"
CACHE_CONTENT = (
    r"^(cache_id=cache-[a-z0-9]{20}|tag=[A-Za-z][A-Za-z_.\-]{0,127})"
    r"(;reset_ttl=[1-9][0-9]{0,3}(;dry_run=[01])?"
    r"|;dry_run=[01](;reset_ttl=[1-9][0-9]{0,3})?)?$"
)
FUNCTION_NAME = r"^[A-Za-z_][A-Za-z0-9_\-]{0,63}$"


def named(name: str) -> Schema:
    """Return a reference to a named schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: tuple[str, ...] = (), **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required)}


def _union(field: str, **options: str) -> Schema:
    mapping = {value: f"#/components/schemas/{name}" for value, name in options.items()}
    return {
        "oneOf": [{"$ref": reference} for reference in mapping.values()],
        "discriminator": {"propertyName": field, "mapping": mapping},
    }


def _maybe(kind: str, **rules: Any) -> Schema:
    return {"type": [kind, "null"], **rules}


def _only(*values: Any) -> Schema:
    return {"enum": list(values)}


_TEXT: Schema = {"type": "string"}
_CONTENT: Schema = {
    "anyOf": [_TEXT, {"type": "array", "items": named("ContentPart")}],
}
_MAYBE_CONTENT: Schema = {"anyOf": [*_CONTENT["anyOf"], {"type": "null"}]}
_NAME = _maybe("string", maxLength=256)
_METADATA = _maybe(
    "object",
    maxProperties=16,
    propertyNames={"type": "string", "maxLength": 64},
    additionalProperties={"type": "string", "maxLength": 512},
)
_TTL = _maybe("integer", minimum=0, maximum=LARGEST_LIFE)
_EXPIRED_AT = _maybe("integer", minimum=0, maximum=LATEST_TIME)
_TOOLS = _maybe("array", items=named("Tool"), maxItems=128)
_CHAT_TOOLS = _maybe("array", items=named("ChatTool"), maxItems=128)
_CALLS = _maybe("array", items=named("ToolCall"))
_URL: Schema = {"anyOf": [_TEXT, _object(("url",), url=_TEXT)]}

_PARTS: dict[str, Schema] = {
    "ContentPart": _union(
        "type", text="TextPart", image_url="ImagePart", video_url="VideoPart"
    ),
    "TextPart": _object(("type", "text"), type=_only("text"), text=_TEXT),
    "ImagePart": _object(
        ("type", "image_url"), type=_only("image_url"), image_url=_URL
    ),
    "VideoPart": _object(
        ("type", "video_url"), type=_only("video_url"), video_url=_URL
    ),
}

_MESSAGES: dict[str, Schema] = {
    "SystemMessage": _object(
        ("role", "content"), role=_only("system"), content=_CONTENT, name=_NAME
    ),
    "UserMessage": _object(
        ("role", "content"), role=_only("user"), content=_CONTENT, name=_NAME
    ),
    "AssistantMessage": _object(
        ("role",),
        role=_only("assistant"),
        content=_MAYBE_CONTENT,
        name=_NAME,
        tool_calls=_CALLS,
        reasoning_content=_maybe("string"),
        partial=_maybe("boolean"),
    ),
    "CachedAssistantMessage": _object(
        ("role",),
        role=_only("assistant"),
        content=_MAYBE_CONTENT,
        name=_NAME,
        tool_calls=_CALLS,
        partial=_only(False, None),  # a cache holds nothing unfinished
    ),
    "ToolMessage": _object(
        ("role", "content", "tool_call_id"),
        role=_only("tool"),
        content=_CONTENT,
        name=_NAME,
        tool_call_id=_TEXT,
    ),
    "CacheMessage": _object(
        ("role", "content"),
        role=_only("cache"),
        content={
            "type": "string",
            "pattern": CACHE_CONTENT,
            "description": "cache_id=<id> or tag=<tag>, then ;reset_ttl=<seconds> and "
            ";dry_run=1 as wanted, with no ';' at the end",
        },
    ),
    "Message": _union(
        "role",
        system="SystemMessage",
        user="UserMessage",
        assistant="AssistantMessage",
        tool="ToolMessage",
    ),
    "FirstMessage": _union(
        "role",
        system="SystemMessage",
        user="UserMessage",
        assistant="AssistantMessage",
        tool="ToolMessage",
        cache="CacheMessage",
    ),
    "CachedMessage": _union(
        "role",
        system="SystemMessage",
        user="UserMessage",
        assistant="CachedAssistantMessage",
        tool="ToolMessage",
    ),
}

_TOOLING: dict[str, Schema] = {
    "Tool": _object(
        ("type", "function"),
        type=_only("function"),
        function=_object(
            ("name",),
            name={"type": "string", "pattern": FUNCTION_NAME},
            description=_maybe("string"),
            parameters=_maybe("object"),
            strict=_maybe("boolean"),
        ),
    ),
    "ChatTool": _union("type", function="Tool", builtin_function="BuiltInTool"),
    "BuiltInTool": _object(
        ("type", "function"),
        type=_only("builtin_function"),
        function=_object(("name",), name=_TEXT),
    ),
    "ToolCall": _object(
        ("id", "function"),
        id={"type": "string", "minLength": 1},
        type=_only("function", "builtin_function"),
        function=_object(("name", "arguments"), name=_TEXT, arguments=_TEXT),
    ),
    "ToolChoice": {
        "anyOf": [
            {"type": "null"},
            {"type": "string", "enum": ["none", "auto", "required"]},
            _object(
                ("type", "function"),
                type=_only("function"),
                function=_object(("name",), name=_TEXT),
            ),
        ],
    },
    "ResponseFormat": _union(
        "type", text="TextFormat", json_object="ObjectFormat", json_schema="JsonFormat"
    ),
    "TextFormat": _object(("type",), type=_only("text")),
    "ObjectFormat": _object(("type",), type=_only("json_object")),
    "JsonFormat": _object(
        ("type", "json_schema"),
        type=_only("json_schema"),
        json_schema=_object(
            ("schema",), schema={"type": "object"}, name=_TEXT, strict=_maybe("boolean")
        ),
    ),
}

_BODIES: dict[str, Schema] = {
    "CacheCreate": _object(
        ("model", "messages"),
        model={"type": "string", "enum": list(CACHE_FAMILIES)},
        messages={"type": "array", "items": named("CachedMessage"), "minItems": 1},
        tools=_TOOLS,
        name=_maybe("string", maxLength=256),
        description=_maybe("string", maxLength=512),
        metadata=_METADATA,
        tags=_maybe("array", items={"type": "string", "pattern": TAG}, maxItems=128),
        ttl=_TTL,
        expired_at=_EXPIRED_AT,
    ),
    "CacheUpdate": _object(metadata=_METADATA, ttl=_TTL, expired_at=_EXPIRED_AT),
    "TagCreate": _object(
        ("tag", "cache_id"),
        tag={"type": "string", "pattern": TAG},
        cache_id={"type": "string", "pattern": CACHE_ID},
    ),
    "FileUpload": _object(
        ("file", "purpose"),
        file={"type": "string", "format": "binary"},
        purpose=_only("file-extract"),
    ),
    "ChatRequest": _object(
        ("model", "messages"),
        model={"type": "string", "minLength": 1},
        messages={
            "type": "array",
            "prefixItems": [named("FirstMessage")],
            "items": named("Message"),
            "minItems": 1,
        },
        tools=_CHAT_TOOLS,
        tool_choice=named("ToolChoice"),
        response_format={"anyOf": [named("ResponseFormat"), {"type": "null"}]},
        stream=_maybe("boolean"),
        stream_options=_maybe(
            "object", properties={"include_usage": _maybe("boolean")}
        ),
        max_tokens=_maybe("integer", minimum=1),
        max_completion_tokens=_maybe("integer", minimum=1),
        temperature=_maybe("number", minimum=0, maximum=2),
        top_p=_maybe("number", minimum=0, maximum=1),
        n=_only(1, None),
        stop={
            "anyOf": [
                {"type": ["string", "null"]},
                {"type": "array", "items": _TEXT, "maxItems": 5},
            ],
        },
        thinking=_maybe(
            "object", properties={"type": _only("enabled", "disabled", None)}
        ),
        reasoning_effort=_maybe("string"),
        prompt_cache_options=_maybe(
            "object",
            properties={"mode": _only("implicit"), "ttl": _only("5m", "1h")},
        ),
        prompt_cache_key=_maybe("string"),
    ),
    "TokenEstimateRequest": _object(
        ("model", "messages"),
        model={"type": "string", "minLength": 1},
        messages={"type": "array", "items": named("Message"), "minItems": 1},
        tools=_TOOLS,
    ),
}

REQUESTS: dict[str, Schema] = {**_PARTS, **_MESSAGES, **_TOOLING, **_BODIES}
