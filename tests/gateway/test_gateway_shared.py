"""Several gateways before one engine, with one state: they are one to their clients."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from typing import TYPE_CHECKING

import pytest
from gateway_kit import (
    MODEL,
    QUESTION,
    by_message,
    completion,
    eventually,
    reason,
    say,
    silence,
)
from registry_kit import shared_redis

if TYPE_CHECKING:
    from pathlib import Path

    from gateway_kit import Engineroom, Gate, Line, MakeGate

    from langchain_moonshot_cache.testing import MoonshotServer

pytestmark = pytest.mark.breaks_prefix("the gateway's tests repeat what they please")


def fresh_redis() -> str:
    """Return the URL of a Redis that holds nothing."""
    server = shared_redis()
    import redis  # noqa: PLC0415 - an extra, which that has looked for

    with redis.Redis.from_url(server.url) as client:
        client.flushdb()
    return server.url


@pytest.fixture(params=["sqlite", "redis"])
def data(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the gateways of one test keep their state."""
    return str(tmp_path / "db") if request.param == "sqlite" else fresh_redis()


def test_what_one_gateway_made_another_serves_and_deletes(
    data: str, make_gate: MakeGate, moonshot_server: MoonshotServer
) -> None:
    one, other = make_gate(data=data), make_gate(data=data)
    cache = one.create_ready(tags=["docs"])
    assert other.look(cache["id"]) == cache
    reply = other.chat(by_message(cache), QUESTION)
    assert reply.headers["msh-context-cache-id"] == cache["id"]
    assert moonshot_server.chats()[-1].cached_tokens > 0
    assert one.chat(by_message(cache), QUESTION).status_code == 200
    other.delete(f"/caching/{cache['id']}")
    reason(one.chat(by_message(cache), QUESTION), 404)
    reason(one.get("/caching/refs/tags/docs/content"), 404)
    assert one.get("/caching").json()["data"] == []


def test_a_cache_is_built_by_one_gateway_however_many_are_asked(
    data: str, make_gate: MakeGate, engineroom: Engineroom
) -> None:
    engineroom.answer = silence
    gates = [make_gate(data=data, upstream={"url": engineroom.url}) for _ in range(3)]
    cache = gates[0].create()
    eventually(lambda: engineroom.seen)
    for gate, _ in zip(cycle(gates), range(12), strict=False):
        assert gate.look(cache["id"])["status"] == "pending"
    assert len(engineroom.seen) == 1


def test_a_gateway_that_stops_hands_on_what_it_was_building(
    data: str, make_gate: MakeGate, engineroom: Engineroom
) -> None:
    engineroom.answer = silence
    one, other = (make_gate(data=data, upstream={"url": engineroom.url}) for _ in "12")
    cache = one.create()
    eventually(lambda: engineroom.seen)
    engineroom.answer = say(completion(prompt_tokens=900))
    one.gateway.stop()
    assert other.settled(cache["id"])["tokens"] == 900
    assert len(engineroom.seen) == 2


def test_a_statement_adds_up_over_all_gateways(data: str, make_gate: MakeGate) -> None:
    gates = [make_gate(data=data) for _ in range(2)]

    def calls(gate: Gate) -> int:
        lines = gate.get(f"{gate.gateway.url}/gateway/statement").json()["lines"]
        return sum(line["calls"] for line in lines if line["model"] == MODEL)

    for gate in gates * 2:
        gate.chat()
    eventually(lambda: calls(gates[0]) == calls(gates[1]) == 4)


def test_a_state_that_is_lost_for_a_while_is_an_error_and_no_end(
    make_gate: MakeGate,
) -> None:
    gate, redis = make_gate(data=fresh_redis()), shared_redis()
    cache = gate.create_ready()
    redis.stop()
    try:
        reply = gate.chat(by_message(cache), QUESTION)
        assert reply.status_code == 503
        assert "state" in reason(reply, 503)
        health = gate.get(f"{gate.gateway.url}/healthz")
        assert (health.status_code, health.json()["state"]) == (503, "down")
        assert gate.chat().status_code == 200
    finally:
        redis.start()
    assert gate.get("/caching").json()["data"] == []
    assert gate.get(f"{gate.gateway.url}/healthz").status_code == 200


def test_an_answer_is_not_lost_with_the_state_that_was_to_note_its_use(
    make_gate: MakeGate, engineroom: Engineroom
) -> None:
    lost = threading.Event()

    async def after_the_loss(line: Line) -> None:
        await engineroom.until(lost)
        await say(completion())(line)

    gate = make_gate(data=fresh_redis(), upstream={"url": engineroom.url})
    redis, cache = shared_redis(), gate.create_ready(ttl=60)
    engineroom.answer = after_the_loss
    asking = by_message(cache, reset_ttl=600), QUESTION
    try:
        with ThreadPoolExecutor(1) as caller:
            call = caller.submit(gate.chat, *asking)
            eventually(lambda: len(engineroom.seen) == 2)
            redis.stop()
            lost.set()
            reply = call.result()
    finally:
        redis.start()
    assert reply.json()["choices"][0]["message"]["content"] == "137 metres"
    told = reply.headers["msh-context-cache-token-exp"]
    assert told == str(cache["expired_at"])
