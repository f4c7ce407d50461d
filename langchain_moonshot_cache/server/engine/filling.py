"""Filling a JSON schema from what a question says.

Numbers, quotations and places of the question are handed out in order, each once;
what the question does not say comes from the schema's own defaults, examples and
bounds. The result is valid for the schema wherever the keywords of ``validity`` leave
a value that can be found without search.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from langchain_moonshot_cache.server.engine import program, words
from langchain_moonshot_cache.server.engine.conversation import as_list, as_object
from langchain_moonshot_cache.server.engine.validity import fits, resolve

__all__ = ["fill"]

DEEPEST: Final = 12
"""Levels of schema that are filled; below, only what ends soonest."""

NODES: Final = 2000
"""Schemas visited for one value, so that branching recursion comes to an end."""

MOST_ITEMS: Final = 64
"""Items of an array, whatever ``minItems`` asks for."""

LONGEST_STRING: Final = 500
"""Characters taken from a question for one string."""

LONGEST_PADDING: Final = 10_000
"""Characters up to which a ``minLength`` is honoured."""

_CODE_KEYS: Final = frozenset({"code", "script", "source", "program", "snippet"})
_PLACE_KEYS: Final = frozenset(
    {"location", "city", "place", "country", "region", "address", "destination", "town"}
)
_NO: Final = re.compile(
    r"\b(?:false|no|not|without|off|disable\w*|don't|never)\b|不|否|没|别|关闭",
    re.IGNORECASE,
)
_FORMATS: Final[Mapping[str, tuple[str, str]]] = {
    "date": (r"\d{4}-\d\d-\d\d", "2024-07-01"),
    "date-time": (
        r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)",
        "2024-07-01T00:00:00Z",
    ),
    "email": (r"[\w.+-]+@[\w-]+\.[\w.-]+\w", "someone@example.com"),
    "time": (r"\d\d:\d\d(?::\d\d)?", "00:00:00Z"),
    "uri": (r"https?://[^\s\"'<>，。]+", "https://example.com/"),
    "uuid": (
        r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        f"{0:08x}-{0:04x}-4000-8000-{0:012x}",
    ),
}


def fill(schema: Any, *, source: str, question: str | None = None) -> Any:
    """Make a value for a schema.

    Args:
        schema: The JSON schema; references point into it.
        source: The text that numbers, quotations and names are taken from.
        question: The whole question, if ``source`` is only a part of it: it decides
            which enum value is meant and what a program is to do.

    Returns:
        A JSON value.
    """
    return _Filling(schema, source=source, question=question or source).value(schema)


class _Filling:
    """One value in the making: what is left of the source, and how much was done."""

    def __init__(self, root: Any, *, source: str, question: str) -> None:
        self._root = root
        self._source = source
        self._question = question
        self._numbers = words.numbers(source)
        self._quoted = words.quoted(source)
        self._places = words.places(source)
        self._nodes = 0

    def value(self, schema: Any, *, key: str = "", depth: int = 0) -> Any:
        """Make the value of one schema; ``key`` is the property that it is for."""
        self._nodes += 1
        schema = resolve(schema, root=self._root)
        rules = _merged(as_object(schema), root=self._root)
        for choice in self._given(rules):
            if self._fits(choice, rules):
                return choice
        if options := [*as_list(rules.get("anyOf")), *as_list(rules.get("oneOf"))]:
            return self._option(options, rules, key=key, depth=depth)
        return self._typed(_kind(rules), rules, key=key, depth=depth)

    def _fits(self, value: Any, rules: Mapping[str, Any]) -> bool:
        return fits(value, rules, root=self._root)

    def _spent(self, depth: int) -> bool:
        return depth >= DEEPEST or self._nodes > NODES

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
            return rules.get("default", not _NO.search(self._source))
        return None if kind == "null" else self._string(rules, key=key)

    def _given(self, rules: Mapping[str, Any]) -> Iterator[Any]:
        """Values that the schema itself names, the likeliest first."""
        if "const" in rules:
            yield rules["const"]
        if not (choices := as_list(rules.get("enum"))):
            return
        yield from self._mentioned(choices)
        if "default" in rules:
            yield rules["default"]
        yield from choices

    def _mentioned(self, choices: Any) -> list[str]:
        """The choices that the question names, longest first."""
        text = self._question.lower()
        found = [c for c in choices if isinstance(c, str) and c and c.lower() in text]
        return sorted(found, key=len, reverse=True)

    def _option(
        self, options: list[Any], rules: Mapping[str, Any], *, key: str, depth: int
    ) -> Any:
        """Take the first alternative that yields a valid value, null last."""
        beside = {k: v for k, v in rules.items() if k not in ("anyOf", "oneOf")}
        resolved = [resolve(option, root=self._root) for option in options]
        ready = sorted(resolved, key=lambda option: self._unlikely(option, depth))
        value: Any = None
        for option in ready:
            if not isinstance(option, Mapping) or self._nodes > NODES:
                continue
            kept = list(self._numbers), list(self._quoted), list(self._places)
            value = self.value({**beside, **option}, key=key, depth=depth + 1)
            if self._fits(value, rules):
                return value
            self._numbers, self._quoted, self._places = kept
        return rules.get("default", value)

    def _unlikely(self, option: Any, depth: int) -> int:
        """Rank an alternative: 0 is tried first."""
        kind = _kind(as_object(option))
        if kind == "null":
            return 0 if self._spent(depth) else 9
        if kind in ("integer", "number"):
            return 0 if self._numbers and not self._quoted else 4
        return 2 if kind in ("object", "array") and self._spent(depth) else 1

    def _object(self, rules: Mapping[str, Any], *, depth: int) -> dict[str, Any]:
        known = as_object(rules.get("properties"))
        required = [k for k in as_list(rules.get("required")) if isinstance(k, str)]
        spent = self._spent(depth)
        made: dict[str, Any] = {}
        for key in sorted(known, key=lambda k: k not in required):
            rule = known[key]
            if rule is False or (spent and key not in required):
                continue
            if key in required or not required or self._says(key, rule):
                made[key] = self.value(rule, key=key, depth=depth + 1)
        for key in required:
            if key not in made:
                other = rules.get("additionalProperties", {})
                made[key] = self.value(other, key=key, depth=depth + 1)
        # Written in the order of the schema, whatever was filled first.
        return {key: made[key] for key in [*known, *made] if key in made}

    def _says(self, key: str, rule: Any) -> bool:
        """Tell whether the question holds something for an optional property."""
        rules = as_object(resolve(rule, root=self._root))
        if self._mentioned(as_list(rules.get("enum"))):
            return True
        if _kind(rules) in ("integer", "number"):
            return bool(self._numbers)
        return bool(words.stems(key) & words.stems(self._source))

    def _array(self, rules: Mapping[str, Any], *, key: str, depth: int) -> list[Any]:
        first = as_list(rules.get("prefixItems"))
        low, high = _size(rules.get("minItems"), 0), _size(rules.get("maxItems"), None)
        made = [self.value(rule, key=key, depth=depth + 1) for rule in first]
        rest = rules.get("items", {} if not first else False)
        if rest is not False:
            wanted = max(low, min(1, high), self._supply(rest))
            wanted = 0 if self._spent(depth) and not low else wanted
            while len(made) < min(wanted, high) and self._nodes <= NODES:
                made.append(self.value(rest, key=key, depth=depth + 1))
        return _distinct(made) if rules.get("uniqueItems") is True else made[:high]

    def _supply(self, rule: Any) -> int:
        """How many items the source has in store for an array."""
        rules = as_object(resolve(rule, root=self._root))
        if rules.get("enum"):
            return 1
        if _kind(rules) in ("integer", "number"):
            return len(self._numbers)
        return len(self._quoted) if _kind(rules) == "string" else 1

    def _number(
        self, rules: Mapping[str, Any], *, key: str, whole: bool
    ) -> int | float:
        assigned = re.search(
            rf"(?<!\w){re.escape(key)}\s*[=:：]\s*(-?\d{{1,15}}(?:\.\d{{1,15}})?)",
            self._source,
        )
        candidates = [*(words.numbers(assigned[1]) if key and assigned else ())]
        candidates += self._numbers
        for number in candidates:
            if whole and number != math.floor(number):
                continue
            value = int(number) if whole else number
            if self._fits(value, rules):
                if number in self._numbers:
                    self._numbers.remove(number)
                return value
        return _bounded(rules, whole=whole)

    def _string(self, rules: Mapping[str, Any], *, key: str) -> str:
        fallback = "…"
        for text in self._strings(rules, key=key):
            fallback = _sized(text, rules)
            if self._fits(fallback, rules):
                if text in self._quoted:
                    self._quoted.remove(text)
                if text in self._places:
                    self._places.remove(text)
                return fallback
        return fallback

    def _strings(self, rules: Mapping[str, Any], *, key: str) -> Iterator[str]:
        """Texts that a string property may hold, the likeliest first."""
        keys = set(words.spoken(key))
        if keys & _CODE_KEYS:
            yield program.write_program(self._question, language=self._language())
        if isinstance(form := rules.get("format"), str) and form in _FORMATS:
            pattern, example = _FORMATS[form]
            yield from re.findall(pattern, self._source)
            yield example
        if key and (found := self._assigned(key)):
            yield found
        if keys & _PLACE_KEYS:
            yield from list(self._places)
        yield from list(self._quoted)
        if "name" in keys and (name := words.named(self._source)):
            yield name
        for text in [rules.get("default"), *as_list(rules.get("examples"))]:
            if isinstance(text, str):
                yield text
        yield words.salient(self._source)[:LONGEST_STRING]
        yield from words.spoken(self._source)
        yield from map(str, words.numbers(self._source))
        yield from ("a", "A", "0", "")

    def _assigned(self, key: str) -> str | None:
        """Read ``key: value`` or ``key=value``."""
        pattern = rf"(?<!\w){re.escape(key)}\s*[=:：]\s*([^\s\"',，。;；]+)"
        found = re.search(pattern, self._source)
        return found[1] if found else None

    def _language(self) -> str:
        text = self._question.lower()
        return "javascript" if re.search(r"javascript|\bjs\b|node", text) else "python"


def _merged(rules: Mapping[str, Any], *, root: Any) -> Mapping[str, Any]:
    """Lay the parts of ``allOf`` over one another."""
    parts = as_list(rules.get("allOf"))
    if not parts:
        return rules
    merged: dict[str, Any] = {k: v for k, v in rules.items() if k != "allOf"}
    for part in map(as_object, (resolve(part, root=root) for part in parts)):
        properties = {**as_object(merged.get("properties"))}
        properties.update(as_object(part.get("properties")))
        required = [*as_list(merged.get("required")), *as_list(part.get("required"))]
        merged.update(part)
        if properties:
            merged["properties"] = properties
        if required:
            merged["required"] = required
    return merged


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


def _size(bound: Any, default: int | None) -> int:
    """Read a bound on the number of items."""
    if isinstance(bound, bool) or not isinstance(bound, int | float):
        return MOST_ITEMS if default is None else default
    return int(max(0, min(bound, MOST_ITEMS)))


def _distinct(values: list[Any]) -> list[Any]:
    return [value for at, value in enumerate(values) if value not in values[:at]]


def _bounded(rules: Mapping[str, Any], *, whole: bool) -> int | float:
    """Find a number from a schema's own words, nearest to its lower bound."""
    step = _finite(rules.get("multipleOf"), above=0)
    low = _finite(rules.get("minimum"))
    above = _finite(rules.get("exclusiveMinimum"))
    below = [_finite(rules.get("maximum")), _finite(rules.get("exclusiveMaximum"))]
    floor = max((b for b in (low, above) if b is not None), default=None)
    roof = min((b for b in below if b is not None), default=None)
    tries: list[Any] = [rules.get("default"), *as_list(rules.get("examples")), 0, 1]
    if step:
        tries += [
            step * math.ceil((floor or 0) / step),
            step * (math.floor((floor or 0) / step) + 1),
        ]
    for bound in (floor, roof):
        if bound is not None:
            tries += [math.ceil(bound), math.floor(bound) + 1, math.ceil(bound) - 1]
            tries += [math.floor(bound), bound]
    if floor is not None and roof is not None:
        tries.append((floor + roof) / 2)
    for number in tries:
        if fits(number, {**rules, "type": "integer" if whole else "number"}):
            return int(number) if whole else number
    return 0


def _finite(bound: Any, *, above: float = -math.inf) -> int | float | None:
    """Read a bound that arithmetic can be done with."""
    if isinstance(bound, bool) or not isinstance(bound, int | float):
        return None
    usable = abs(bound) < 1e300 and bound > above  # noqa: PLR2004 - far from overflow
    return bound if usable else None


def _sized(text: str, rules: Mapping[str, Any]) -> str:
    """Bring a text to the length that a schema asks for."""
    low, high = rules.get("minLength"), rules.get("maxLength")
    if isinstance(high, int) and not isinstance(high, bool) and len(text) > high:
        text = text[: max(0, high)]
    if isinstance(low, int) and len(text) < low <= LONGEST_PADDING:
        text = (text or "…").ljust(low, ".")
    return text
