from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from langchain_moonshot_cache.server.engine import ScriptedEngine, deltas
from langchain_moonshot_cache.server.rendering import count_prompt

QUESTIONS = [
    "What is 3 + 4?",
    "weather in Paris and in Rome",
    "编程判断 7 是否是素数",
    "use look(5)",
    '"a" and "b"',
    "a \ud800 lone surrogate",
]
KEYS = (
    "type properties items anyOf oneOf allOf $ref enum const required minimum pattern "
    "multipleOf minLength role content tool_calls function name parameters text"
)
texts = st.text(max_size=40) | st.sampled_from(QUESTIONS)
keys = st.sampled_from(KEYS.split()) | st.text(max_size=5)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5)
    ),
    max_leaves=20,
)
messages = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool"])},
    optional={
        "content": texts | anything,
        "tool_calls": anything,
        "tool_call_id": anything,
        "reasoning_content": anything,
    },
)
tools = st.fixed_dictionaries(
    {
        "type": st.just("function"),
        "function": st.fixed_dictionaries(
            {"name": st.sampled_from(["look", "CodeRunner", "a"])},
            optional={"parameters": anything, "description": texts},
        ),
    }
)
formats = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["json_schema", "json_object", "text"]),
        "json_schema": st.fixed_dictionaries({"schema": anything}),
    }
)
requests = st.fixed_dictionaries(
    {"messages": st.lists(messages, max_size=5)},
    optional={
        "tools": st.lists(tools, max_size=3),
        "tool_choice": st.sampled_from(["auto", "none", "required"]) | anything,
        "response_format": formats | anything,
        "stop": anything,
        "max_tokens": anything,
        "model": st.sampled_from(["kimi-k3", "moonshot-v1-8k"]),
    },
)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(requests)
def test_any_request_gets_an_answer_that_utf8_can_carry(
    request: dict[str, Any],
) -> None:
    reply = ScriptedEngine().reply(request)
    assert (reply.content is None) == bool(reply.tool_calls)
    for call in reply.tool_calls:
        assert isinstance(json.loads(call["function"]["arguments"]), dict)
    for piece in deltas(reply):
        json.dumps(piece, ensure_ascii=False).encode()
    assert count_prompt(request["messages"], request.get("tools")) >= 0


@pytest.mark.parametrize("depth", [10, 900])
def test_a_body_nested_to_the_parsers_limit_is_answered(depth: int) -> None:
    nested = json.loads("[" * depth + "]" * depth)
    parameters = {"type": "object", "properties": {"a": {"const": nested}}}
    function = {"name": "look", "parameters": parameters}
    request = {
        "messages": [{"role": "user", "content": "look"}],
        "tools": [{"type": "function", "function": function}],
        "tool_choice": "required",
    }
    assert ScriptedEngine().reply(request)


@pytest.mark.parametrize(
    "question",
    [
        *("在北京和" * 500, "请问" * 1000, "天气" * 1000, "“" * 2000),
        *("(1+" * 650, "1 + " * 500, "JSON " * 400, "please " * 280),
        *("in A and " * 200, "a@" * 1000),
    ],
)
def test_no_question_keeps_the_patterns_busy(question: str) -> None:
    properties = {"code": {"type": "string"}, "city": {"type": "string"}}
    parameters = {"type": "object", "properties": properties}
    function = {"name": "look", "parameters": parameters}
    request = {
        "messages": [{"role": "user", "content": question}],
        "tools": [{"type": "function", "function": function}],
        "tool_choice": "required",
    }
    [call] = ScriptedEngine().reply(request).tool_calls
    assert set(json.loads(call["function"]["arguments"])) == set(properties)


PROGRAM = """
import json, sys
from langchain_moonshot_cache.server.engine import ScriptedEngine
reply = ScriptedEngine().reply(json.load(sys.stdin))
print(json.dumps([reply.content, reply.tool_calls]))
"""


def test_the_answer_is_the_same_in_every_process() -> None:
    properties = {name: {"type": "string"} for name in ("city", "unit", "day", "note")}
    parameters = {"type": "object", "properties": properties}
    function = {"name": "look", "description": "weather", "parameters": parameters}
    request = {
        "messages": [
            {"role": "user", "content": "weather in Oslo, look on day: Monday"}
        ],
        "tools": [{"type": "function", "function": function}],
    }
    answers = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            input=json.dumps(request),
            capture_output=True,
            check=True,
            text=True,
            timeout=60,
            env={
                **os.environ,
                "PYTHONHASHSEED": seed,
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(answers) == 1
    assert "Oslo" in answers.pop()
