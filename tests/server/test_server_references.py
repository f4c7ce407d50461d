"""Using a cache in a chat: by message and by headers."""

from __future__ import annotations

import pytest
from server_kit import (
    MODEL,
    QUESTION,
    SYSTEM,
    TOOL,
    UNKNOWN_CACHE,
    Api,
    by_message,
    chunks_of,
    example,
    reason,
)

CACHE = "X-Msh-Context-Cache"
RESET = "X-Msh-Context-Cache-Reset-TTL"
DRY_RUN = "X-Msh-Context-Cache-DryRun"


def test_the_announced_example_calls_the_cached_tool(api: Api) -> None:
    cache = api.create_ready(**example("create_request"))
    body = example("chat_request")
    body["messages"][0]["content"] = f"cache_id={cache['id']};reset_ttl=3600"
    answer = api.post("/chat/completions", json=body).json()
    call = answer["choices"][0]["message"]["tool_calls"][0]
    assert call["function"]["name"] == "CodeRunner"
    assert answer["system_fingerprint"] == "fp_scripted_engine"


def test_by_message_the_engine_sees_what_a_full_request_would_show_it(api: Api) -> None:
    cache = api.create_ready(tools=[TOOL])
    api.chat(by_message(f"cache_id={cache['id']}"), QUESTION)
    api.chat(SYSTEM, QUESTION, tools=[TOOL])
    cached, full = api.server.chats()
    assert (cached.messages, cached.tools) == (full.messages, full.tools)
    assert cached.prompt_tokens == full.prompt_tokens
    assert cached.answer == full.answer
    assert (cached.cache_id, full.cache_id) == (cache["id"], None)
    assert (cached.cached_tokens, full.cached_tokens) == (cache["tokens"], 0)
    assert cached.request.body["messages"][0]["role"] == "cache"
    assert cached.request.body_bytes < full.request.body_bytes


