"""Moonshot's subset of JSON schema."""

from __future__ import annotations

from typing import Any

import pytest

from langchain_moonshot_cache.server.subset import subset_problem

TEXT = {"type": "string"}


def rooted(**keywords: Any) -> dict[str, Any]:
    return {"type": "object", **keywords}


def with_property(rule: Any) -> dict[str, Any]:
    return rooted(properties={"p": rule})


@pytest.mark.parametrize(
    "schema",
    [
        rooted(),
        rooted(properties={"title": TEXT, "format": TEXT, "$defs": TEXT}),
        rooted(
            properties={"p": {"$ref": "#/$defs/A"}},
            **{"$defs": {"A": rooted(), "title": TEXT}},
        ),
        with_property({"anyOf": [TEXT, {"type": "null"}], "default": None}),
        with_property({"type": "array", "items": {"anyOf": [TEXT, rooted()]}}),
        with_property({"type": "string", "enum": ["title"], "description": "format"}),
        with_property({"type": "object", "default": {"title": 1, "format": 2}}),
        with_property({"type": "integer", "minimum": 0, "maximum": 9}),
        rooted(additionalProperties=False),
    ],
)
def test_what_is_in_the_subset_passes(schema: dict[str, Any]) -> None:
    assert subset_problem(schema, at="s") is None


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({}, "s.type"),
        ({"type": "array", "items": TEXT}, "s.type"),
        ({"anyOf": [rooted()]}, "s.type"),
        (rooted(title="T"), "s.title"),
        (rooted(**{"$comment": "c"}), "s.$comment"),
        (with_property({**TEXT, "title": "P"}), "s.properties.p.title"),
        (with_property({**TEXT, "format": "date"}), "s.properties.p.format"),
        (with_property({"description": "any"}), "s.properties.p"),
        (with_property({"enum": ["a"]}), "s.properties.p"),
        (with_property(True), "s.properties.p"),
        (with_property({**TEXT, "anyOf": [TEXT]}), "s.properties.p.type"),
        (with_property(rooted(**{"$defs": {}})), "s.properties.p.$defs"),
        (
            with_property({"type": "array", "prefixItems": [TEXT]}),
            "s.properties.p.prefixItems",
        ),
        (
            with_property({"type": "array", "items": {**TEXT, "title": "I"}}),
            "s.properties.p.items.title",
        ),
        (
            with_property({"type": "integer", "exclusiveMinimum": 0}),
            "s.properties.p.exclusiveMinimum",
        ),
        (
            with_property({"type": "array", "minContains": 1}),
            "s.properties.p.minContains",
        ),
        (
            with_property({"anyOf": [TEXT, with_property({"const": 1})]}),
            "s.properties.p.anyOf[1].properties.p",
        ),
        (
            rooted(**{"$defs": {"A": with_property({})}}),
            "s.$defs.A.properties.p",
        ),
        (
            rooted(additionalProperties={"title": "x"}),
            "s.additionalProperties.title",
        ),
    ],
)
def test_what_is_outside_is_named_with_its_path(
    schema: dict[str, Any], path: str
) -> None:
    problem = subset_problem(schema, at="s")
    assert problem is not None
    assert problem.startswith((f"{path}:", f"{path} "))


def test_the_first_problem_in_the_order_of_the_document_is_named() -> None:
    schema = rooted(properties={"a": {**TEXT, "title": "A"}, "b": {"title": "B"}})
    assert (subset_problem(schema, at="s") or "").startswith("s.properties.b:")


def test_a_schema_nested_deeper_than_the_stack_is_walked() -> None:
    schema: dict[str, Any] = {"type": "string", "format": "date"}
    for _ in range(5000):
        schema = with_property(schema)
    assert (subset_problem(schema, at="s") or "").endswith("supported here.")
