"""Moonshot's subset of JSON schema, and how a schema is brought into it.

The subset, as documented for ``kimi-*`` models: the root is an object; ``$defs`` stands
at the root only; there is no ``title``, ``$comment``, ``format``, ``prefixItems``, no
exclusive bound and no bound on ``contains``; every property has a type; no ``type``
stands beside ``anyOf``. What can be rewritten without changing what a schema accepts is
rewritten; what cannot is refused by its path. Schemas are read as those of the draft
of 2020-12.
"""

from __future__ import annotations

import re
from math import ceil, floor
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from langchain_moonshot_cache.chat_models.schema_order import (
    DEFINITIONS,
    mapped,
    ordered,
)
from langchain_moonshot_cache.errors import InvalidPromptError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["to_subset"]

Schema = dict[str, Any]

_SILENT = ("title", "$comment", "format")
"""Keywords that describe and do not constrain, so that they can be left out."""

_UNSAYABLE = {
    "prefixItems": "a list with a schema for each place cannot be said; use an object",
    "$dynamicRef": "a dynamic reference cannot be said; refer to $defs",
    "$recursiveRef": "a recursive reference cannot be said; refer to $defs",
}
_TYPED = ("type", "anyOf", "$ref")
_TYPES = ("string", "number", "boolean", "object", "array", "null")
_TYPE_NAMES: dict[type, str] = {
    bool: "boolean",
    dict: "object",
    float: "number",
    int: "integer",
    list: "array",
    str: "string",
    type(None): "null",
}
_INTO_DEFINITIONS = re.compile(r"#(?:/.*)?/(?:\$defs|definitions)/([^/]+)")


def to_subset(schema: Mapping[str, Any], *, where: str) -> Schema:
    """Bring a schema into the subset, with its keys in one order.

    Args:
        schema: A JSON schema whose root is an object.
        where: What the schema belongs to, for errors, such as ``tool 'search'``.

    Raises:
        InvalidPromptError: It uses something that the subset cannot say.
    """
    path = f"{where}: $"
    try:
        rewriting = _Rewriting()
        root = _as_root(rewriting.schema(dict(schema), path), rewriting.found, path)
    except RecursionError:
        raise _refusal(path, "it is nested too deeply") from None
    for place, name in rewriting.references:
        if name not in rewriting.found:
            raise _refusal(place, f"there is no definition {name!r}")
    if rewriting.found:
        root["$defs"] = rewriting.found
    done: Schema = ordered(root)
    return done


def _as_root(root: Schema, definitions: Schema, path: str) -> Schema:
    """Let a root say itself that it is an object."""
    root = _without_reference(root, definitions)
    if "anyOf" in root:
        raise _refusal(
            f"{path}.anyOf", "its root cannot be a choice; put that into a property"
        )
    kind = root.get("type", "object")
    if "object" not in ([kind] if isinstance(kind, str) else kind):
        raise _refusal(path, "its root must be an object")
    return {"properties": {}, **root, "type": "object"}


def _without_reference(root: Schema, definitions: Schema) -> Schema:
    """Put a definition in the place of a root that only refers to it."""
    seen = set()
    while root.keys() - {"description"} == {"$ref"}:
        name = str(root["$ref"]).removeprefix("#/$defs/")
        target = definitions.get(name)
        if not isinstance(target, dict) or name in seen:
            break
        seen.add(name)
        rest = {key: val for key, val in root.items() if key != "$ref"}
        root = {**target, **rest}
    return root


class _Rewriting:
    """One schema on its way into the subset.

    Attributes:
        found: The definitions from anywhere in it.
        references: Where definitions are referred to, and by which name.
    """

    def __init__(self) -> None:
        self.found: Schema = {}
        self.references: list[tuple[str, str]] = []

    def schema(self, schema: Any, path: str) -> Any:
        """Rewrite a schema and all that is nested in it."""
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, dict):
            raise _refusal(path, "a schema must be an object")
        done = {key: val for key, val in schema.items() if key not in _SILENT}
        self._take_definitions(done, path)
        _refuse_what_has_no_form(done, path)
        _bound_integers(done, path)
        if "$ref" in done:
            done["$ref"] = self._reference(done["$ref"], f"{path}.$ref")
        done = _push_type_down(done, path)
        done = mapped(done, lambda inner, step: self.schema(inner, path + step))
        if isinstance(done.get("properties"), dict):
            done["properties"] = {
                name: _typed(rule, f"{path}.properties.{name}")
                for name, rule in done["properties"].items()
            }
        return done

    def _take_definitions(self, schema: Schema, path: str) -> None:
        for key in DEFINITIONS:
            for name, definition in (schema.pop(key, None) or {}).items():
                place = f"{path}.{key}.{name}"
                rewritten = self.schema(definition, place)
                if self.found.setdefault(name, rewritten) != rewritten:
                    raise _refusal(place, "two definitions share this name; rename one")

    def _reference(self, target: Any, path: str) -> str:
        """Return a reference to where its definition stands afterwards."""
        if target == "#":
            return "#"
        match = _INTO_DEFINITIONS.fullmatch(str(target))
        if match is None:
            raise _refusal(path, "a reference must point into $defs")
        self.references.append((path, _unescaped(match[1])))
        return f"#/$defs/{match[1]}"


