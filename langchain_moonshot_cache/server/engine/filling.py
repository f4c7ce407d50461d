"""Filling a JSON schema from what a question says.

Numbers, quotations and places of the question are handed out in order, each once;
what the question does not say comes from the schema's own defaults, examples and
bounds. The result is valid for the schema wherever the keywords of ``validity`` leave
a value that can be found without search.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from langchain_moonshot_cache.server.engine.bounds import (
    MOST_ITEMS,
    number_within,
    size,
    sized,
)
from langchain_moonshot_cache.server.engine.conversation import as_list, as_object
from langchain_moonshot_cache.server.engine.material import Material
from langchain_moonshot_cache.server.engine.validity import Validity, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["fill"]

DEEPEST: Final = 12
"""Levels of schema that are filled; below, only what ends soonest."""

ABYSS: Final = 60
"""Levels at which even required properties are given up."""

NODES: Final = 2000
"""Schemas visited for one value, so that branching recursion comes to an end."""

MOST_PARTS: Final = 64
"""Parts of ``allOf``, and of those in turn, that are laid together."""


def fill(schema: Any, *, source: str, question: str | None = None) -> Any:
    """Make a value for a schema.

    Args:
        schema: The JSON schema; references point into it.
        source: The text that numbers, quotations and names are taken from.
        question: The whole question, if ``source`` is only a part of it.

    Returns:
        A JSON value.
    """
    material = Material(source, source if question is None else question)
    return _Filling(schema, material).value(schema)


class _Filling:
    """One value in the making: what is left of the material, and how much was done."""

    def __init__(self, root: Any, material: Material) -> None:
        self._root = root
        self._material = material
        self._validity = Validity(root)
        self._nodes = 0

    def value(self, schema: Any, *, key: str = "", depth: int = 0) -> Any:
        """Make the value of one schema; ``key`` is the property that it is for."""
        self._nodes += 1
        rules = self._rules(schema)
        for choice in self._given(rules):
            if self._validity.fits(choice, rules):
                return choice
        options = [*as_list(rules.get("anyOf")), *as_list(rules.get("oneOf"))]
        if options and not self._lost(depth):
            return self._option(options, rules, key=key, depth=depth)
        return self._typed(_kind(rules), rules, key=key, depth=depth)

    def _rules(self, schema: Any) -> Mapping[str, Any]:
        """Resolve a schema's references and lay the parts of ``allOf`` together."""
        merged: dict[str, Any] = {}
        properties: dict[str, Any] = {}
        required: list[Any] = []
        parts = [schema]
        for part in parts:
            rules = as_object(resolve(part, root=self._root))
            properties |= as_object(rules.get("properties"))
            required += as_list(rules.get("required"))
            merged |= {key: rule for key, rule in rules.items() if key != "allOf"}
            parts += as_list(rules.get("allOf"))[: MOST_PARTS - len(parts)]
        named = {"properties": properties, "required": required}
        return merged | {key: rule for key, rule in named.items() if key in merged}

    def _spent(self, depth: int) -> bool:
        return depth >= DEEPEST or self._nodes > NODES

    def _lost(self, depth: int) -> bool:
        """Tell when a schema that requires itself has to be cut off."""
        return depth >= ABYSS or self._nodes > 2 * NODES

    def _typed(
        self, kind: str, rules: Mapping[str, Any], *, key: str, depth: int
    ) -> Any:
        if kind == "object":
            return self._object(rules, depth=depth)
        if kind == "array":
            return self._array(rules, key=key, depth=depth)
        if kind in ("integer", "number"):
            return self._number(rules, key=key, whole=kind == "integer")
        if kind == "boolean":
            default = rules.get("default")
            return default if isinstance(default, bool) else self._material.says_yes()
        return None if kind == "null" else self._string(rules, key=key)

    def _given(self, rules: Mapping[str, Any]) -> Iterator[Any]:
        """Give the values that the schema itself names, the likeliest first."""
        if "const" in rules:
            yield rules["const"]
        if not (choices := as_list(rules.get("enum"))):
            return
        yield from self._material.mentioned(choices)
        if "default" in rules:
            yield rules["default"]
        yield from choices

    def _option(
        self, options: Sequence[Any], rules: Mapping[str, Any], *, key: str, depth: int
    ) -> Any:
        """Take the first alternative that yields a valid value, null last."""
        beside = {k: v for k, v in rules.items() if k not in ("anyOf", "oneOf")}
        resolved = [as_object(resolve(option, root=self._root)) for option in options]
        value: Any = None
        for option in sorted(resolved, key=lambda rule: self._unlikely(rule, depth)):
            if self._nodes > NODES:
                break
            mark = self._material.mark()
            value = self.value({**beside, **option}, key=key, depth=depth + 1)
            if self._validity.fits(value, rules):
                return value
            self._material.put_back(mark)
        return rules.get("default", value)

    def _unlikely(self, option: Mapping[str, Any], depth: int) -> int:
        """Rank an alternative: the lowest is tried first."""
        kind = _kind(option)
        if kind == "null":
            return 0 if self._spent(depth) else 9
        if kind in ("integer", "number"):
            return 1 if self._material.numbers and not self._material.quoted else 4
        return 3 if kind in ("object", "array") and self._spent(depth) else 2

    def _object(self, rules: Mapping[str, Any], *, depth: int) -> dict[str, Any]:
        known = as_object(rules.get("properties"))
        required = [k for k in as_list(rules.get("required")) if isinstance(k, str)]
        made: dict[str, Any] = {}
        if self._lost(depth):
            return made
        other = rules.get("additionalProperties", {})
        # Required ones first: they have the first choice of the material.
        for key in dict.fromkeys([*required, *known]):
            rule = known.get(key, other)
            wanted = key in required or not (self._spent(depth) or rule is False)
            if wanted and (key in required or not required or self._says(key, rule)):
                made[key] = self.value(rule, key=key, depth=depth + 1)
        # Written in the order of the schema, as a model would.
        return {key: made[key] for key in [*known, *made] if key in made}

    def _says(self, key: str, rule: Any) -> bool:
        """Tell whether the question holds something for an optional property."""
        rules = self._rules(rule)
        if self._material.mentioned(as_list(rules.get("enum"))):
            return True
        if _kind(rules) in ("integer", "number"):
            return bool(self._material.numbers)
        return self._material.about(key)

    def _array(self, rules: Mapping[str, Any], *, key: str, depth: int) -> list[Any]:
        first = as_list(rules.get("prefixItems"))
        low = size(rules.get("minItems"), default=0)
        high = size(rules.get("maxItems"), default=MOST_ITEMS)
        rest = rules.get("items", False if first else {})
        if rest is False or (self._spent(depth) and not low) or self._lost(depth):
            wanted = 0
        else:
            wanted = max(low, 1, self._supply(rest))
        items = [*first[:high], *([rest] * (min(wanted, high) - len(first)))]
        made = [self.value(item, key=key, depth=depth + 1) for item in items]
        return _distinct(made) if rules.get("uniqueItems") is True else made

    def _supply(self, rule: Any) -> int:
        """Count the items that the material has in store for an array."""
        rules = self._rules(rule)
        if rules.get("enum"):
            return 1
        if _kind(rules) in ("integer", "number"):
            return len(self._material.numbers)
        return len(self._material.quoted) if _kind(rules) == "string" else 1

    def _number(
        self, rules: Mapping[str, Any], *, key: str, whole: bool
    ) -> int | float:
        for number in self._material.numbers_for(key):
            if whole and number != math.floor(number):
                continue
            value = int(number) if whole else number
            if self._validity.fits(value, rules):
                self._material.take(number)
                return value
        return number_within(rules, whole=whole)

    def _string(self, rules: Mapping[str, Any], *, key: str) -> str:
        first = ""
        for found in self._material.texts_for(key, rules):
            text = sized(found, rules)
            if self._validity.fits(text, rules):
                self._material.take(found)
                return text
            first = first or text
        return first


def _kind(rules: Mapping[str, Any]) -> str:
    """Name the type to fill: the declared one, not null if another is allowed."""
    declared = rules.get("type")
    names = [declared] if isinstance(declared, str) else as_list(declared)
    for name in names:
        if isinstance(name, str) and name != "null":
            return name
    if names:
        return "null"
    if "properties" in rules or "required" in rules:
        return "object"
    return "array" if "items" in rules or "prefixItems" in rules else "string"


def _distinct(values: list[Any]) -> list[Any]:
    return [value for at, value in enumerate(values) if value not in values[:at]]
