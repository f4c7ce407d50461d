"""The subset of JSON schema that the schemas of tools and answers must keep to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .kimi_rules import SCHEMA_SUBSET
from .marks import implements

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["subset_problem"]

FOREIGN: Final = frozenset(
    {
        *("$comment", "exclusiveMaximum", "exclusiveMinimum", "format"),
        *("maxContains", "minContains", "prefixItems", "title"),
    }
)
"""Keywords that the subset does not have."""

TYPED: Final = ("type", "anyOf", "$ref")
"""What tells the type of a property, one of them."""

_BY_NAME: Final = ("properties", "$defs", "patternProperties", "definitions")
_IN_LISTS: Final = ("anyOf", "allOf", "oneOf")
_SINGLE: Final = ("items", "additionalProperties", "not", "contains")


@implements(SCHEMA_SUBSET)
def subset_problem(schema: Any, *, at: str) -> str | None:
    """Return the first thing in a schema that the subset does not have, or None.

    Args:
        schema: A JSON schema.
        at: Where it stands, such as ``"tools[0].function.parameters"``; the message
            continues that path to the place in question.
    """
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return f"{at}.type must be 'object': the root of a schema is an object."
    # Open ends instead of recursion: schemas nest as deeply as the JSON parser allows.
    open_ends = [(at, schema)]
    while open_ends:
        place, found = open_ends.pop()
        if problem := _here(found, at=place, is_root=place == at):
            return problem
        open_ends += reversed(list(_inside(found, place)))
    return None


def _here(schema: Mapping[str, Any], *, at: str, is_root: bool) -> str | None:
    foreign = next((key for key in schema if key in FOREIGN), None)
    if foreign is not None:
        return f"{at}.{foreign}: the keyword {foreign!r} is not supported here."
    if "$defs" in schema and not is_root:
        return f"{at}.$defs: '$defs' is supported at the root of a schema only."
    if "type" in schema and "anyOf" in schema:
        return f"{at}.type: 'type' must not stand beside 'anyOf'; put it inside."
    for name, rule in _named(schema, "properties"):
        if not isinstance(rule, dict) or not any(key in rule for key in TYPED):
            return f"{at}.properties.{name[:80]}: every property needs a 'type'."
    return None


def _named(schema: Mapping[str, Any], key: str) -> Iterator[tuple[str, Any]]:
    rules = schema.get(key)
    if isinstance(rules, dict):
        yield from rules.items()


def _inside(schema: Mapping[str, Any], at: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the schemas in a schema; a property's name is no keyword."""
    for key in _BY_NAME:
        for name, rule in _named(schema, key):
            if isinstance(rule, dict):
                yield f"{at}.{key}.{name[:80]}", rule
    for key in _IN_LISTS:
        rules = schema.get(key)
        for index, rule in enumerate(rules if isinstance(rules, list) else ()):
            if isinstance(rule, dict):
                yield f"{at}.{key}[{index}]", rule
    for key in _SINGLE:
        if isinstance(rule := schema.get(key), dict):
            yield f"{at}.{key}", rule
