"""The schema check, beside an independent validator of the same schemas."""

from __future__ import annotations

import copy
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langchain_moonshot_cache.server.schema_check import first_problem
from langchain_moonshot_cache.server.schemas import REQUESTS

CALL = {
    "id": "f:0",
    "type": "function",
    "function": {"name": "f", "arguments": "{}"},
}
TOOL = {
    "type": "function",
    "function": {"name": "f", "description": None, "parameters": {}},
}
PARTS = [
    {"type": "text", "text": "look"},
    {"type": "image_url", "image_url": {"url": "data:,"}},
    {"type": "video_url", "video_url": "ms://1"},
]
REFERENCE = "cache_id=cache-essqmysd6h1111dauub1;reset_ttl=3600"
TURNS = [
    {"role": "system", "content": "s"},
    {"role": "user", "content": PARTS, "name": "me"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "content": "1", "tool_call_id": "f:0"},
]
VALID: dict[str, list[dict[str, Any]]] = {
    "CacheCreate": [
        {
            "model": "moonshot-v1",
            "messages": TURNS,
            "tools": [TOOL],
            "name": "n",
            "metadata": {"a": "b"},
            "tags": ["t"],
            "ttl": 60.0,
        }
    ],
    "CacheUpdate": [{}, {"metadata": None, "expired_at": 5}],
    "TagCreate": [{"tag": "a.b-C_d", "cache_id": "cache-essqmysd6h1111dauub1"}],
    "ChatRequest": [
        {
            "model": "moonshot-v1-8k",
            "messages": [{"role": "cache", "content": REFERENCE}, *TURNS],
            "tools": None,
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "response_format": {"type": "json_schema", "json_schema": {"schema": {}}},
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": 0.3,
            "stop": ["a", "b"],
            "n": 1,
        },
        {"model": "kimi-k3", "messages": TURNS, "tool_choice": "auto", "stop": "x"},
    ],
    "TokenEstimateRequest": [{"model": "m", "messages": TURNS}],
}
EXAMPLES = [(name, body) for name, bodies in VALID.items() for body in bodies]

SCALARS = [None, True, False, 0, 1, -1, 1.0, 1.5, 10**12, "", "x", "x" * 600]
OTHERS = [[], {}, ["x"] * 6, {"url": 1}, {"type": "text"}, {"role": "user"}]
JUNK = st.sampled_from([*SCALARS, *OTHERS, {"role": "cache"}])


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths to everything inside a JSON value."""
    inside = []
    if isinstance(value, dict):
        inside = list(value.items())
    elif isinstance(value, list):
        inside = list(enumerate(value))
    found = [(*at, key) for key, _ in inside]
    for key, item in inside:
        found += places(item, (*at, key))
    return found


def changed(body: Any, place: tuple[Any, ...], value: Any, *, drop: bool) -> Any:
    """Return a copy in which one place is replaced, or left out."""
    body = copy.deepcopy(body)
    target = body
    for key in place[:-1]:
        target = target[key]
    if drop:
        del target[place[-1]]
    else:
        target[place[-1]] = value
    return body


def problem(name: str, body: Any) -> str | None:
    return first_problem(body, REQUESTS[name], schemas=REQUESTS, at="body")


def independent(name: str) -> Any:
    root = {
        "$ref": f"#/components/schemas/{name}",
        "components": {"schemas": REQUESTS},
    }
    return jsonschema_rs.Draft202012Validator(root)


VALIDATORS = {name: independent(name) for name in VALID}


@pytest.mark.parametrize(("name", "body"), EXAMPLES)
def test_what_is_well_formed_passes(name: str, body: dict[str, Any]) -> None:
    assert problem(name, body) is None


@settings(max_examples=1500, deadline=None)
@given(data=st.data(), example=st.sampled_from(EXAMPLES))
def test_both_validators_agree_on_what_was_tampered_with(
    data: st.DataObject, example: tuple[str, dict[str, Any]]
) -> None:
    name, body = example
    for _ in range(data.draw(st.integers(1, 2))):
        found = places(body)
        if found:
            place = data.draw(st.sampled_from(found))
            value, drop = data.draw(JUNK), data.draw(st.booleans())
            body = changed(body, place, value, drop=drop)
    assert (problem(name, body) is None) == VALIDATORS[name].is_valid(body)


def test_the_place_of_a_problem_is_named() -> None:
    body = copy.deepcopy(VALID["ChatRequest"][0])
    body["messages"][2]["content"][1]["image_url"] = {"url": 5}
    assert problem("ChatRequest", body) == (
        "body.messages[2].content[1].image_url.url must be string."
    )
