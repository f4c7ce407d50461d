"""Whether a value fits a JSON schema: the keywords that tools and answers use.

Covered: ``type``, ``enum``, ``const``, ``$ref`` within the document, ``anyOf``,
``oneOf``, ``allOf``, ``not``, the bounds of numbers, strings and arrays, ``pattern``,
``uniqueItems``, ``items``, ``prefixItems``, ``properties``, ``required``,
``additionalProperties``, ``minProperties`` and ``maxProperties``. ``format`` is an
annotation, as the JSON-schema specification has it by default.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from langchain_moonshot_cache.server.engine.conversation import as_list, as_object

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Validity", "fits", "resolve"]

DEEPEST: Final = 40
"""Levels of schema that are followed; deeper ones count as fitting."""

LONGEST_MATCHED: Final = 200
"""Characters that a ``pattern`` is tried on, which bounds a slow pattern's harm."""

ROUNDING: Final = 1e-9
"""How far a quotient of floats may be from a whole number and still count as one."""


def _is_number(value: Any) -> TypeGuard[int | float]:
    """Tell numbers from booleans and from infinities."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, int) or math.isfinite(value)


_TYPES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "array": lambda value: isinstance(value, list),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: _is_number(value) and value == math.floor(value),
    "null": lambda value: value is None,
    "number": _is_number,
    "object": lambda value: isinstance(value, dict),
    "string": lambda value: isinstance(value, str),
}


def resolve(schema: Any, *, root: Any) -> Any:
    """Follow ``$ref`` to the schema that it names.

    Args:
        schema: A schema, with or without ``$ref``.
        root: The document that references point into.

    Returns:
        The schema meant, merged with what stands beside the reference; an empty one
        if the reference leads nowhere or in a circle.
    """
    for _ in range(DEEPEST):
        reference = as_object(schema).get("$ref")
        if not isinstance(reference, str):
            return schema
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        target = _pointed(root, reference)
        schema = {**as_object(target), **beside} if target is not False else False
    return {}


class Validity:
    """Judges values by the schemas of one document.

    Args:
        root: The document that references point into.
        steps: How many schemas may be looked at in all. A schema that refers to itself
            in several places takes exponential time to judge in full; when the steps
            are used up, everything counts as fitting.
    """

    def __init__(self, root: Any, *, steps: int = 20_000) -> None:
        self._root = root
        self._steps = steps

    def fits(self, value: Any, schema: Any, *, depth: int = 0) -> bool:
        """Tell whether a value is valid for a schema.

        Args:
            value: A JSON value.
            schema: An object or a boolean; anything else allows everything.
            depth: How many levels of schema were followed so far.

        Returns:
            True if no covered keyword forbids the value.
        """
        schema = resolve(schema, root=self._root)
        if isinstance(schema, bool):
            return schema
        rules = as_object(schema)
        self._steps -= 1
        if depth > DEEPEST or self._steps < 0 or not rules:
            return True

        def inner(part: Any, rule: Any) -> bool:
            return self.fits(part, rule, depth=depth + 1)

        return (
            _typed(value, rules)
            and _number(value, rules)
            and _string(value, rules)
            and _combined(value, rules, inner)
            and _array(value, rules, inner)
            and _object(value, rules, inner)
        )


def fits(value: Any, schema: Any) -> bool:
    """Tell whether a value is valid for a schema that is a document of its own.

    Args:
        value: A JSON value.
        schema: The schema.

    Returns:
        True if no covered keyword forbids the value.
    """
    return Validity(schema).fits(value, schema)


def _pointed(root: Any, reference: str) -> Any:
    """Follow a JSON pointer such as ``#/$defs/Place``; None if it leads nowhere."""
    if not reference.startswith("#"):
        return None
    target = root
    for step in filter(None, reference[1:].split("/")):
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(target, list) and key.isdecimal() and int(key) < len(target):
            target = target[int(key)]
        else:
            target = as_object(target).get(key)
    return target


