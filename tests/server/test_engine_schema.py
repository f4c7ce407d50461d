from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from langchain_moonshot_cache.server.engine.filling import fill
from langchain_moonshot_cache.server.engine.validity import fits

Schema = dict[str, Any]

DEFINITIONS: Schema = {
    "Place": {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "zip": {"type": "integer", "minimum": 1000},
        },
        "required": ["city", "zip"],
    },
    "Node": {
        "type": "object",
        "properties": {
            "value": {"type": "string"},
            "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
            "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
        },
        "required": ["value", "next", "children"],
    },
}
small = st.integers(-50, 50)
words = st.sampled_from(["a", "city", "code", "name", "Weather", "x_y", "地点"])
questions = st.text(max_size=50) | st.sampled_from(
    ["What is 3 + 4?", "weather in Paris", '"a" and "b" 2.5 -7 100', "city=Oslo 12"]
)


@st.composite
def numbers(draw: st.DrawFn) -> Schema:
    schema: Schema = {"type": draw(st.sampled_from(["integer", "number"]))}
    low = draw(st.none() | small)
    if low is not None:
        schema[draw(st.sampled_from(["minimum", "exclusiveMinimum"]))] = low
    if draw(st.booleans()):
        schema["maximum"] = (0 if low is None else low) + draw(st.integers(12, 40))
    if draw(st.booleans()):
        schema["multipleOf"] = draw(st.integers(1, 10))
    return schema


@st.composite
def strings(draw: st.DrawFn) -> Schema:
    low = draw(st.integers(0, 30))
    more = draw(st.integers(0, 5))
    return {"type": "string", "minLength": low, "maxLength": low + more}


@st.composite
def objects(draw: st.DrawFn, inner: st.SearchStrategy[Schema]) -> Schema:
    properties = draw(st.dictionaries(words, inner, max_size=4))
    keys = st.sampled_from(sorted(properties)) if properties else st.nothing()
    schema: Schema = {"type": "object", "properties": properties}
    if draw(st.booleans()):
        schema["required"] = draw(st.lists(keys, unique=True))
    if draw(st.booleans()):
        schema["additionalProperties"] = False
    return schema


@st.composite
def arrays(draw: st.DrawFn, inner: st.SearchStrategy[Schema]) -> Schema:
    low = draw(st.integers(0, 3))
    most = low + draw(st.integers(0, 3))
    return {
        "type": "array",
        "items": draw(inner),
        "minItems": low,
        "maxItems": most,
    }


leaves: st.SearchStrategy[Schema] = st.one_of(
    numbers(),
    strings(),
    st.sampled_from([{"type": kind} for kind in ("string", "boolean", "null")]),
    st.sampled_from([{"$ref": "#/$defs/Place"}, {"$ref": "#/$defs/Node"}]),
    st.lists(words | small, min_size=1, max_size=4).map(lambda each: {"enum": each}),
    (words | small | st.booleans() | st.none()).map(lambda each: {"const": each}),
)
schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        objects(inner),
        arrays(inner),
        st.lists(inner, min_size=1, max_size=3).map(lambda each: {"anyOf": each}),
    ),
    max_leaves=12,
)


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(schemas, questions)
def test_a_filled_value_is_valid_for_its_schema(schema: Schema, question: str) -> None:
    schema = {**schema, "$defs": DEFINITIONS}
    value = fill(schema, source=question)
    assert jsonschema_rs.is_valid(schema, value)


