"""From arguments to requests: checked before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from langchain_moonshot_cache.errors import (
    ConfigurationError,
    InvalidPromptError,
    MoonshotCacheError,
)
from langchain_moonshot_cache.protocol.exchange import Request

__all__ = [
    "BALANCE",
    "CACHES",
    "DEFAULT_TTL",
    "ESTIMATE",
    "FILES",
    "MODELS",
    "TAGS",
    "body_of",
    "cache_path",
    "checked",
    "file_path",
    "json_bytes",
    "json_objects",
    "page",
    "tag_path",
]

M = TypeVar("M", bound=BaseModel)

CACHES = "/caching"
TAGS = "/caching/refs/tags"
ESTIMATE = "/tokenizers/estimate-token-count"
MODELS = "/models"
FILES = "/files"
BALANCE = "/users/me/balance"
DEFAULT_TTL = 3600
"""Seconds; what the API documents for a create without an expiry. Sent explicitly
because the same page also asks for exactly one of ``ttl`` and ``expired_at``."""


def cache_path(cache_id: str) -> str:
    """The path of one cache."""
    return f"{CACHES}/{_segment(cache_id, 'cache_id')}"


def tag_path(tag: str) -> str:
    """The path of one tag."""
    return f"{TAGS}/{_segment(tag, 'tag')}"


def file_path(file_id: str) -> str:
    """The path of one uploaded file."""
    return f"{FILES}/{_segment(file_id, 'file_id')}"


def _segment(value: str, what: str) -> str:
    """Quote one path segment; refuse those that would name another resource."""
    if not isinstance(value, str) or not value.strip("."):
        raise ConfigurationError(f"{what} must be a non-empty name, not only dots.")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ConfigurationError(f"{what} must be visible ASCII characters.")
    return quote(value, safe="")


def page(
    path: str,
    *,
    limit: int,
    order: str,
    after: str | None,
    before: str | None,
    metadata: Mapping[str, str] | None = None,
) -> Request:
    """A request for one page of a list; both cursors are exclusive.

    Raises:
        ConfigurationError: The limit or the order is none.
    """
    if limit < 1:
        raise ConfigurationError("limit must be at least 1.")
    if order not in {"asc", "desc"}:
        raise ConfigurationError("order must be 'asc' or 'desc'.")
    params = [("limit", str(limit)), ("order", order)]
    params += [
        (name, value)
        for name, value in (("after", after), ("before", before))
        if value is not None
    ]
    params += [(f"metadata[{key}]", value) for key, value in (metadata or {}).items()]
    return Request(method="GET", path=path, params=tuple(params))


def json_objects(
    values: Sequence[Mapping[str, Any]], what: str
) -> list[dict[str, Any]]:
    """Copy a sequence of mappings into the list of dicts that JSON knows.

    Raises:
        InvalidPromptError: They are something else, which is not quoted.
    """
    if not isinstance(values, str | bytes | Mapping):
        with suppress(TypeError, ValueError):
            return [dict(value) for value in values]
    raise InvalidPromptError(f"{what} must be a sequence of mappings.")


def checked(model: type[M], fields: Mapping[str, Any]) -> M:
    """Build a request body and turn pydantic's complaints into ours.

    Raises:
        InvalidPromptError: The messages or tools are at fault.
        ConfigurationError: Any other field is.
    """
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        first = error.errors(
            include_url=False, include_context=False, include_input=False
        )[0]
    raise _complaint(first["loc"], first["msg"])


def _complaint(location: tuple[int | str, ...], why: str) -> MoonshotCacheError:
    field = str(location[0]) if location else "the request"
    kind = InvalidPromptError if field in {"messages", "tools"} else ConfigurationError
    return kind(f"Nothing was sent, because of {field}: {why}.")


def body_of(model: BaseModel) -> bytes:
    """Encode a request body without the fields that were not given."""
    given = {name: value for name, value in model if value is not None}
    return json_bytes(given)


def json_bytes(value: Any) -> bytes:
    """Encode JSON as compact UTF-8: Chinese text takes half of what escapes take.

    Raises:
        InvalidPromptError: The value holds something that JSON does not know.
    """
    try:
        text = json.dumps(
            value, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
        return text.encode()
    except UnicodeEncodeError:
        why = "a lone surrogate, which is no Unicode text"
    except RecursionError:
        why = "nesting too deep for JSON"
    except (TypeError, ValueError):
        why = "a value that JSON does not know, such as NaN, a set or an own class"
    raise InvalidPromptError(f"Nothing was sent: the messages or tools hold {why}.")
