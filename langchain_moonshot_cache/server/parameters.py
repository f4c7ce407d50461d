"""Query and header parameters: their schemas, and reading them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .refusals import bad_request
from .schema_check import first_problem
from .schemas import CACHE_ID, REQUESTS, TAG

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "CACHE_HEADERS",
    "CACHE_LIST",
    "TAG_LIST",
    "read_headers",
    "read_query",
]

Schema = dict[str, Any]

DEFAULT_PAGE = 20  # the vendor's
LARGEST_PAGE = 100

_LIMIT: Schema = {
    "type": "integer",
    "minimum": 1,
    "maximum": LARGEST_PAGE,
    "default": DEFAULT_PAGE,
}
_ORDER: Schema = {"type": "string", "enum": ["asc", "desc"], "default": "desc"}


def _list(cursor: str) -> dict[str, Schema]:
    position = {"type": "string", "pattern": cursor}
    return {"limit": _LIMIT, "order": _ORDER, "after": position, "before": position}


TAG_LIST = _list(TAG)
CACHE_LIST: dict[str, Schema] = {
    **_list(CACHE_ID),
    "metadata": {
        "type": "object",
        # A bracket in a key could not be told from the brackets around it.
        "propertyNames": {"type": "string", "pattern": r"^[^\[\]]+$"},
        # In a query every scalar is its text.
        "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
    },
}
CACHE_HEADERS: dict[str, Schema] = {
    "X-Msh-Context-Cache": {"type": "string"},
    "X-Msh-Context-Cache-Reset-TTL": {
        "type": "string",
        "pattern": "^([1-9][0-9]{0,2}|[12][0-9]{3}|3[0-5][0-9]{2}|3600)$",
        "description": "seconds, 1 to 3600",
    },
    "X-Msh-Context-Cache-DryRun": {"type": "string", "enum": ["0", "1"]},
}

_INTEGER = re.compile(r"-?[0-9]{1,18}")
_ENTRY = re.compile(r"metadata\[([^\[\]]+)\]")


def read_query(
    pairs: Iterable[tuple[str, str]], schemas: dict[str, Schema]
) -> dict[str, Any]:
    """Read query parameters; ``metadata[key]=value`` pairs become one object.

    Args:
        pairs: Names and values as sent.
        schemas: What each parameter may be.

    Raises:
        RefusedError: 400, when one is malformed, unknown or given twice.
    """
    found: dict[str, Any] = {}
    metadata: dict[str, str] = {}
    for name, value in pairs:
        entry = _ENTRY.fullmatch(name) if "metadata" in schemas else None
        if entry is not None:
            metadata[entry.group(1)] = value
        elif name in found:
            raise bad_request(f"The parameter {name} is given twice.")
        elif name in schemas:
            found[name] = _checked(value, schemas[name], name=name)
        else:
            known = ", ".join(schemas)
            raise bad_request(f"Unknown parameter {name[:80]!r}; there are: {known}.")
    if "metadata" in schemas:
        found["metadata"] = metadata
    return {
        name: found.get(name, schema.get("default")) for name, schema in schemas.items()
    }


def read_headers(headers: Mapping[str, str]) -> dict[str, Any]:
    """Read the cache headers that are there, by their names in lower case.

    Raises:
        RefusedError: 400, when one is malformed.
    """
    return {
        name.lower(): _checked(headers[name.lower()], schema, name=name)
        for name, schema in CACHE_HEADERS.items()
        if name.lower() in headers
    }


def _checked(text: str, schema: Schema, *, name: str) -> str | int:
    value: str | int = text
    if schema["type"] == "integer" and _INTEGER.fullmatch(text):
        value = int(text)
    problem = first_problem(value, schema, schemas=REQUESTS, at=name)
    if problem is not None:
        raise bad_request(problem)
    return value
