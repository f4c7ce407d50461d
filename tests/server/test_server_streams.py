"""Streams, and chat in general."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from server_kit import (
    MODEL,
    QUESTION,
    SYSTEM,
    TOOL,
    Api,
    by_message,
    chunks_of,
    reason,
)

if TYPE_CHECKING:
    from langchain_moonshot_cache.testing import ServerFactory


def put_together(chunks: list[dict[str, Any]]) -> str:
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


def usages(chunks: list[dict[str, Any]]) -> tuple[list[Any], list[Any]]:
    """Return the usages found in choices, and those found beside them."""
    inside = [c["usage"] for k in chunks for c in k["choices"] if "usage" in c]
    return inside, [chunk["usage"] for chunk in chunks if "usage" in chunk]


def test_a_stream_says_what_the_whole_answer_says(api: Api) -> None:
    whole = api.chat(SYSTEM, QUESTION).json()
    reply = api.chat(SYSTEM, QUESTION, stream=True)
    assert reply.headers["content-type"].startswith("text/event-stream")
    chunks = chunks_of(reply.text)
    assert len(chunks) > 3
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert put_together(chunks) == whole["choices"][0]["message"]["content"]
    assert len({chunk["id"] for chunk in chunks}) == 1
    finishes = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert [finish for finish in finishes if finish] == ["stop"]
    assert usages(chunks)[0] == [whole["usage"]]


def test_a_streamed_tool_call_comes_in_pieces(api: Api) -> None:
    arguments = '{"what":  "lighthouse", "note": "spaces kept"}'
    api.server.answer_next({"tool_calls": [{"name": "lookup", "arguments": arguments}]})
    chunks = chunks_of(api.chat(QUESTION, tools=[TOOL], stream=True).text)
    calls = [
        call
        for chunk in chunks
        for call in chunk["choices"][0]["delta"].get("tool_calls", ())
    ]
    assert calls[0]["id"] == "lookup:0"
    assert "".join(call["function"]["arguments"] for call in calls) == arguments
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    ("layout", "asked", "inside", "beside"),
    [
        ("both", True, 1, 1),
        ("both", False, 1, 0),
        ("choice", True, 1, 0),
        ("choice", False, 1, 0),
        ("chunk", True, 0, 1),
        ("chunk", False, 0, 0),
    ],
)
def test_usage_stands_where_the_layout_puts_it(
    api: Api, layout: Any, *, asked: bool, inside: int, beside: int
) -> None:
    api.server.configure(usage_layout=layout)
    options = {"include_usage": asked}
    chunks = chunks_of(api.chat(stream=True, stream_options=options).text)
    in_choices, in_chunks = usages(chunks)
    assert (len(in_choices), len(in_chunks)) == (inside, beside)
    if beside:
        assert chunks[-1]["choices"] == []


def test_a_streamed_hit_carries_the_cache_headers(api: Api) -> None:
    cache = api.create_ready()
    reference = by_message(f"cache_id={cache['id']};reset_ttl=60")
    reply = api.chat(reference, QUESTION, stream=True)
    assert reply.headers["Msh-Context-Cache-Id"] == cache["id"]
    assert usages(chunks_of(reply.text))[0][0]["cached_tokens"] == cache["tokens"]
    assert api.look(cache["id"])["expired_at"] == int(api.server.clock.now()) + 60


def test_a_refused_stream_is_an_ordinary_refusal(api: Api) -> None:
    reply = api.chat(by_message("tag=nothing"), QUESTION, stream=True)
    assert reply.headers["content-type"] == "application/json"
    reason(reply, 404)


def test_answers_in_waiting_come_first_and_in_order(api: Api) -> None:
    api.server.answer_next(
        "first", {"content": "second", "reasoning_content": "because"}
    )
    messages = [api.chat().json()["choices"][0]["message"] for _ in range(3)]
    assert messages[0] == {"role": "assistant", "content": "first"}
    assert messages[1]["reasoning_content"] == "because"
    assert messages[2]["content"] not in ("first", "second")


def test_a_tool_choice_that_cannot_be_kept_is_refused(api: Api) -> None:
    assert "no tools" in reason(api.chat(tool_choice="required"), 400)
    named = {"type": "function", "function": {"name": "other"}}
    assert "other" in reason(api.chat(tools=[TOOL], tool_choice=named), 400)
    assert api.chat(tools=[TOOL], tool_choice="required").status_code == 200


def test_a_cached_tool_may_be_required(api: Api) -> None:
    cache = api.create_ready(tools=[TOOL])
    reference = by_message(f"cache_id={cache['id']}")
    reply = api.chat(reference, QUESTION, tool_choice="required")
    call = reply.json()["choices"][0]["message"]["tool_calls"][0]
    assert call["function"]["name"] == "lookup"


@pytest.mark.parametrize(
    "wrong",
    [
        {"n": 2},
        {"temperature": 3},
        {"temperature": "warm"},
        {"max_tokens": 0},
        {"stop": [""] * 6},
        {"stream": "yes"},
        {"response_format": {"type": "xml"}},
        {"response_format": {"type": "json_schema"}},
        {"tool_choice": "sometimes"},
        {"messages": []},
    ],
)
def test_a_malformed_chat_is_refused(api: Api, wrong: dict[str, Any]) -> None:
    reason(api.chat(**wrong), 400)
    assert api.server.chats() == []


def test_fields_that_the_server_does_not_know_are_ignored(api: Api) -> None:
    reply = api.chat(user="me", parallel_tool_calls=True, seed=7, logprobs=None)
    assert reply.status_code == 200


def test_a_tool_message_without_its_call_is_refused(api: Api) -> None:
    orphan = {"role": "tool", "tool_call_id": "x", "content": ""}
    assert "messages[1]" in reason(api.chat(QUESTION, orphan), 400)


def test_an_unknown_model_is_answered_with_404(api: Api) -> None:
    reply = api.chat(model="gpt-0")
    assert "gpt-0" in reason(reply, 404)
    assert reply.json()["error"]["type"] == "resource_not_found_error"


def test_the_models_that_are_listed_are_served(api: Api) -> None:
    models = [model["id"] for model in api.get("/models").json()["data"]]
    assert {MODEL, "moonshot-v1-auto", "kimi-k3"} <= set(models)
    for model in models:
        assert api.chat(model=model).status_code == 200


def test_an_estimate_is_what_a_chat_is_then_billed(api: Api) -> None:
    body = {"model": MODEL, "messages": [SYSTEM, QUESTION], "tools": [TOOL]}
    estimate = api.post("/tokenizers/estimate-token-count", json=body).json()
    usage = api.chat(SYSTEM, QUESTION, tools=[TOOL]).json()["usage"]
    assert estimate["data"]["total_tokens"] == usage["prompt_tokens"]


def test_a_cache_of_two_megabytes_can_be_made_and_used(
    moonshot_server_factory: ServerFactory,
) -> None:
    limits = {"cache_token_limit": 10_000_000, "account_token_limit": 10_000_000}
    server = moonshot_server_factory(ready_after=0, **limits)
    text = "The sea 大海 is wide. " * 80_000
    with Api(server) as api:
        cache = api.create(messages=[{"role": "system", "content": text}])
        usage = api.chat(by_message(f"cache_id={cache['id']}"), QUESTION).json()[
            "usage"
        ]
    assert usage["cached_tokens"] == cache["tokens"] > 400_000
