"""Connections to an engine: kept while they are good, and never mistaken for it."""

from __future__ import annotations

import asyncio
import ssl
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from gateway_kit import (
    DONE,
    LONG,
    MODEL,
    QUESTION,
    STREAM,
    chunk,
    completion,
    eventually,
    http,
    reason,
    refusal,
    say,
    silence,
)

from langchain_moonshot_cache.server.gateway import Upstream, UpstreamSettings
from langchain_moonshot_cache.server.gateway import http as pooling

if TYPE_CHECKING:
    from gateway_kit import Engineroom, Line, MakeGate

pytestmark = pytest.mark.breaks_prefix("the gateway's tests repeat what they please")

LAST = chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
EVENTS = chunk("137") + LAST + DONE


def test_a_connection_is_used_again_once_its_answer_was_read(
    make_gate: MakeGate, engineroom: Engineroom
) -> None:
    gate = make_gate(upstream={"url": engineroom.url})
    whole, events = completion(), http(EVENTS, kind="text/event-stream")
    for streams in (False, True, False, True):
        engineroom.answer = say(events if streams else whole)
        assert gate.chat(stream=streams).status_code == 200
    engineroom.answer = say(refusal("400 Bad Request", "no"))
    reason(gate.chat(), 400)
    engineroom.answer = say(whole)
    assert gate.chat().status_code == 200
    assert engineroom.connections == 1


def test_a_connection_that_the_engine_closed_is_not_used_again(
    make_gate: MakeGate, engineroom: Engineroom
) -> None:
    gate = make_gate(upstream={"url": engineroom.url})
    for count in (1, 2, 3):
        engineroom.answer = say(completion(), hang_up=True)
        assert gate.chat().status_code == 200
        assert engineroom.connections == count


def test_a_request_that_meets_a_closing_connection_is_sent_again_on_a_new_one(
    make_gate: MakeGate, engineroom: Engineroom
) -> None:
    gate = make_gate(upstream={"url": engineroom.url})
    assert gate.chat().status_code == 200

    async def close(line: Line) -> None:
        line.hang_up()
        engineroom.answer = say(completion())

    engineroom.answer = close
    assert gate.chat().status_code == 200
    assert engineroom.connections == 2


@pytest.mark.parametrize("kept", [False, True])
def test_a_request_is_sent_again_once_at_the_most(
    make_gate: MakeGate, engineroom: Engineroom, *, kept: bool
) -> None:
    gate = make_gate(upstream={"url": engineroom.url})
    if kept:
        assert gate.chat().status_code == 200
    asked = len(engineroom.seen)
    engineroom.answer = say(hang_up=True)
    reason(gate.chat(), 502)
    assert len(engineroom.seen) - asked == (2 if kept else 1)


def test_a_request_on_a_kept_connection_is_not_sent_again_because_of_silence(
    make_gate: MakeGate, engineroom: Engineroom
) -> None:
    gate = make_gate(upstream={"url": engineroom.url, "timeout": 0.5})
    assert gate.chat().status_code == 200
    asked = len(engineroom.seen)
    engineroom.answer = silence
    reason(gate.chat(), 504)
    assert len(engineroom.seen) - asked == 1


