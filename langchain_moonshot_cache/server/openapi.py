"""The OpenAPI 3.1 document, from the schemas that requests are checked against."""

from __future__ import annotations

from functools import cache
from typing import Any

from .answers import ANSWERS
from .parameters import CACHE_HEADERS, CACHE_LIST, TAG_LIST
from .schemas import CACHE_ID, REQUESTS, TAG, named
from .streaming import EVENT_STREAM

__all__ = ["document"]

Schema = dict[str, Any]
JSON = "application/json"

_MODEL_NAME = r"^[A-Za-z0-9._\-]+$"
_PATH_PARAMETERS = {
    "cache_id": CACHE_ID,
    "file_id": r"^[a-z0-9]{20}$",
    "tag": TAG,
    "model": _MODEL_NAME,
}
_ERRORS = {
    "400": "The request is wrong as it stands.",
    "401": "There is no key, or it is not accepted.",
    "404": "There is no such thing for this account.",
    "413": "The body is too large.",
    "415": "The body is not declared as what it has to be.",
}


@cache
def document() -> Schema:
    """Return the document; it is the same for every server."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Stand-in for the Moonshot API",
            "version": "2",
            "description": "Speaks chat completions with automatic prefix caching, and "
            "/v1/caching. The engine is scripted: its answers are made up by rules.",
        },
        "security": [{"bearer": []}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": {**REQUESTS, **ANSWERS},
            "headers": {
                "RequestId": {
                    "description": "Id of the request, for the request log.",
                    "required": True,
                    "schema": {"type": "string"},
                },
                "CacheId": _header("The cache that was used.", CACHE_ID),
                "TokenSaved": _header("Prompt tokens from the cache.", "^[0-9]+$"),
                "TokenExp": _header("Its expiry, unix seconds.", "^[0-9]+$"),
                "Written": _header("Prompt tokens newly held at this life.", ".*"),
            },
        },
    }


def _paths() -> Schema:
    return {
        "/v1/caching": {
            "post": _operation("createCache", "Cache", body="CacheCreate"),
            "get": _operation(
                "listCaches", "CacheList", query=CACHE_LIST, errors=("404",)
            ),
        },
        "/v1/caching/refs/tags": {
            "post": _operation(
                "createTag", "CacheTag", body="TagCreate", errors=("404",)
            ),
            "get": _operation("listTags", "TagList", query=TAG_LIST, errors=("404",)),
        },
        "/v1/caching/refs/tags/{tag}": {
            "get": _operation("getTag", "CacheTag", path="tag", errors=("400", "404")),
            "delete": _operation(
                "deleteTag", "TagDeleted", path="tag", errors=("400",)
            ),
        },
        "/v1/caching/refs/tags/{tag}/content": {
            "get": _operation(
                "getTagContent", "Cache", path="tag", errors=("400", "404")
            )
        },
        "/v1/caching/{cache_id}": {
            "get": _operation("getCache", "Cache", path="cache_id", errors=("404",)),
            "put": _operation(
                "updateCache",
                "Cache",
                path="cache_id",
                body="CacheUpdate",
                errors=("404",),
            ),
            "delete": _operation(
                "deleteCache", "CacheDeleted", path="cache_id", errors=("404",)
            ),
        },
        "/v1/chat/completions": {"post": _chat()},
        "/v1/files": {
            "post": _upload(),
            "get": _operation("listFiles", "FileList"),
        },
        "/v1/files/{file_id}": {
            "get": _operation("getFile", "File", path="file_id", errors=("404",)),
            "delete": _operation(
                "deleteFile", "FileDeleted", path="file_id", errors=("404",)
            ),
        },
        "/v1/files/{file_id}/content": {
            "get": _operation(
                "getFileContent", "FileContent", path="file_id", errors=("400", "404")
            )
        },
        "/v1/models": {"get": _operation("listModels", "ModelList")},
        "/v1/models/{model}": {
            "get": _operation("getModel", "Model", path="model", errors=("404",))
        },
        "/v1/tokenizers/estimate-token-count": {
            "post": _operation(
                "estimateTokens",
                "TokenEstimate",
                body="TokenEstimateRequest",
                errors=("404",),
            ),
        },
        "/v1/users/me/balance": {"get": _operation("getBalance", "Balance")},
        "/_stand_in/bill": {"get": _operation("getBill", "Bill")},
    }


def _operation(
    name: str,
    answer: str,
    *,
    body: str | None = None,
    path: str | None = None,
    query: dict[str, Schema] | None = None,
    errors: tuple[str, ...] = (),
) -> Schema:
    parameters = [_query(key, schema) for key, schema in (query or {}).items()]
    if path is not None:
        schema = {"type": "string", "pattern": _PATH_PARAMETERS[path]}
        parameters.append(
            {"name": path, "in": "path", "required": True, "schema": schema}
        )
    # Whatever a body is sent to may find it too large, also where none is wanted.
    statuses = {"401", "413", *errors}
    if query is not None:
        statuses.add("400")
    operation: Schema = {"operationId": name, "parameters": parameters}
    if body is not None:
        statuses |= {"400", "415"}
        content = {JSON: {"schema": named(body)}}
        operation["requestBody"] = {"required": True, "content": content}
    operation["responses"] = {
        "200": _answer("The answer.", {JSON: {"schema": named(answer)}}),
        **{status: _error(status) for status in sorted(statuses)},
    }
    return operation


def _chat() -> Schema:
    operation = _operation("chat", "Completion", body="ChatRequest", errors=("404",))
    operation["parameters"] = [
        {"name": name, "in": "header", "schema": schema}
        for name, schema in CACHE_HEADERS.items()
    ]
    answer = operation["responses"]["200"]
    answer["content"][EVENT_STREAM] = {"schema": named("Event")}
    for name, component in (
        ("Msh-Context-Cache-Id", "CacheId"),
        ("Msh-Context-Cache-Token-Saved", "TokenSaved"),
        ("Msh-Context-Cache-Token-Exp", "TokenExp"),
        ("Msh-Usage-Cache-Write-Tokens-5m", "Written"),
        ("Msh-Usage-Cache-Write-Tokens-1h", "Written"),
    ):
        answer["headers"][name] = {"$ref": f"#/components/headers/{component}"}
    return operation


def _upload() -> Schema:
    operation = _operation("uploadFile", "File", body="FileUpload")
    content = operation["requestBody"]["content"]
    operation["requestBody"]["content"] = {"multipart/form-data": content[JSON]}
    return operation


def _query(name: str, schema: Schema) -> Schema:
    parameter: Schema = {"name": name, "in": "query", "schema": schema}
    if schema["type"] == "object":
        parameter |= {"style": "deepObject", "explode": True}
    return parameter


def _header(description: str, pattern: str) -> Schema:
    return {
        "description": description,
        "schema": {"type": "string", "pattern": pattern},
    }


def _answer(description: str, content: Schema) -> Schema:
    request_id = {"$ref": "#/components/headers/RequestId"}
    return {
        "description": description,
        "content": content,
        "headers": {"Msh-Request-Id": request_id},
    }


def _error(status: str) -> Schema:
    return _answer(_ERRORS[status], {JSON: {"schema": named("Error")}})