def _same(one: Any, other: Any) -> bool:
    """Compare as JSON does: ``1`` is not ``true``, ``1.0`` is ``1``."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


def _typed(value: Any, rules: Mapping[str, Any]) -> bool:
    kinds = rules.get("type")
    names = [kinds] if isinstance(kinds, str) else as_list(kinds)
    known = [_TYPES[n] for n in names if isinstance(n, str) and n in _TYPES]
    if known and not any(test(value) for test in known):
        return False
    if "const" in rules and not _same(value, rules["const"]):
        return False
    choices = rules.get("enum")
    return not isinstance(choices, list) or any(_same(value, c) for c in choices)


def _combined(
    value: Any, rules: Mapping[str, Any], inner: Callable[[Any, Any], bool]
) -> bool:
    if not all(inner(value, rule) for rule in as_list(rules.get("allOf"))):
        return False
    options = as_list(rules.get("anyOf"))
    if options and not any(inner(value, rule) for rule in options):
        return False
    one_of = as_list(rules.get("oneOf"))
    if one_of and sum(inner(value, rule) for rule in one_of) != 1:
        return False
    return "not" not in rules or not inner(value, rules["not"])


def _number(value: Any, rules: Mapping[str, Any]) -> bool:
    if not _is_number(value):
        return True
    low, high = rules.get("minimum"), rules.get("maximum")
    above, below = rules.get("exclusiveMinimum"), rules.get("exclusiveMaximum")
    step = rules.get("multipleOf")
    return not (
        (_is_number(low) and value < low)
        or (_is_number(high) and value > high)
        or (_is_number(above) and value <= above)
        or (_is_number(below) and value >= below)
        or (_is_number(step) and step > 0 and not _is_multiple(value, step))
    )


def _is_multiple(value: float, step: float) -> bool:
    """Divide exactly between integers, and as well as floats can otherwise."""
    if isinstance(value, int) and isinstance(step, int):
        return value % step == 0
    try:
        times = value / step
    except OverflowError:
        return True
    return math.isfinite(times) and abs(times - round(times)) < ROUNDING


def _within(length: int, low: Any, high: Any) -> bool:
    too_short = _is_number(low) and length < low
    return not too_short and not (_is_number(high) and length > high)


def _string(value: Any, rules: Mapping[str, Any]) -> bool:
    if not isinstance(value, str):
        return True
    if not _within(len(value), rules.get("minLength"), rules.get("maxLength")):
        return False
    pattern = rules.get("pattern")
    if not isinstance(pattern, str):
        return True
    try:
        return re.search(pattern, value[:LONGEST_MATCHED]) is not None
    except (re.error, RecursionError, OverflowError):
        return True


def _array(
    value: Any, rules: Mapping[str, Any], inner: Callable[[Any, Any], bool]
) -> bool:
    if not isinstance(value, list):
        return True
    if not _within(len(value), rules.get("minItems"), rules.get("maxItems")):
        return False
    if rules.get("uniqueItems") is True:
        written = {json.dumps(item, sort_keys=True) for item in value}
        if len(written) < len(value):
            return False
    first = as_list(rules.get("prefixItems"))
    if not all(inner(item, rule) for item, rule in zip(value, first, strict=False)):
        return False
    rest = rules.get("items", True)
    return all(inner(item, rest) for item in value[len(first) :])


def _object(
    value: Any, rules: Mapping[str, Any], inner: Callable[[Any, Any], bool]
) -> bool:
    if not isinstance(value, dict):
        return True
    needed = (key for key in as_list(rules.get("required")) if isinstance(key, str))
    if not all(key in value for key in needed):
        return False
    if not _within(len(value), rules.get("minProperties"), rules.get("maxProperties")):
        return False
    known = as_object(rules.get("properties"))
    other = rules.get("additionalProperties", True)
    return all(inner(item, known.get(key, other)) for key, item in value.items())
