"""Keys, limits, health, metrics and the access log."""

from __future__ import annotations

import io
import json
import re
import socket
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import httpx
import pytest
from gateway_kit import (
    LONG,
    MODEL,
    PATIENCE,
    QUESTION,
    Gate,
    by_message,
    completion,
    eventually,
    reason,
    refusal,
    say,
)
from prometheus_client.parser import text_string_to_metric_families

from langchain_moonshot_cache.server.gateway import (
    Gateway,
    GatewaySettings,
    Upstream,
    UpstreamSettings,
)
from langchain_moonshot_cache.server.gateway import wire as gateway_wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway_kit import Engineroom, MakeGate

    from langchain_moonshot_cache.testing import MoonshotServer

pytestmark = pytest.mark.breaks_prefix("the gateway's tests repeat what they please")

MEGABYTE = 1024 * 1024


def test_only_known_keys_come_in(make_gate: MakeGate) -> None:
    gate = make_gate(key="sk-ours", keys=frozenset({"sk-ours", "sk-firm:a"}))
    assert gate.chat().status_code == 200
    for key in ("sk-theirs", "sk-firm:b", "sk-firm", "sk-our", ""):
        with gate.as_somebody_else(key or "x") as stranger:
            if not key:
                del stranger.headers["authorization"]
            reply = stranger.chat()
            reason(reply, 401)
            assert reply.headers["www-authenticate"] == "Bearer"
            for path in (
                "/caching",
                "/models",
                f"{gate.gateway.url}/gateway/statement",
            ):
                reason(stranger.get(path), 401)
    with gate.as_somebody_else("sk-firm:a") as colleague:
        assert colleague.chat().status_code == 200


def test_programs_without_a_key_ask_for_health_and_metrics(make_gate: MakeGate) -> None:
    gate = make_gate(keys=frozenset({"sk-ours"}))
    with httpx.Client(base_url=gate.gateway.url) as anybody:
        assert anybody.get("/healthz").json() == {"engine": "ok", "state": "ok"}
        assert anybody.get("/metrics").status_code == 200
        assert anybody.get("/v1/models").status_code == 401
        assert anybody.get("/").status_code == 401


def test_an_unknown_route_is_answered_as_the_vendor_does(gate: Gate) -> None:
    reply = gate.get("/users/me/balance")
    assert reply.status_code == 404
    assert reply.json()["error"] == "url.not_found"
    wrong = gate.put("/chat/completions", json={})
    reason(wrong, 405)
    assert "POST" in wrong.headers["allow"]


def test_every_answer_carries_the_id_of_its_request(gate: Gate) -> None:
    ids = {gate.get("/models").headers["msh-request-id"] for _ in range(5)}
    assert len(ids) == 5


def test_bodies_that_are_no_json_are_refused(gate: Gate) -> None:
    headers = {"Content-Type": "application/json"}
    for body in (b"", b"{", b"\xff", b"[" * 100_000, b'{"a": NaN}', b'"\\ud800"'):
        reason(gate.post("/chat/completions", content=body, headers=headers), 400)
    reason(gate.post("/chat/completions", content=b"{}"), 415)


