"""Checks JSON values against the schemas that the OpenAPI document publishes.

One source for both: what the document allows is accepted, what it forbids is refused
with a message that names the place. Only the keywords that our schemas use exist here.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["first_problem"]

_TYPES: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "number": lambda value: (
        isinstance(value, int | float) and not isinstance(value, bool)
    ),
    "integer": lambda value: (
        (isinstance(value, int) and not isinstance(value, bool))
        or (isinstance(value, float) and value.is_integer())
    ),
}

Schemas = dict[str, dict[str, Any]]


def first_problem(
    value: Any, schema: Mapping[str, Any], *, schemas: Schemas, at: str
) -> str | None:
    """Return what is wrong with a value, or None.

    Args:
        value: A JSON value.
        schema: A schema; ``$ref`` is resolved by its last part.
        schemas: The named schemas.
        at: How to call the value in the message, such as ``"messages[0]"``.
    """
    return next(_problems(value, schema, schemas, at), None)


def _problems(
    value: Any, schema: Mapping[str, Any], schemas: Schemas, at: str
) -> Iterator[str]:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        yield from _problems(value, schemas[name], schemas, at)
        return
    if "discriminator" in schema:
        yield from _discriminated(value, schema, schemas, at)
        return
    if "anyOf" in schema:
        yield from _any_of(value, schema["anyOf"], schemas, at)
        return
    types = schema.get("type", ())
    types = (types,) if isinstance(types, str) else types
    if types and not any(_TYPES[name](value) for name in types):
        yield f"{at} must be {' or '.join(types)}."
        return
    if "enum" in schema and not _is_one_of(value, schema["enum"]):
        options = ", ".join(str(option) for option in schema["enum"])
        yield f"{at} must be one of: {options}."
    if isinstance(value, str):
        yield from _text(value, schema, at)
    elif isinstance(value, dict):
        yield from _object(value, schema, schemas, at)
    elif isinstance(value, list):
        yield from _array(value, schema, schemas, at)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _number(value, schema, at)


def _is_one_of(value: Any, options: list[Any]) -> bool:
    """Compare as JSON does, where true is not 1."""
    is_bool = isinstance(value, bool)
    return any(isinstance(o, bool) == is_bool and o == value for o in options)


def _discriminated(
    value: Any, schema: Mapping[str, Any], schemas: Schemas, at: str
) -> Iterator[str]:
    field = schema["discriminator"]["propertyName"]
    mapping = schema["discriminator"]["mapping"]
    if not isinstance(value, dict):
        yield f"{at} must be object."
        return
    choice = value.get(field)
    if not isinstance(choice, str) or choice not in mapping:
        yield f"{at}.{field} must be one of: {', '.join(mapping)}."
        return
    yield from _problems(value, {"$ref": mapping[choice]}, schemas, at)


def _any_of(
    value: Any, options: list[Mapping[str, Any]], schemas: Schemas, at: str
) -> Iterator[str]:
    firsts = [next(_problems(value, o, schemas, at), None) for o in options]
    if None in firsts:
        return
    # The deepest complaint is about the option that was meant.
    yield max((first for first in firsts if first), key=lambda text: text.count("."))


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    # JSON Schema's "$" is the very end; Python's also matches before a line feed.
    return re.compile(pattern.replace("$", r"\Z"))


def _text(value: str, schema: Mapping[str, Any], at: str) -> Iterator[str]:
    if len(value) < schema.get("minLength", 0):
        yield f"{at} must not be empty."
    if len(value) > schema.get("maxLength", len(value)):
        yield f"{at} has {len(value)} characters; at most {schema['maxLength']} fit."
    if "pattern" in schema and not _pattern(schema["pattern"]).search(value):
        yield f"{at} must be {schema.get('description') or schema['pattern']}."


def _number(value: float, schema: Mapping[str, Any], at: str) -> Iterator[str]:
    if value < schema.get("minimum", value):
        yield f"{at} must be at least {schema['minimum']}."
    if value > schema.get("maximum", value):
        yield f"{at} must be at most {schema['maximum']}."


def _object(
    value: dict[str, Any], schema: Mapping[str, Any], schemas: Schemas, at: str
) -> Iterator[str]:
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{at}.{name} is missing."
    if len(value) > schema.get("maxProperties", len(value)):
        yield f"{at} has {len(value)} entries; at most {schema['maxProperties']} fit."
    known = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    names = schema.get("propertyNames")
    for name, item in value.items():
        if names is not None:
            yield from _problems(name, names, schemas, f"a key of {at}")
        if name in known:
            yield from _problems(item, known[name], schemas, f"{at}.{name}")
        elif isinstance(others, dict):
            yield from _problems(item, others, schemas, f"{at}.{name[:80]}")


def _array(
    value: list[Any], schema: Mapping[str, Any], schemas: Schemas, at: str
) -> Iterator[str]:
    if len(value) < schema.get("minItems", 0):
        yield f"{at} must have at least {schema['minItems']} entries."
    if len(value) > schema.get("maxItems", len(value)):
        yield f"{at} has {len(value)} entries; at most {schema['maxItems']} fit."
    firsts = schema.get("prefixItems", ())
    for index, item in enumerate(value):
        rule = firsts[index] if index < len(firsts) else schema.get("items", {})
        yield from _problems(item, rule, schemas, f"{at}[{index}]")
