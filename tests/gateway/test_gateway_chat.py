"""Chat before an engine: what reaches it, and what is told of what it said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from gateway_kit import (
    LONG,
    MODEL,
    QUESTION,
    TOOL,
    by_message,
    completion,
    eventually,
    http,
    reason,
    say,
)

if TYPE_CHECKING:
    from gateway_kit import Engineroom, Gate, MakeGate

    from langchain_moonshot_cache.testing import MoonshotServer

pytestmark = pytest.mark.breaks_prefix("the gateway's tests repeat what they please")


def test_the_engine_gets_the_cached_messages_and_tools_in_their_place(
    gate: Gate, moonshot_server: MoonshotServer
) -> None:
    cache = gate.create_ready(tools=[TOOL])
    reply = gate.chat(by_message(cache), QUESTION, temperature=1)
    _, asked = moonshot_server.chats()
    assert asked.messages == [LONG, QUESTION]
    assert asked.tools == [TOOL]
    assert asked.request.body["temperature"] == 1
    assert reply.json()["choices"][0]["message"] == asked.answer


def test_an_answer_tells_what_the_engine_held(
    gate: Gate, moonshot_server: MoonshotServer
) -> None:
    cache = gate.create_ready(ttl=60)
    reply = gate.chat(by_message(cache, reset_ttl=600), QUESTION)
    _, asked = moonshot_server.chats()
    usage = reply.json()["usage"]
    assert usage["prompt_tokens"] == asked.prompt_tokens
    assert usage["cached_tokens"] == asked.cached_tokens > 0
    assert usage["prompt_tokens_details"]["cached_tokens"] == asked.cached_tokens
    assert reply.headers["msh-context-cache-id"] == cache["id"]
    assert reply.headers["msh-context-cache-token-saved"] == str(asked.cached_tokens)
    end = int(reply.headers["msh-context-cache-token-exp"])
    assert end == gate.look(cache["id"])["expired_at"] >= cache["created_at"] + 600


def test_a_reference_by_headers_counts_where_the_messages_are_the_same(
    gate: Gate,
) -> None:
    cache = gate.create_ready(tools=[TOOL])
    header = {"X-Msh-Context-Cache": cache["id"]}
    same = gate.chat(LONG, QUESTION, tools=[TOOL], headers=header)
    assert same.headers["msh-context-cache-id"] == cache["id"]
    swapped = dict(reversed(TOOL.items()))
    equal = gate.chat(LONG, QUESTION, tools=[swapped], headers=header)
    assert equal.headers["msh-context-cache-id"] == cache["id"]
    for other in ((QUESTION,), (LONG,)):
        reply = gate.chat(*other, headers=header)
        assert reply.status_code == 200
        assert "msh-context-cache-id" not in reply.headers


def test_a_dry_run_only_checks(gate: Gate, moonshot_server: MoonshotServer) -> None:
    cache = gate.create_ready(ttl=60)
    asked = len(moonshot_server.chats())
    reply = gate.chat(by_message(cache, reset_ttl=600, dry_run=1), QUESTION)
    assert reply.json()["choices"] == []
    assert reply.json()["usage"]["total_tokens"] == 0
    assert gate.look(cache["id"])["expired_at"] == cache["expired_at"]
    stream = gate.chat(by_message(cache, dry_run=1), QUESTION, stream=True)
    assert stream.text.endswith("data: [DONE]\n\n")
    assert len(moonshot_server.chats()) == asked
    reason(gate.chat({"role": "cache", "content": "cache_id=cache-0;dry_run=1"}), 400)


@pytest.mark.parametrize(
    ("messages", "fields", "wrong"),
    [
        ([QUESTION, {"role": "cache", "content": "tag=a"}], {}, "first or nowhere"),
        ([{"role": "cache", "content": "tag=a;"}, QUESTION], {}, "messages[0].content"),
        ([{"role": "cache", "content": "tag=a"}, QUESTION], {"model": 3}, "model"),
        ([{"content": "x"}], {}, "messages[0].role is missing"),
        ([QUESTION], {"stream": "yes"}, "stream must be"),
    ],
)
def test_what_the_gateway_cannot_read_is_refused(
    messages: list[dict[str, str]], fields: dict[str, Any], wrong: str, gate: Gate
) -> None:
    assert wrong in reason(gate.chat(*messages, **fields), 400)


def test_tools_beside_a_cache_message_are_refused(gate: Gate) -> None:
    cache = gate.create_ready()
    assert "tools" in reason(gate.chat(by_message(cache), QUESTION, tools=[]), 400)
    both = {"X-Msh-Context-Cache": cache["id"]}
    text = reason(gate.chat(by_message(cache), QUESTION, headers=both), 400)
    assert "not both" in text


def test_an_unknown_cache_or_tag_is_not_found(gate: Gate) -> None:
    unknown = {"role": "cache", "content": "cache_id=cache-" + "0" * 20}
    reason(gate.chat(unknown, QUESTION), 404)
    reason(gate.chat({"role": "cache", "content": "tag=nobody"}, QUESTION), 404)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({}, None),
        ({"usage": {"prompt_tokens": 9}}, None),
        ({"usage": {"prompt_tokens": 9, "cached_tokens": 5}}, 5),
        (
            {"usage": {"prompt_tokens": 9, "prompt_tokens_details": None}},
            None,
        ),
        ({"usage": {"prompt_tokens_details": {"cached_tokens": 7}}}, 7),
        ({"usage": {"prompt_cache_hit_tokens": 6}}, 6),
        ({"usage": {"prompt_tokens": 9}, "timings": {"cache_n": 8}}, 8),
        ({"usage": {"cached_tokens": "many"}}, None),
        ({"usage": {"cached_tokens": True}}, None),
        ({"usage": {"cached_tokens": -1}}, None),
    ],
)
def test_every_dialect_of_usage_is_read_and_nothing_is_guessed(
    said: dict[str, object],
    told: int | None,
    make_gate: MakeGate,
    engineroom: Engineroom,
) -> None:
    gate = make_gate(upstream={"url": engineroom.url})
    cache = gate.create_ready()
    answer = json.loads(completion().partition(b"\r\n\r\n")[2]) | said
    engineroom.answer = say(http(json.dumps(answer)))
    reply = gate.chat(by_message(cache), QUESTION)
    header = reply.headers.get("msh-context-cache-token-saved")
    assert header == (None if told is None else str(told))
    if told is None:
        assert reply.json().get("usage") == said.get("usage")
    else:
        assert reply.json()["usage"]["cached_tokens"] == told


def test_a_statement_counts_what_was_reported_and_what_was_not(
    make_gate: MakeGate, engineroom: Engineroom
) -> None:
    gate = make_gate(upstream={"url": engineroom.url})
    engineroom.answer = say(completion(prompt_tokens=900))
    cache = gate.create_ready()
    engineroom.answer = say(
        completion(prompt_tokens=910, completion_tokens=4, cached_tokens=900)
    )
    gate.chat(by_message(cache), QUESTION)
    engineroom.answer = say(completion())
    gate.chat()

    def line() -> dict[str, object] | None:
        lines = gate.get(f"{gate.gateway.url}/gateway/statement").json()["lines"]
        return lines[0] if lines and lines[0]["calls"] == 2 else None

    counts = eventually(line)
    assert counts.pop("day")
    assert counts == {
        "model": MODEL,
        "calls": 2,
        "prompt_tokens": 910,
        "cached_tokens": 900,
        "completion_tokens": 4,
        "calls_without_usage": 1,
        "calls_without_cached_tokens": 1,
        "prefixes_run": 1,
        "prefix_tokens_run": 900,
        "prefixes_run_without_usage": 0,
    }
    with gate.as_somebody_else("sk-theirs") as stranger:
        path = f"{gate.gateway.url}/gateway/statement"
        assert stranger.get(path).json()["lines"] == []


def test_a_prefix_that_the_engine_lost_is_run_again_once(
    gate: Gate, moonshot_server: MoonshotServer
) -> None:
    cache = gate.create_ready()
    asked = {"n": 1}

    def ask() -> None:
        asked["n"] += 1
        gate.chat(by_message(cache), {"role": "user", "content": str(asked["n"])})

    def runs() -> int:
        chats = moonshot_server.chats()
        return sum(chat.request.body.get("max_tokens") == 1 for chat in chats)

    ask()
    assert runs() == 1
    moonshot_server.forget_prefixes()
    ask()
    rewarmed = 'caches_rewarmed_total{result="ready"}'
    eventually(lambda: gate.figures().get(rewarmed) == 1)
    moonshot_server.forget_prefixes()  # lost again, before any call found it held
    ask()
    ask()
    eventually(lambda: gate.figures()['chat_calls_total{cache="hit"}'] == 2)
    assert runs() == 2
    moonshot_server.forget_prefixes()
    ask()
    eventually(lambda: gate.figures()[rewarmed] == 2)
    assert runs() == 3
    assert gate.figures()['chat_calls_total{cache="miss"}'] == 3


def test_accounts_are_kept_apart_in_the_engine_too(
    make_gate: MakeGate, engineroom: Engineroom
) -> None:
    salted = make_gate(upstream={"url": engineroom.url, "cache_salt": True})
    salted.create_ready()
    salted.chat()
    with salted.as_somebody_else("sk-theirs") as stranger:
        stranger.chat()
    ours, again, theirs = (body["cache_salt"] for body in engineroom.seen)
    assert ours == again != theirs
    assert "sk-ours" not in ours


def test_an_engine_that_does_not_ask_for_it_gets_no_salt(
    make_gate: MakeGate, engineroom: Engineroom
) -> None:
    make_gate(upstream={"url": engineroom.url}).chat()
    assert "cache_salt" not in engineroom.seen[0]


def test_the_engine_gets_its_key_and_headers_and_never_the_clients(
    make_gate: MakeGate, engineroom: Engineroom
) -> None:
    headers = {"X-Team": "lighthouses"}
    upstream = {"url": engineroom.url, "key": "sk-engine", "headers": headers}
    make_gate(upstream=upstream).chat()
    (head,) = engineroom.heads
    assert "Bearer sk-engine" in head
    assert "x-team: lighthouses" in head.lower()
    assert "sk-ours" not in head


def test_models_are_those_of_the_map_or_else_the_engines(
    make_gate: MakeGate, moonshot_server: MoonshotServer
) -> None:
    def served(gate: Gate) -> list[str]:
        return [model["id"] for model in gate.get("/models").json()["data"]]

    mapped = make_gate(upstream={"models": {"ours/fast": MODEL}})
    assert served(mapped) == ["ours/fast"]
    assert mapped.get("/models/ours/fast").json()["id"] == "ours/fast"
    assert mapped.chat(model="ours/fast").json()["model"] == "ours/fast"
    assert moonshot_server.chats()[0].model == MODEL
    reason(mapped.get(f"/models/{MODEL}"), 404)
    reason(mapped.chat(model=MODEL), 404)
    body = {"model": MODEL, "messages": [LONG]}
    reason(mapped.post("/caching", json=body), 404)
    assert len(moonshot_server.chats()) == 1
    assert MODEL in served(make_gate())


def test_half_a_character_is_handed_on_as_the_engine_names_it(
    make_gate: MakeGate, engineroom: Engineroom
) -> None:
    engineroom.answer = say(completion("\ud83d 灯塔"))
    gate = make_gate(upstream={"url": engineroom.url})
    assert gate.chat().json()["choices"][0]["message"]["content"] == "\ud83d 灯塔"