class Wire:
    """A connection on which a test sends what it pleases."""

    def __init__(self, gate: Gate) -> None:
        address = urlsplit(gate.gateway.url)
        assert address.hostname
        assert address.port
        where = (address.hostname, address.port)
        self._socket = socket.create_connection(where, timeout=PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def begin(self, *headers: str, body: bytes = b"") -> None:
        head = ["POST /v1/caching HTTP/1.1", "Host: x", "Authorization: Bearer sk-ours"]
        lines = [*head, "Content-Type: application/json", *headers]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def gone(self) -> bool:
        """Wait until the other end is gone, which must not say anything before."""
        try:
            return self._socket.recv(1) == b""
        except ConnectionError:  # it went before it was sent something
            return True

    def heard(self) -> str:
        """Return what was answered, as long as it says that it is."""
        answer = ""
        while not (told := re.search(r"content-length: (\d+)", answer)) or len(
            answer.partition("\r\n\r\n")[2]
        ) < int(told[1]):
            answer += self._socket.recv(65536).decode()
        return answer


def test_a_body_that_announces_too_much_is_refused_before_it_is_sent(
    gate: Gate,
) -> None:
    with Wire(gate) as wire:
        wire.begin(f"Content-Length: {200 * MEGABYTE}")
        answer = wire.heard()
        assert " 413 " in answer
        assert "at most 33554432 bytes fit" in answer


def test_a_body_that_turns_out_too_long_is_refused_on_the_way(
    make_gate: MakeGate,
) -> None:
    gate = make_gate(max_body_bytes=MEGABYTE)
    with Wire(gate) as wire:
        wire.begin("Transfer-Encoding: chunked")
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        for _ in range(17):
            wire.send(chunk)
        assert " 413 " in wire.heard()


def test_a_client_that_sends_all_of_it_before_it_reads_reads_why_not(
    make_gate: MakeGate,
) -> None:
    gate = make_gate(max_body_bytes=MEGABYTE)
    # Not JSON at all: nothing of it is ever looked at.
    body = b"x" * (20 * MEGABYTE)
    headers = {"Content-Type": "application/json"}
    reply = gate.post("/caching", content=body, headers=headers)
    assert "too large" in reason(reply, 413)
    assert gate.get("/models").status_code == 200


def test_a_body_that_takes_too_long_is_refused(make_gate: MakeGate) -> None:
    gate = make_gate(body_seconds=0.05)
    with Wire(gate) as wire:
        wire.begin("Content-Length: 100", body=b"{")
        assert " 408 " in wire.heard()


@pytest.mark.parametrize("head", [b"", b"POST /v1/caching HTTP/1.1\r\nHost: x\r\n"])
def test_a_connection_that_ends_no_head_is_cut_off(
    head: bytes, make_gate: MakeGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_wire, "HEAD_WITHIN", 0.05)
    with Wire(make_gate()) as wire:
        wire.send(head)
        assert wire.gone()


def test_a_head_after_an_answer_may_take_no_longer(
    make_gate: MakeGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Wire(make_gate()) as wire:
        wire.begin("Content-Length: 2", body=b"{}")
        assert " 400 " in wire.heard()
        monkeypatch.setattr(gateway_wire, "HEAD_WITHIN", 0.05)
        wire.send(b"GET /v1/models HTTP/1.1\r\n")
        assert wire.gone()


def test_a_stranger_is_refused_before_a_body_is_read(make_gate: MakeGate) -> None:
    gate = make_gate(keys=frozenset({"sk-else"}))
    with Wire(gate) as wire:
        wire.begin("Content-Length: 1000000")
        assert " 401 " in wire.heard()


def test_a_client_that_leaves_while_it_sends_is_nobodys_error(
    make_gate: MakeGate,
) -> None:
    gate = make_gate()
    with Wire(gate) as wire:
        wire.begin("Content-Length: 1000")
        wire.send(b"{")
    gone = 'requests_total{status="gone"}'
    eventually(lambda: gate.figures().get(gone) == 1)


def test_metrics_tell_of_hits_and_times(
    gate: Gate, moonshot_server: MoonshotServer
) -> None:
    cache = gate.create_ready()
    gate.chat(by_message(cache), QUESTION, stream=True)
    gate.chat()
    hits = 'chat_calls_total{cache="hit"}'
    figures = eventually(lambda: (f := gate.figures()).get(hits) and f)
    _, asked, _ = moonshot_server.chats()
    assert figures[hits] == figures['chat_calls_total{cache="none"}'] == 1
    assert figures["tokens_saved_total"] == asked.cached_tokens
    assert figures['time_to_first_token_seconds_count{cache="hit"}'] == 1
    assert figures['caches{status="ready"}'] == 1
    assert figures['caches_built_total{result="ready"}'] == 1
    text = gate.get(f"{gate.gateway.url}/metrics").text
    names = {family.name for family in text_string_to_metric_families(text)}
    assert "moonshot_gateway_time_to_first_token_seconds" in names


class Told(io.RawIOBase):
    """Keeps what is written."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, line: Any) -> int:
        self.text += bytes(line).decode()
        return len(line)


@pytest.fixture
def logged(engineroom: Engineroom) -> Iterator[tuple[Gate, Told]]:
    """A gateway with an access log that a test reads."""
    log = Told()
    settings = UpstreamSettings(url=engineroom.url, key="sk-engine-canary")
    with (
        Gateway(
            GatewaySettings(), engine=lambda: Upstream(settings), access_log=log
        ) as gateway,
        Gate(gateway, key="sk-client-canary") as gate,
    ):
        yield gate, log


def test_the_access_log_tells_what_happened_and_nothing_that_was_said(
    logged: tuple[Gate, Told], engineroom: Engineroom
) -> None:
    gate, log = logged
    engineroom.answer = say(
        completion("answer-canary", prompt_tokens=900, cached_tokens=880)
    )
    cache = gate.create_ready(
        {"role": "user", "content": "prefix-canary"},
        name="name-canary",
        metadata={"key-canary": "value-canary"},
        tags=["tag-canary"],
    )
    gate.chat(by_message(cache), {"role": "user", "content": "question-canary"})
    gate.get("/caching/refs/tags/tag-canary")
    gate.get("/caching", params={"metadata[key-canary]": "value-canary"})
    gate.get("/path-canary")
    gate.chat({"role": "user", "content": "x"}, model="m" * 1000)
    engineroom.answer = say(refusal("400 Bad Request", "reason-canary"), hang_up=True)
    gate.chat()
    # A line is written once its answer is out.
    text = eventually(lambda: "refused" in (told := log.text) and told)
    assert "canary" not in text
    lines = [json.loads(line) for line in text.splitlines()]
    chat = next(line for line in lines if line["route"] == "/v1/chat/completions")
    assert re.fullmatch("[0-9a-f]{24}", chat.pop("request_id"))
    assert chat.pop("account").startswith("acct-")
    assert chat.pop("at") > 0
    assert chat.pop("seconds") >= 0
    assert chat == {
        "method": "POST",
        "route": "/v1/chat/completions",
        "status": 200,
        "model": MODEL,
        "cache_id": cache["id"],
        "prompt_tokens": 900,
        "cached_tokens": 880,
    }
    assert lines[-1]["engine"] == "refused"
    assert lines[-1]["status"] == 400
    assert all(len(line) < 1000 for line in text.splitlines())


def test_keys_show_in_no_representation() -> None:
    url = "redis://:word-canary@127.0.0.1/0"
    settings = GatewaySettings(keys=frozenset({"key-canary"}), data=url)
    headers = {"X-Key": "header-canary"}
    upstream = UpstreamSettings(url="http://x/v1", key="sk-canary", headers=headers)
    assert "canary" not in f"{settings!r} {upstream!r} {Upstream(upstream)!r}"


def test_nothing_the_gateway_keeps_holds_a_key(
    make_gate: MakeGate, tmp_path: Any
) -> None:
    path = tmp_path / "state.sqlite"
    gate = make_gate(key="sk-canary-word", data=str(path))
    gate.create_ready(LONG)
    gate.chat()
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"canary" not in stored
    assert b"every lighthouse" in stored.lower()
