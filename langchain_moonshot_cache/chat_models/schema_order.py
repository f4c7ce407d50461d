"""Where a JSON schema holds further schemas, and one order for all that it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["BY_NAME", "DEFINITIONS", "IN_LISTS", "SINGLE", "mapped", "ordered"]

Schema = dict[str, Any]

DEFINITIONS = ("$defs", "definitions")
"""Where schemas stand that are referred to; the second is the older name."""

BY_NAME = ("properties", "patternProperties", "dependentSchemas", *DEFINITIONS)
"""Keywords that hold schemas by name."""

IN_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
"""Keywords that hold a list of schemas."""

SINGLE = (
    *("items", "additionalItems", "unevaluatedItems", "contains"),
    *("additionalProperties", "unevaluatedProperties", "propertyNames"),
    *("not", "if", "then", "else"),
)
"""Keywords that hold one schema."""

_SETS = ("required", "type")
"""Keywords whose lists mean the same in any order."""


def mapped(schema: Schema, change: Callable[[Any, str], Any]) -> Schema:
    """Return a schema with each of the schemas directly in it changed.

    Args:
        schema: A JSON schema.
        change: Gets a schema and its path from this one, such as ``.items``.
    """
    done = dict(schema)
    for key, held in schema.items():
        if key in BY_NAME and isinstance(held, dict):
            done[key] = {n: change(val, f".{key}.{n}") for n, val in held.items()}
        elif key in IN_LISTS and isinstance(held, list):
            done[key] = [change(val, f".{key}[{n}]") for n, val in enumerate(held)]
        elif key in SINGLE:
            done[key] = change(held, f".{key}")
    return done


def ordered(schema: Any) -> Any:
    """Order keys, and the lists that are sets, so that equal schemas are equal bytes.

    Properties keep their order: a model fills them in as they come, and authors put
    the thought before the answer on purpose. So do the values of an ``enum``.
    """
    if not isinstance(schema, dict):
        return schema
    deep = mapped(schema, lambda inner, _: ordered(inner))
    return {key: _ordered_value(key, deep[key]) for key in sorted(deep)}


def _ordered_value(key: str, value: Any) -> Any:
    if key == "properties" or key in IN_LISTS or key in SINGLE:
        return value
    if key in BY_NAME and isinstance(value, Mapping):
        return {name: value[name] for name in sorted(value)}
    if key in _SETS and isinstance(value, list):
        return sorted(value, key=str)
    return _plain(value)


def _plain(value: Any) -> Any:
    """Order the keys of a value that is no schema, such as a default."""
    if isinstance(value, dict):
        return {key: _plain(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
