"""Draws JSON schemas and values that fit them or nearly do.

The draws come from a seed, of which hypothesis chooses thousands: a strategy that draws
the same by itself takes some fifty times as long.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

Json = dict[str, Any]

NAMES = ("a", "b", "title", "properties", "$defs", "format")
TYPES = ("string", "integer", "number", "boolean", "object", "array", "null")
NUMBERS = (-3, -1, 0, 1, 2, 3, -1.5, 0.5, 1.0, 2.5)
DEEPEST = 3


def value(chance: Random, depth: int = 0) -> Any:
    """Draw any JSON value."""
    plain = (None, True, False, "", "a", "title", *NUMBERS)
    kind = chance.random()
    if kind < 0.7 or depth == DEEPEST:
        return chance.choice(plain)
    count = chance.randrange(3)
    if kind < 0.85:
        return [value(chance, depth + 1) for _ in range(count)]
    return {name: value(chance, depth + 1) for name in chance.sample(NAMES, count)}


def arguments(chance: Random) -> Json:
    """Draw the arguments of a call."""
    names = chance.sample(NAMES, chance.randrange(4))
    return {name: value(chance, 1) for name in names}


def kind(chance: Random) -> Any:
    """Draw a type, or several."""
    if chance.random() < 0.7:
        return chance.choice(TYPES)
    return chance.sample(TYPES, chance.randint(1, 3))


def schema(chance: Random, depth: int = 0) -> Any:
    """Draw a schema, down to some depth."""
    if depth and chance.random() < 0.1:
        return chance.random() < 0.8
    drawn: Json = {"type": kind(chance)} if chance.random() < 0.6 else {}
    choices = _KEYWORDS if depth < DEEPEST else _LEAVES
    for name in chance.sample(sorted(choices), chance.randrange(3)):
        drawn[name] = choices[name](chance, depth + 1)
    if chance.random() < 0.2:
        drawn["title"] = "T"
    keys = list(drawn)
    chance.shuffle(keys)
    return {key: drawn[key] for key in keys}


def root(chance: Random) -> Json:
    """Draw the schema of a tool's parameters."""
    drawn = {
        "type": "object",
        "properties": _by_name(chance, 0),
        "$defs": {"one": schema(chance, 1), "two": {"type": chance.choice(TYPES)}},
    }
    if chance.random() < 0.3:
        drawn["additionalProperties"] = schema(chance, 1)
    if chance.random() < 0.3:
        drawn["required"] = chance.sample(NAMES, chance.randrange(3))
    return drawn


def written(drawn: Any) -> str:
    """Write a value so that the order of keys can be compared."""
    return json.dumps(drawn, ensure_ascii=False)


def turned_around(drawn: Any, *, keep: bool = False) -> Any:
    """Turn the keys of every object and the sets around; properties stay in order."""
    if isinstance(drawn, list):
        return [turned_around(item) for item in drawn]
    if not isinstance(drawn, dict):
        return drawn
    names = list(drawn) if keep else list(drawn)[::-1]
    turned = {
        name: turned_around(drawn[name], keep=name == "properties" and not keep)
        for name in names
    }
    for name in ("required", "type"):
        if not keep and isinstance(turned.get(name), list):
            turned[name] = turned[name][::-1]
    return turned


def _by_name(chance: Random, depth: int) -> Json:
    names = chance.sample(NAMES, chance.randrange(4))
    return {name: schema(chance, depth + 1) for name in names}


def _some(chance: Random, depth: int) -> list[Any]:
    return [schema(chance, depth) for _ in range(chance.randint(1, 3))]


def _number(chance: Random, _: int) -> float:
    return chance.choice(NUMBERS)


_LEAVES: dict[str, Callable[[Random, int], Any]] = {
    "enum": lambda chance, _: [value(chance, 1) for _ in range(chance.randint(1, 3))],
    "const": lambda chance, _: value(chance, 1),
    "minimum": _number,
    "maximum": _number,
    "exclusiveMinimum": _number,
    "exclusiveMaximum": _number,
    "minLength": lambda chance, _: chance.randrange(3),
    "minContains": lambda chance, _: chance.randrange(3),
    "required": lambda chance, _: chance.sample(NAMES, chance.randrange(3)),
    "$ref": lambda chance, _: chance.choice(("#/$defs/one", "#/$defs/two")),
}
_KEYWORDS: dict[str, Callable[[Random, int], Any]] = {
    **_LEAVES,
    **dict.fromkeys(("anyOf", "allOf", "oneOf"), _some),
    **dict.fromkeys(
        ("items", "contains", "not", "if", "then", "else", "additionalProperties"),
        schema,
    ),
    "propertyNames": schema,
    "unevaluatedProperties": schema,
    "properties": _by_name,
    "patternProperties": lambda chance, depth: {"^a": schema(chance, depth)},
    "dependentSchemas": lambda chance, depth: {"a": schema(chance, depth)},
}
