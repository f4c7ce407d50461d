"""Schemas come into Moonshot's subset and accept what they accepted before."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import jsonschema_rs
import pytest
from chat_kit import bodies
from hypothesis import event, given, settings
from hypothesis import strategies as st
from kimi_kit import QUESTION
from pydantic import BaseModel, Field
from schema_kit import arguments, root, turned_around, written

from langchain_moonshot_cache import InvalidPromptError
from langchain_moonshot_cache.chat_models.schemas import to_subset
from langchain_moonshot_cache.server.subset import subset_problem

if TYPE_CHECKING:
    from kimi_kit import Json, Talk

    from langchain_moonshot_cache import ChatMoonshotCached
    from langchain_moonshot_cache.testing import MoonshotServer

SEEDS = st.integers(0, 2**62)
MANY = settings(max_examples=4000, deadline=None, derandomize=True)


def rewritten(schema: Json) -> Json | None:
    """Return a schema in the subset; None if it has no form there."""
    try:
        return to_subset(schema, where="tool 't'")
    except InvalidPromptError:
        return None


@MANY
@given(SEEDS)
def test_a_rewritten_schema_accepts_what_it_accepted_before(seed: int) -> None:
    chance = Random(seed)  # noqa: S311 - a draw, no secret
    schema = root(chance)
    done = rewritten(schema)
    event("refused" if done is None else "rewritten")
    if done is None:
        return
    assert subset_problem(done, at="$") is None
    before, after = map(jsonschema_rs.Draft202012Validator, (schema, done))
    for _ in range(12):
        value = arguments(chance)
        accepted = before.is_valid(value)
        event(f"accepted: {accepted}")
        assert after.is_valid(value) == accepted, (schema, done, value)


@MANY
@given(SEEDS)
def test_rewriting_twice_is_rewriting_once_and_changes_no_original(seed: int) -> None:
    schema = root(Random(seed))  # noqa: S311 - a draw, no secret
    before = written(schema)
    done = rewritten(schema)
    assert written(schema) == before
    assert done is None or written(to_subset(done, where="")) == written(done)


@MANY
@given(SEEDS)
def test_the_order_of_keys_and_of_sets_makes_no_difference(seed: int) -> None:
    schema = root(Random(seed))  # noqa: S311 - a draw, no secret
    done, other = rewritten(schema), rewritten(turned_around(schema))
    assert written(other) == written(done)


REFUSED: dict[str, tuple[Json, str]] = {
    "a list of places": ({"prefixItems": [{}]}, "$.properties.p.prefixItems"),
    "an old list of places": ({"items": [{}]}, "$.properties.p.items"),
    "a bound on contains": (
        {"contains": {}, "maxContains": 2},
        "$.properties.p.maxContains",
    ),
    "an exclusive bound of a number": (
        {"type": "number", "exclusiveMinimum": 0},
        "$.properties.p.exclusiveMinimum",
    ),
    "an exclusive bound of who knows what": (
        {"exclusiveMaximum": 0},
        "$.properties.p.exclusiveMaximum",
    ),
    "deep inside": (
        {"type": "array", "items": {"anyOf": [{"not": {"prefixItems": []}}]}},
        "$.properties.p.items.anyOf[0].not.prefixItems",
    ),
    "a reference elsewhere": ({"$ref": "#/properties/q"}, "$.properties.p.$ref"),
    "a reference outside": ({"$ref": "https://x.example/s"}, "$.properties.p.$ref"),
    "a reference to nothing": ({"$ref": "#/$defs/nobody"}, "no definition 'nobody'"),
    "a dynamic reference": ({"$dynamicRef": "#x"}, "$.properties.p.$dynamicRef"),
    "types that exclude each other": (
        {"type": "string", "anyOf": [{"type": "integer"}]},
        "$.properties.p.anyOf",
    ),
    "never allowed": (False, "$.properties.p"),  # type: ignore[dict-item]  # a schema
    "no schema": (5, "$.properties.p"),  # type: ignore[dict-item]  # and none
    "no values": ({"enum": []}, "$.properties.p"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_subset_cannot_say_is_refused_by_its_path(case: str) -> None:
    rule, path = REFUSED[case]
    schema = {"type": "object", "properties": {"p": rule, "q": {"type": "string"}}}
    with pytest.raises(InvalidPromptError) as caught:
        to_subset(schema, where="tool 'search'")
    assert str(caught.value).startswith("tool 'search': $.properties.p")
    assert path in str(caught.value)


ROOT_REFUSED: list[Json] = [
    {"type": "string"},
    {"type": ["string", "null"]},
    {"anyOf": [{"type": "object"}]},
    {"type": "object", "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
]


@pytest.mark.parametrize("root", ROOT_REFUSED)
def test_a_root_that_is_no_plain_object_is_refused(root: Json) -> None:
    with pytest.raises(InvalidPromptError, match="root"):
        to_subset(root, where="tool 't'")


def test_a_schema_without_an_end_is_refused() -> None:
    endless: Json = {"type": "object"}
    endless["properties"] = {"again": endless}
    with pytest.raises(InvalidPromptError, match="too deeply"):
        to_subset(endless, where="tool 't'")


REWRITTEN: dict[str, tuple[Json, Json]] = {
    "titles, comments and formats go": (
        {"type": "string", "title": "T", "$comment": "c", "format": "date"},
        {"type": "string"},
    ),
    "exclusive bounds of integers": (
        {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 9.5},
        {"maximum": 9, "minimum": 1, "type": "integer"},
    ),
    "a type beside a choice": (
        {"type": ["integer", "null"], "anyOf": [{"minimum": 1}, {"type": "null"}]},
        {"anyOf": [{"minimum": 1, "type": ["integer", "null"]}, {"type": "null"}]},
    ),
    "a narrower type beside a wider one": (
        {"type": "integer", "anyOf": [{"type": "number"}, {"type": "string"}]},
        {"anyOf": [{"type": "integer"}]},
    ),
    "no type, but values": (
        {"enum": ["b", "a"]},
        {"enum": ["b", "a"], "type": "string"},
    ),
    "a value of a schema's form": (
        {"const": {"required": ["b", "a"], "title": 1}},
        {"const": {"required": ["b", "a"], "title": 1}, "type": "object"},
    ),
}


@pytest.mark.parametrize("case", REWRITTEN)
def test_what_the_subset_says_otherwise_is_said_so(case: str) -> None:
    rule, expected = REWRITTEN[case]
    done = to_subset({"properties": {"p": rule}}, where="")
    assert done == {"properties": {"p": expected}, "type": "object"}


def test_definitions_from_anywhere_stand_at_the_root() -> None:
    inner = {"$defs": {"leaf": {"type": "string"}}, "$ref": "#/properties/p/$defs/leaf"}
    old = {"definitions": {"old": {"type": "null"}}, "$ref": "#/definitions/old"}
    schema = {"properties": {"p": inner, "q": {**old, "description": "an old one"}}}
    done = to_subset({**schema, "definitions": {"old": {"type": "null"}}}, where="")
    assert done["$defs"] == {"leaf": {"type": "string"}, "old": {"type": "null"}}
    assert done["properties"]["p"] == {"$ref": "#/$defs/leaf"}
    assert done["properties"]["q"]["$ref"] == "#/$defs/old"


def test_two_definitions_of_one_name_are_refused() -> None:
    inner = {"$defs": {"leaf": {"type": "string"}}, "type": "object"}
    schema = {"properties": {"p": inner}, "$defs": {"leaf": {"type": "null"}}}
    with pytest.raises(InvalidPromptError, match="share this name"):
        to_subset(schema, where="")


def test_a_root_that_only_refers_becomes_what_it_refers_to() -> None:
    leaf = {
        "type": "object",
        "properties": {"next": {"$ref": "#/$defs/leaf"}},
        "required": ["next"],
    }
    done = to_subset({"$ref": "#/$defs/leaf", "$defs": {"leaf": leaf}}, where="")
    assert done == {**leaf, "$defs": {"leaf": leaf}}


class Lamp(BaseModel):
    """A lamp."""

    watts: int = Field(gt=0, lt=5000, title="Power")
    colour: str | None = None
    twin: Lamp | None = None


class Tower(BaseModel):
    """A lighthouse."""

    name: str = Field(min_length=1)
    lamps: list[Lamp] = Field(max_length=4)
    notes: dict[str, str | int] = Field(default_factory=dict)


async def test_a_pydantic_schema_is_taken_by_the_server(
    talk: Talk, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    chain = llm.with_structured_output(Tower.model_json_schema())
    answer = await talk.face.invoke(chain, [QUESTION])
    assert isinstance(answer, dict)
    sent = bodies(server)[-1]["response_format"]["json_schema"]["schema"]
    assert sent["$defs"]["Lamp"]["properties"]["watts"] == {
        "maximum": 4999,
        "minimum": 1,
        "type": "integer",
    }


async def test_a_tool_outside_the_subset_is_refused_before_anything_is_sent(
    talk: Talk, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    half = {"type": "object", "properties": {"x": {"prefixItems": []}}}
    tool = {"type": "function", "function": {"name": "half", "parameters": half}}
    with pytest.raises(InvalidPromptError, match=r"tool 'half': \$\.properties\.x"):
        await talk(llm.bind_tools([tool]), [QUESTION])
    assert server.requests() == []


async def test_a_schema_that_is_not_strict_is_sent_as_it_is(
    talk: Talk, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    half = {
        "type": "object",
        "properties": {"x": {"type": "number", "exclusiveMinimum": 0}},
    }
    tool = {
        "type": "function",
        "function": {"name": "half", "parameters": half, "strict": False},
    }
    await talk(llm.bind_tools([tool]), [QUESTION])
    assert bodies(server)[-1]["tools"][0]["function"]["parameters"] == half
