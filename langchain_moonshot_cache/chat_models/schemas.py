"""Moonshot's subset of JSON schema, and how a schema is brought into it.

The subset, as documented for ``kimi-*`` models: the root is an object; ``$defs`` stands
at the root only; there is no ``title``, ``$comment``, ``format``, ``prefixItems``, no
exclusive bound and no bound on ``contains``; every property has a type; no ``type``
stands beside ``anyOf``. What can be rewritten without changing what a schema accepts is
rewritten; what cannot is refused by its path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.errors import InvalidPromptError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["to_subset"]

Schema = dict[str, Any]

_SILENT = ("title", "$comment", "format")
"""Keywords that describe and do not constrain, so that they can be left out."""

_NESTED_LISTS = ("anyOf", "oneOf", "allOf")
_NESTED = ("items", "additionalProperties", "not", "contains", "propertyNames")
_TYPES = ("string", "number", "boolean", "object", "array", "null")
_SAYS_WHAT = ("type", "anyOf", "oneOf", "allOf", "$ref", "enum", "const")
_TYPE_NAMES: dict[type, str] = {
    bool: "boolean",
    dict: "object",
    float: "number",
    int: "integer",
    list: "array",
    str: "string",
    type(None): "null",
}


def to_subset(schema: Mapping[str, Any], *, where: str) -> Schema:
    """Bring a schema into the subset, with its keys in one order.

    Args:
        schema: A JSON schema whose root is an object.
        where: What the schema belongs to, for errors, such as ``tool 'search'``.

    Raises:
        InvalidPromptError: It uses something that the subset cannot say.
    """
    definitions: Schema = {}
    root = _rewritten(dict(schema), f"{where}: $", definitions)
    root.setdefault("type", "object")
    if root["type"] != "object":
        raise _refusal(f"{where}: $", "its root must be an object")
    root.setdefault("properties", {})
    if definitions:
        root["$defs"] = definitions
    ordered: Schema = _sorted(root)
    return ordered


def _rewritten(schema: Any, path: str, definitions: Schema) -> Any:
    """Rewrite a schema and all that is nested in it."""
    if not isinstance(schema, dict):
        return schema
    done = {key: val for key, val in schema.items() if key not in _SILENT}
    for name, definition in (done.pop("$defs", None) or {}).items():
        place = f"{path}.$defs.{name}"
        known = definitions.setdefault(name, {})
        rewritten = _rewritten(definition, place, definitions)
        if known and known != rewritten:
            raise _refusal(place, "two definitions share this name; rename one")
        definitions[name] = rewritten
    _refuse_what_has_no_form(done, path)
    _bound_integers(done, path)
    if "properties" in done:
        done["properties"] = {
            name: _typed(_rewritten(val, f"{path}.properties.{name}", definitions))
            for name, val in done["properties"].items()
        }
    for key in _NESTED_LISTS:
        if key in done:
            done[key] = [
                _rewritten(val, f"{path}.{key}[{index}]", definitions)
                for index, val in enumerate(done[key])
            ]
    for key in _NESTED:
        if key in done:
            done[key] = _rewritten(done[key], f"{path}.{key}", definitions)
    return _push_type_down(done)


def _refuse_what_has_no_form(schema: Schema, path: str) -> None:
    if "prefixItems" in schema:
        raise _refusal(
            f"{path}.prefixItems",
            "a list with a schema for each place cannot be said; use an object",
        )
    for key in ("minContains", "maxContains"):
        if key in schema:
            raise _refusal(f"{path}.{key}", "a bound on contains cannot be said")


def _bound_integers(schema: Schema, path: str) -> None:
    """Say exclusive bounds of integers inclusively; others cannot be said."""
    for key, plain, step in (
        ("exclusiveMinimum", "minimum", 1),
        ("exclusiveMaximum", "maximum", -1),
    ):
        if key not in schema:
            continue
        bound = schema.pop(key)
        whole = isinstance(bound, int) and not isinstance(bound, bool)
        if schema.get("type") != "integer" or not whole:
            raise _refusal(
                f"{path}.{key}",
                f"an exclusive bound of a number cannot be said; use {plain}",
            )
        tighter = max if step > 0 else min
        schema[plain] = tighter(bound + step, schema.get(plain, bound + step))


def _typed(schema: Any) -> Any:
    """Give a property without a type all types, or those of its values."""
    if schema is True:
        schema = {}
    if not isinstance(schema, dict) or any(key in schema for key in _SAYS_WHAT[:5]):
        return schema
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if values is not None:
        names = sorted({_TYPE_NAMES[type(value)] for value in values})
        return {**schema, "type": names[0] if len(names) == 1 else names}
    return {**schema, "anyOf": [{"type": name} for name in _TYPES]}


def _push_type_down(schema: Schema) -> Schema:
    """Move a type that stands beside ``anyOf`` into each of its branches."""
    if "type" not in schema or "anyOf" not in schema:
        return schema
    kind = schema.pop("type")
    branches = [{"type": kind, **branch} for branch in schema["anyOf"]]
    schema["anyOf"] = [branch for branch in branches if _within(branch["type"], kind)]
    return schema


def _within(narrow: Any, wide: Any) -> bool:
    """Tell whether a branch's type leaves anything that the type beside it accepts."""
    allowed = {wide} if isinstance(wide, str) else set(wide)
    if "number" in allowed:
        allowed.add("integer")
    return bool(({narrow} if isinstance(narrow, str) else set(narrow)) & allowed)


def _sorted(value: Any, *, keep: bool = False) -> Any:
    """Order keys, and the lists that are sets, so that equal schemas are equal bytes.

    Properties keep their order: a model fills them in as they come, and authors put
    the thought before the answer on purpose.
    """
    if isinstance(value, dict):
        keys = value if keep else sorted(value)
        ordered = {
            key: _sorted(value[key], keep=key == "properties" and not keep)
            for key in keys
        }
        if not keep and isinstance(ordered.get("required"), list):
            ordered["required"] = sorted(ordered["required"])
        return ordered
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value


def _refusal(path: str, why: str) -> InvalidPromptError:
    return InvalidPromptError(
        f"{path} is outside the JSON schema that Moonshot's kimi models take: {why}."
    )