json_values = st.recursive(
    st.none() | st.booleans() | small | st.floats(-5, 5) | words,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(schemas, json_values)
def test_validity_is_judged_as_an_independent_validator_does(
    schema: Schema, value: Any
) -> None:
    schema = {**schema, "$defs": DEFINITIONS}
    assert fits(value, schema) == jsonschema_rs.is_valid(schema, value)


def object_of(**properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
    }


def test_numbers_are_handed_out_in_the_order_of_the_question() -> None:
    schema = object_of(a={"type": "integer"}, b={"type": "number"})
    assert fill(schema, source="3 apples at 2.5 each") == {"a": 3, "b": 2.5}


def test_a_number_out_of_bounds_is_passed_over_for_the_next() -> None:
    schema = object_of(hour={"type": "integer", "minimum": 0, "maximum": 23})
    assert fill(schema, source="in 2024 at 9 o'clock") == {"hour": 9}


def test_a_number_written_beside_its_name_goes_there() -> None:
    schema = object_of(a={"type": "integer"}, b={"type": "integer"})
    assert fill(schema, source="b=7 a=1") == {"a": 1, "b": 7}


def test_an_enum_takes_the_value_that_the_question_names() -> None:
    unit = {"type": "string", "enum": ["celsius", "fahrenheit"]}
    assert fill(unit, source="in Fahrenheit please") == "fahrenheit"
    assert fill(unit, source="how warm is it") == "celsius"


def test_quotations_fill_strings_before_the_rest_of_the_question_does() -> None:
    schema = object_of(title={"type": "string"}, text={"type": "string"})
    filled = fill(schema, source='Write "Hello" and "World"')
    assert filled == {"title": "Hello", "text": "World"}


def test_an_optional_property_stays_away_unless_the_question_speaks_of_it() -> None:
    schema = {
        "type": "object",
        "properties": {"query": {"type": "string"}, "limit": {"type": "integer"}},
        "required": ["query"],
    }
    assert "limit" not in fill(schema, source="find otters")
    assert fill(schema, source="find 5 otters")["limit"] == 5


def test_an_array_takes_all_numbers() -> None:
    schema = object_of(values={"type": "array", "items": {"type": "number"}})
    assert fill(schema, source="sum of 1, 2 and 3.5") == {"values": [1, 2, 3.5]}


def test_a_nullable_property_is_filled_rather_than_null() -> None:
    schema = object_of(name={"anyOf": [{"type": "null"}, {"type": "string"}]})
    assert fill(schema, source="a cat") == {"name": "a cat"}


def test_the_parts_of_all_of_are_laid_together() -> None:
    parts = [object_of(a={"type": "integer"}), object_of(b={"type": "integer"})]
    assert fill({"allOf": parts}, source="1 2") == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("form", "source", "value"),
    [
        ("date", "on 2026-11-22", "2026-11-22"),
        ("email", "write to kimi@example.org.", "kimi@example.org"),
        ("uri", "see https://example.org/a?b=1 now", "https://example.org/a?b=1"),
        ("date", "one day", "2024-07-01"),
    ],
)
def test_a_format_is_found_in_the_question_or_given_by_example(
    form: str, source: str, value: str
) -> None:
    assert fill({"type": "string", "format": form}, source=source) == value


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf", "allOf"])
def test_a_schema_that_doubles_itself_for_ever_comes_to_an_end(keyword: str) -> None:
    twice = {keyword: [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/A"}]}
    schema = {"$ref": "#/$defs/A", "$defs": {"A": twice}}
    assert isinstance(fill(schema, source="x"), str)


def test_a_schema_that_requires_itself_for_ever_comes_to_an_end() -> None:
    inner = {"$ref": "#/$defs/B"}
    schema = {**inner, "$defs": {"B": object_of(a=inner, b=inner, c=inner)}}
    assert isinstance(fill(schema, source="x"), dict)


def test_a_reference_that_leads_nowhere_allows_everything() -> None:
    assert fits([1], {"$ref": "#/$defs/Missing"})
    assert fits([1], {"$ref": "https://example.org/schema"})


def test_true_is_not_the_number_one() -> None:
    assert not fits(True, {"enum": [1]})
    assert not fits(1, {"const": True})
    assert fits(1.0, {"type": "integer", "const": 1})


def test_multiples_of_a_fraction_are_told_in_spite_of_rounding() -> None:
    assert fits(0.07, {"type": "number", "multipleOf": 0.01})
    assert not fits(0.075, {"type": "number", "multipleOf": 0.01})
