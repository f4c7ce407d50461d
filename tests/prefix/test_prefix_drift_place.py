"""The place that is told is the first one that differs, whatever was changed."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from drift_kit import asked, tool
from hypothesis import assume, given
from hypothesis import strategies as st

from langchain_moonshot_cache import InvalidPromptError
from langchain_moonshot_cache.prefix.drift import Drift, Request, compare, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

TEXTS = st.text('ab1: {}"\\ né', max_size=12)
WORDS = TEXTS.filter(bool)


@st.composite
def turns(draw: st.DrawFn) -> Json:
    """Draw a message of any role."""
    role = draw(st.sampled_from(["system", "user", "assistant", "tool"]))
    message: Json = {"role": role, "content": draw(TEXTS)}
    if role == "tool":
        message["tool_call_id"] = draw(WORDS)
    if role == "assistant":
        message["reasoning_content"] = draw(TEXTS)
        calls = st.builds(
            lambda name, text: {
                "id": name,
                "function": {"name": name, "arguments": text},
            },
            WORDS,
            TEXTS,
        )
        message["tool_calls"] = draw(st.lists(calls, max_size=2))
    return message


REQUESTS = st.builds(
    lambda messages, names: asked(*messages, tools=[tool(name) for name in names]),
    st.lists(turns(), min_size=1, max_size=5),
    st.lists(st.sampled_from("wxyz"), unique=True, max_size=3),
)


def leaves(request: Request) -> Iterator[tuple[str, str]]:
    """Write a request out in the order in which it is read, one line a text."""
    for at, described in enumerate(request.tools):
        yield from _leaves(described, f"tools[{at}]")
    for at, message in enumerate(request.messages):
        for field in ("role", "tool_call_id", "reasoning_content", "content"):
            if message.get(field):
                yield f"messages[{at}].{field}", message[field]
        for number, call in enumerate(message.get("tool_calls", ())):
            yield from _leaves(call, f"messages[{at}].tool_calls[{number}]")


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from _leaves(item, f"{path}[{at}]")
    else:
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}")


@given(request=REQUESTS, rest=st.lists(turns(), max_size=3))
def test_a_request_that_goes_on_or_ends_before_does_not_part(
    request: Request, rest: list[Json]
) -> None:
    longer = asked(*deepcopy([*request.messages, *rest]), tools=request.tools)
    options = {"least_tokens": -1}
    assert compare(request, longer, **options) is None  # type: ignore[arg-type]  # all are integers
    assert compare(longer, request, **options) is None  # type: ignore[arg-type]  # the same


@given(request=REQUESTS, data=st.data())
def test_the_place_is_the_first_character_that_differs(
    request: Request, data: st.DataObject
) -> None:
    after = deepcopy({"messages": request.messages, "tools": request.tools})
    holders = list(_holders(after))
    for _ in range(data.draw(st.integers(1, 2), label="edits")):
        holder, key = data.draw(st.sampled_from(holders), label="where")
        text = holder[key]
        at = data.draw(st.integers(0, len(text)), label="at")
        cut = data.draw(st.integers(0, len(text) - at), label="cut")
        put = data.draw(TEXTS, label="put")
        holder[key] = text[:at] + put + text[at + cut :]
    changed = Request(messages=after["messages"], tools=after["tools"])
    one, other = list(leaves(request)), list(leaves(changed))
    pairs = enumerate(zip(one, other, strict=False))
    first = next((at for at, (a, b) in pairs if a != b), None)
    assume(first is not None)
    assert first is not None
    (path, before), (new_path, text) = one[first], other[first]
    drift = compare(request, changed, least_tokens=0)
    assert drift is not None
    assert drift.place is not None
    if path != new_path:
        assert drift.place.path in {path, new_path}
        return
    assert drift.place.path == path
    offset = drift.place.offset
    assert offset is not None
    assert before[:offset] == text[:offset]
    assert before[offset : offset + 1] != text[offset : offset + 1]


def _holders(value: Any) -> Iterator[tuple[Any, Any]]:
    """Find every text that may be changed without making another kind of message."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        if isinstance(item, str) and key != "role":
            yield value, key
        elif isinstance(item, dict | list | tuple):
            yield from _holders(item)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner),
    max_leaves=8,
).filter(lambda value: value not in (float("inf"), float("-inf")))
FIELDS = st.sampled_from(
    ["role", "content", "tool_calls", "tool_call_id", "reasoning_content", "x"]
)
ODD = st.lists(st.dictionaries(FIELDS, VALUES), max_size=3)
ODD_TOOLS = st.lists(
    st.dictionaries(st.sampled_from(["type", "function", "name"]), VALUES), max_size=2
)


@given(one=ODD, other=ODD, tools=ODD_TOOLS, others=ODD_TOOLS, whole=st.booleans())
def test_whatever_json_two_requests_are_comparing_them_ends_in_an_answer(
    one: list[Json],
    other: list[Json],
    tools: list[Json],
    others: list[Json],
    *,
    whole: bool,
) -> None:
    before = Request(messages=one, tools=tools)
    after = Request(messages=other, tools=others)
    try:
        drift = compare(before, after, whole=whole)
    except InvalidPromptError:
        assert "Infinity" in json.dumps([one, other, tools, others])
        return
    if drift is not None:
        assert str(drift)
        assert Drift.from_dict(drift.to_dict()) == drift
        assert min(drift.shared_tokens, drift.lost_tokens) >= 0
    assert nearest([before, after, before], after) is not None
