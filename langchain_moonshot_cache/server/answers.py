"""The JSON schemas of every answer, as published."""

from __future__ import annotations

from typing import Any

from .schemas import CACHE_ID, TAG, named

__all__ = ["ANSWERS"]

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_AMOUNT: Schema = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}


def _exact(**properties: Schema) -> Schema:
    """Return the schema of an object that always has all these fields."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
    }


def _only(*values: Any) -> Schema:
    return {"enum": list(values)}


def _list(of: Schema) -> Schema:
    return _exact(object=_only("list"), data={"type": "array", "items": of})


def _envelope(data: Schema) -> Schema:
    return _exact(code=_COUNT, data=data, scode=_TEXT, status={"type": "boolean"})


_ID: Schema = {"type": "string", "pattern": CACHE_ID}

_CACHE = _exact(
    id=_ID,
    object=_only("context_cache_object"),
    created_at=_COUNT,
    model=_TEXT,
    messages={"type": "array", "items": named("CachedMessage")},
    tools={"type": ["array", "null"], "items": named("Tool")},
    name=_TEXT,
    description=_TEXT,
    metadata={"type": ["object", "null"], "additionalProperties": _TEXT},
    expired_at=_COUNT,
    status=_only("pending", "ready", "error", "inactive"),
    tokens=_COUNT,
)
_CACHE["properties"]["error"] = named("ErrorDetail")

_USAGE = _exact(prompt_tokens=_COUNT, completion_tokens=_COUNT, total_tokens=_COUNT)
_USAGE["properties"] |= {
    "cached_tokens": _COUNT,
    "prompt_tokens_details": {
        "type": "object",
        "properties": {"cached_tokens": _COUNT, "cache_write_tokens": _COUNT},
    },
}
_FILE = _exact(
    id=_TEXT,
    object=_only("file"),
    bytes=_COUNT,
    created_at=_COUNT,
    filename=_TEXT,
    purpose=_only("file-extract"),
    status=_only("ok", "error"),
    status_details=_TEXT,
)
_MODEL = _exact(id=_TEXT, object=_only("model"), created=_COUNT, owned_by=_TEXT)

ANSWERS: dict[str, Schema] = {
    "ErrorDetail": _exact(type=_TEXT, message=_TEXT),
    "Error": _exact(error=named("ErrorDetail")),
    "Cache": _CACHE,
    "CacheList": _list(named("Cache")),
    "CacheDeleted": _exact(
        deleted=_only(True), id=_ID, object=_only("context_cache_object.deleted")
    ),
    "CacheTag": _exact(
        cache_id=_ID,
        created_at=_COUNT,
        object=_only("cache_object.tag"),
        owned_by=_TEXT,
        tag={"type": "string", "pattern": TAG},
    ),
    "TagList": _list(named("CacheTag")),
    "TagDeleted": _exact(
        deleted=_only(True), object=_only("cache_object.tag.deleted"), tag=_TEXT
    ),
    "Completion": _exact(
        id=_TEXT,
        object=_only("chat.completion"),
        created=_COUNT,
        model=_TEXT,
        system_fingerprint=_TEXT,
        choices={
            "type": "array",
            "items": _exact(
                index=_COUNT,
                message=named("AssistantMessage"),
                finish_reason=_only("stop", "length", "tool_calls"),
            ),
        },
        usage=_USAGE,
    ),
    # One event of a stream: a chunk, or [DONE], as text.
    "Event": _exact(data=_TEXT),
    "File": _FILE,
    "FileList": _list(named("File")),
    "FileContent": _exact(
        content=_TEXT,
        file_type=_TEXT,
        filename=_TEXT,
        title=_TEXT,
        type=_only("file"),
    ),
    "FileDeleted": _exact(deleted=_only(True), id=_TEXT, object=_only("file")),
    "Model": _MODEL,
    "ModelList": _list(named("Model")),
    "TokenEstimate": _envelope(_exact(total_tokens=_COUNT)),
    "Balance": _envelope(
        _exact(
            available_balance={"type": "number"},
            voucher_balance={"type": "number"},
            cash_balance={"type": "number"},
        )
    ),
    "Bill": _exact(
        object=_only("stand_in.bill"),
        account=_TEXT,
        currency=_only("CNY", "USD"),
        as_of=_COUNT,
        totals=_exact(
            creation=_AMOUNT,
            storage=_AMOUNT,
            calls=_AMOUNT,
            cache_read=_AMOUNT,
            cache_write=_AMOUNT,
            input=_AMOUNT,
            output=_AMOUNT,
            total=_AMOUNT,
        ),
        lines={
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "kind": _only("creation", "storage", "chat"),
                    "at": _COUNT,
                    "amount": _AMOUNT,
                },
                "required": ["kind", "at", "amount"],
            },
        },
    ),
}