def test_a_hit_is_reported_in_headers_and_usage(api: Api) -> None:
    cache = api.create_ready()
    reply = api.chat(by_message(f"cache_id={cache['id']}"), QUESTION)
    assert reply.headers["Msh-Context-Cache-Id"] == cache["id"]
    assert reply.headers["Msh-Context-Cache-Token-Saved"] == str(cache["tokens"])
    assert reply.headers["Msh-Context-Cache-Token-Exp"] == str(cache["expired_at"])
    usage = reply.json()["usage"]
    assert usage["cached_tokens"] == cache["tokens"] < usage["prompt_tokens"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_a_call_without_a_reference_reports_no_cache(api: Api) -> None:
    reply = api.chat()
    assert not [name for name in reply.headers if "context-cache" in name]
    assert reply.json()["usage"]["cached_tokens"] == 0


@pytest.mark.parametrize("tools", [[], [TOOL]])
def test_tools_beside_a_cache_message_are_refused(
    api: Api, tools: list[object]
) -> None:
    reference = by_message(f"cache_id={api.create_ready()['id']}")
    assert "tools" in reason(api.chat(reference, QUESTION, tools=tools), 400)
    assert api.chat(reference, QUESTION, tools=None).status_code == 200


def test_a_cache_message_stands_first_or_nowhere(api: Api) -> None:
    reference = by_message(f"cache_id={api.create_ready()['id']}")
    assert "messages[1].role" in reason(api.chat(QUESTION, reference), 400)


@pytest.mark.parametrize(
    "content",
    [
        "{id}",
        "",
        "cache_id=",
        "cache_id={id};",
        "cache_id={id};reset_ttl=0",
        "cache_id={id};reset_ttl=-5",
        "cache_id={id};reset_ttl=soon",
        "cache_id={id};reset_ttl=3601",
        "cache_id={id};reset_ttl=60;reset_ttl=60",
        "cache_id={id};dry_run=yes",
        "cache_id={id};colour=red",
        "cache_id={id};tag=manual",
        "cache_id={id} ; reset_ttl=60",
        "reset_ttl=60",
    ],
)
def test_a_malformed_cache_message_is_refused(api: Api, content: str) -> None:
    content = content.replace("{id}", api.create_ready()["id"])
    reason(api.chat(by_message(content), QUESTION), 400)


def test_an_unknown_or_foreign_cache_is_answered_with_404(
    api: Api, stranger: Api
) -> None:
    foreign = stranger.create_ready()["id"]
    for cache_id in (UNKNOWN_CACHE, foreign):
        reason(api.chat(by_message(f"cache_id={cache_id}"), QUESTION), 404)
        reason(api.chat(headers={CACHE: cache_id}), 404)
    assert api.server.chats() == []


def test_a_pending_failed_or_inactive_cache_is_refused(api: Api) -> None:
    pending = api.create(ttl=60)["id"]
    api.server.fail("build_fails", nth=1)
    failed = api.create()["id"]
    for reply in (
        api.chat(by_message(f"cache_id={pending}"), QUESTION),
        api.chat(headers={CACHE: pending}),
    ):
        assert "pending" in reason(reply, 400)
    api.server.clock.advance(61)
    assert "error" in reason(api.chat(by_message(f"cache_id={failed}"), QUESTION), 400)
    gone = api.chat(by_message(f"cache_id={pending}"), QUESTION)
    assert "inactive" in reason(gone, 400)


def test_a_cache_serves_its_family_only(api: Api) -> None:
    reference = by_message(f"cache_id={api.create_ready()['id']}")
    for model in ("moonshot-v1-32k", "moonshot-v1-128k", "moonshot-v1-auto"):
        assert api.chat(reference, QUESTION, model=model).status_code == 200
    assert "kimi-k3" in reason(api.chat(reference, QUESTION, model="kimi-k3"), 400)


def test_each_call_with_reset_ttl_sets_the_expiry_from_now(api: Api) -> None:
    cache = api.create_ready(ttl=3600)
    reference = by_message(f"cache_id={cache['id']};reset_ttl=300")
    for _ in range(2):
        api.server.clock.advance(100)
        reply = api.chat(reference, QUESTION)
        expiry = int(api.server.clock.now()) + 300
        assert reply.headers["Msh-Context-Cache-Token-Exp"] == str(expiry)
        assert api.look(cache["id"])["expired_at"] == expiry


def test_a_refused_call_leaves_the_expiry_alone(api: Api) -> None:
    cache = api.create_ready()
    reference = by_message(f"cache_id={cache['id']};reset_ttl=60")
    reason(api.chat(reference, QUESTION, tools=[]), 400)
    assert api.look(cache["id"])["expired_at"] == cache["expired_at"]


def test_reset_ttl_brings_an_inactive_cache_back_as_pending(api: Api) -> None:
    cache = api.create_ready(ttl=60)
    api.server.clock.advance(120)
    reference = by_message(f"cache_id={cache['id']};reset_ttl=600")
    assert "pending" in reason(api.chat(reference, QUESTION), 400)
    revived = api.look(cache["id"])
    assert revived["status"] == "pending"
    assert revived["expired_at"] == int(api.server.clock.now()) + 600
    api.server.clock.advance(1)
    assert api.chat(reference, QUESTION).status_code == 200


def test_a_dry_run_checks_and_costs_nothing(api: Api) -> None:
    cache = api.create_ready()
    before = api.server.bill().total
    content = f"cache_id={cache['id']};dry_run=1;reset_ttl=60"
    reply = api.chat(by_message(content), QUESTION)
    assert reply.json()["choices"] == []
    assert reply.json()["usage"]["total_tokens"] == 0
    assert reply.headers["Msh-Context-Cache-Id"] == cache["id"]
    assert api.look(cache["id"])["expired_at"] == cache["expired_at"]
    assert api.server.bill().total == before
    assert api.server.chats() == []
    reason(api.chat(by_message(f"cache_id={UNKNOWN_CACHE};dry_run=1"), QUESTION), 404)


def test_a_streamed_dry_run_is_one_chunk_without_choices(api: Api) -> None:
    cache = api.create_ready()
    content = f"cache_id={cache['id']};dry_run=1"
    reply = api.chat(by_message(content), QUESTION, stream=True)
    (chunk,) = chunks_of(reply.text)
    assert (chunk["choices"], chunk["usage"]["total_tokens"]) == ([], 0)


def test_by_headers_a_request_that_repeats_the_prefix_is_a_hit(api: Api) -> None:
    cache = api.create_ready(tools=[TOOL])
    headers = {CACHE: cache["id"], RESET: "120"}
    reply = api.chat(SYSTEM, QUESTION, tools=[TOOL], headers=headers)
    assert reply.headers["Msh-Context-Cache-Id"] == cache["id"]
    assert reply.json()["usage"]["cached_tokens"] == cache["tokens"]
    assert api.look(cache["id"])["expired_at"] == int(api.server.clock.now()) + 120


@pytest.mark.parametrize(
    ("messages", "tools"),
    [
        ([SYSTEM, QUESTION], None),
        ([SYSTEM, QUESTION], [TOOL, TOOL]),
        ([QUESTION], [TOOL]),
        ([QUESTION, SYSTEM], [TOOL]),
        ([{**SYSTEM, "content": "Lighthouses."}, QUESTION], [TOOL]),
    ],
)
def test_by_headers_a_mismatch_is_answered_and_billed_as_usual(
    api: Api, messages: list[dict[str, str]], tools: list[object] | None
) -> None:
    cache = api.create_ready(tools=[TOOL])
    headers = {CACHE: cache["id"], RESET: "60"}
    reply = api.chat(*messages, tools=tools, headers=headers)
    assert reply.status_code == 200
    assert "Msh-Context-Cache-Id" not in reply.headers
    assert reply.json()["usage"]["cached_tokens"] == 0
    assert api.server.bill().totals["calls"] == 0
    assert api.look(cache["id"])["expired_at"] == cache["expired_at"]


def test_malformed_cache_headers_are_refused(api: Api) -> None:
    cache_id = api.create_ready()["id"]
    for name, value in ((RESET, "0"), (RESET, "3601"), (RESET, "x"), (DRY_RUN, "2")):
        assert name in reason(api.chat(headers={CACHE: cache_id, name: value}), 400)


def test_a_dry_run_by_headers_is_one_too(api: Api) -> None:
    cache = api.create_ready()
    headers = {CACHE: cache["id"], DRY_RUN: "1"}
    reply = api.chat(SYSTEM, QUESTION, headers=headers)
    assert reply.json()["choices"] == []


def test_two_references_in_one_request_are_refused(api: Api) -> None:
    cache_id = api.create_ready()["id"]
    reference = by_message(f"cache_id={cache_id}")
    reply = api.chat(reference, QUESTION, headers={CACHE: cache_id})
    assert "not both" in reason(reply, 400)


def test_a_tool_turn_may_begin_in_the_cache_and_end_in_the_request(api: Api) -> None:
    call = {
        "id": "lookup:0",
        "type": "function",
        "function": {"name": "lookup", "arguments": "{}"},
    }
    asked = {"role": "assistant", "content": "", "tool_calls": [call]}
    answer = {"role": "tool", "tool_call_id": "lookup:0", "content": "137 m"}
    cache = api.create_ready(messages=[SYSTEM, asked, answer], tools=[TOOL])
    reference = by_message(f"cache_id={cache['id']}")
    assert api.chat(reference, QUESTION).status_code == 200
    assert "answers the tool call" in reason(api.chat(reference, answer), 400)
    assert api.server.chats()[0].model == MODEL