def test_a_connection_that_was_idle_for_long_is_not_used_again(
    make_gate: MakeGate, engineroom: Engineroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = make_gate(upstream={"url": engineroom.url})
    assert gate.chat().status_code == 200
    monkeypatch.setattr(pooling, "KEEP_IDLE", 0.0)
    assert gate.chat().status_code == 200
    assert engineroom.connections == 2


def test_what_a_burst_of_calls_has_opened_is_closed_after_a_while(
    make_gate: MakeGate, engineroom: Engineroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_of_them = asyncio.Event()

    async def together(line: Line) -> None:
        if len(engineroom.seen) == 8:
            all_of_them.set()
        await all_of_them.wait()
        await line.send(completion())

    monkeypatch.setattr(pooling, "KEEP_IDLE", 0.2)
    engineroom.answer = together
    gate = make_gate(upstream={"url": engineroom.url})
    with ThreadPoolExecutor(8) as callers:
        replies = callers.map(lambda _: gate.chat(), range(8))
    assert {reply.status_code for reply in replies} == {200}
    assert engineroom.connections == 8
    eventually(lambda: engineroom.open == 0)


def test_an_answer_that_has_said_all_and_does_not_end_is_over(
    make_gate: MakeGate, engineroom: Engineroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pooling, "END_WITHIN", 0.05)
    gate = make_gate(upstream={"url": engineroom.url})

    async def stay(line: Line) -> None:
        await line.send(STREAM + EVENTS)
        await line.until_gone()

    engineroom.answer = stay
    assert gate.chat(stream=True).text.endswith("data: [DONE]\n\n")
    eventually(lambda: engineroom.gone == 1)
    gate.at_rest()


def test_an_answer_with_more_behind_it_ends_the_connection(
    make_gate: MakeGate, engineroom: Engineroom
) -> None:
    gate = make_gate(upstream={"url": engineroom.url})
    engineroom.answer = say(completion("mine") + completion("somebody else's"))
    for _ in range(2):
        reply = gate.chat().json()
        assert reply["choices"][0]["message"]["content"] == "mine"
    assert engineroom.connections == 2


def test_an_answer_that_is_announced_by_another_is_waited_for(
    make_gate: MakeGate, engineroom: Engineroom
) -> None:
    engineroom.answer = say(b"HTTP/1.1 103 Early Hints\r\n\r\n", completion())
    gate = make_gate(upstream={"url": engineroom.url})
    assert gate.chat().status_code == 200


def test_an_engine_may_refuse_before_it_has_read_everything(
    make_gate: MakeGate, engineroom: Engineroom
) -> None:
    async def early(line: Line) -> None:
        await line.send(refusal("413 Payload Too Large", "too long"))
        line.hang_up()

    engineroom.early = early
    gate = make_gate(upstream={"url": engineroom.url})
    long = {"role": "user", "content": "x" * 8_000_000}
    reply = gate.chat(long)
    assert reply.status_code in (413, 502)
    assert "engine" in reply.json()["error"]["message"]


def test_a_head_without_end_is_given_up(
    make_gate: MakeGate, engineroom: Engineroom
) -> None:
    async def babble(line: Line) -> None:
        await line.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            await line.send(b"X-Babble: " + b"x" * 1000 + b"\r\n")

    engineroom.answer = babble
    gate = make_gate(upstream={"url": engineroom.url})
    assert "without an answer" in reason(gate.chat(), 502)
    eventually(lambda: gate.figures()["questions_in_flight"] == 0)


async def test_a_secure_engine_is_asked_by_name_and_certificate(
    engineroom: Engineroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pooling, "CONNECT_WITHIN", 0.2)
    upstream = Upstream(UpstreamSettings(url="https://engine.example/base/v1/"))
    pool = upstream._pool
    assert pool._tls is not None
    assert pool._tls.verify_mode is ssl.CERT_REQUIRED
    assert pool._tls.check_hostname
    assert (pool._host, pool._port, pool._path) == ("engine.example", 443, "/base/v1")
    plain = engineroom.url.replace("http:", "https:")
    speaks_no_tls = Upstream(UpstreamSettings(url=plain))
    with pytest.raises(Exception, match="cannot be reached"):
        await speaks_no_tls.models()


def test_messages_reach_the_engine_character_by_character(
    make_gate: MakeGate, engineroom: Engineroom
) -> None:
    odd = {"role": "user", "content": 'a "b" \\ \u2028 \x00 灯塔 🗼 {"model": "x"}'}
    gate = make_gate(upstream={"url": engineroom.url})
    gate.chat(LONG, odd, QUESTION, seed=7, tools=[])
    (body,) = engineroom.seen
    assert body == {
        "model": MODEL,
        "messages": [LONG, odd, QUESTION],
        "tools": [],
        "seed": 7,
        "stream": False,
    }