def _unescaped(name: str) -> str:
    return unquote(name).replace("~1", "/").replace("~0", "~")


def _refuse_what_has_no_form(schema: Schema, path: str) -> None:
    for key, why in _UNSAYABLE.items():
        if key in schema:
            raise _refusal(f"{path}.{key}", why)
    if isinstance(schema.get("items"), list):
        raise _refusal(f"{path}.items", _UNSAYABLE["prefixItems"])
    for key in ("minContains", "maxContains"):
        if schema.pop(key, None) is not None and "contains" in schema:
            raise _refusal(f"{path}.{key}", "a bound on contains cannot be said")


def _bound_integers(schema: Schema, path: str) -> None:
    """Say exclusive bounds of integers inclusively; others cannot be said."""
    for key, plain, nearest, tighter in (
        ("exclusiveMinimum", "minimum", _above, max),
        ("exclusiveMaximum", "maximum", _below, min),
    ):
        if key not in schema:
            continue
        bound, kinds = schema.pop(key), _kinds(schema.get("type"))
        if kinds and not kinds & {"integer", "number"}:
            continue  # a bound says nothing about what is no number
        whole = isinstance(bound, int | float) and not isinstance(bound, bool)
        if not whole or not kinds or "number" in kinds:
            raise _refusal(
                f"{path}.{key}",
                f"an exclusive bound of a number cannot be said; use {plain}",
            )
        schema[plain] = tighter(nearest(bound), schema.get(plain, nearest(bound)))


def _above(bound: float) -> int:
    return floor(bound) + 1


def _below(bound: float) -> int:
    return ceil(bound) - 1


def _kinds(kind: Any) -> set[str]:
    return {kind} if isinstance(kind, str) else set(kind or ())


def _typed(schema: Any, path: str) -> Schema:
    """Give a property without a type all types, or those of its values."""
    if schema is False:
        raise _refusal(path, "a property that must not be there cannot be said")
    rule: Schema = {} if schema is True else schema
    if any(key in rule for key in _TYPED):
        return rule
    values = rule.get("enum", [rule["const"]] if "const" in rule else None)
    if values is None:
        return {**rule, "anyOf": [{"type": name} for name in _TYPES]}
    names = sorted({_TYPE_NAMES.get(type(value), "") for value in values})
    if not names or "" in names:
        raise _refusal(path, "its values must be JSON, and at least one")
    return {**rule, "type": names[0] if len(names) == 1 else names}


def _push_type_down(schema: Schema, path: str) -> Schema:
    """Move a type that stands beside ``anyOf`` into each of its branches."""
    if "type" not in schema or not isinstance(schema.get("anyOf"), list):
        return schema
    kind = schema.pop("type")
    branches = [_of_kind(branch, kind) for branch in schema["anyOf"]]
    schema["anyOf"] = [branch for branch in branches if branch is not False]
    if not schema["anyOf"]:
        raise _refusal(f"{path}.anyOf", f"none of it can be of the type {kind!r}")
    return schema


def _of_kind(branch: Any, kind: Any) -> Any:
    """Narrow a branch to a type, or types; to False if nothing of it is left."""
    if not isinstance(branch, dict):
        return {"type": kind} if branch is True else branch
    if "type" not in branch:
        return {**branch, "type": kind}
    left, right = _kinds(branch["type"]), _kinds(kind)
    both = (left & _wide(right)) | (right & _wide(left))
    if not both:
        return False
    names = sorted(both)
    return {**branch, "type": names[0] if len(names) == 1 else names}


def _wide(kinds: set[str]) -> set[str]:
    """Add to types what is of them by another name: integers are numbers."""
    return kinds | {"integer"} if "number" in kinds else kinds


def _refusal(path: str, why: str) -> InvalidPromptError:
    return InvalidPromptError(
        f"{path} is outside the JSON schema that Moonshot's kimi models take: {why}. "
        "With strict=False the schema is sent as it is."
    )
