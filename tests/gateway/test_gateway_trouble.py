"""An engine in trouble: said in the API's own form, and nothing left hanging."""

from __future__ import annotations

from dataclasses import dataclass
from gzip import compress
from typing import TYPE_CHECKING

import pytest
from gateway_kit import (
    LONG,
    QUESTION,
    STREAM,
    by_message,
    chunk,
    completion,
    eventually,
    http,
    reason,
    refusal,
    say,
    silence,
)

if TYPE_CHECKING:
    from gateway_kit import Engineroom, Gate, Line, MakeGate

    from langchain_moonshot_cache.testing import MoonshotServer

pytestmark = pytest.mark.breaks_prefix("the gateway's tests repeat what they please")

HTML = "<html><h1>It works!</h1></html>"
NOBODY = "http://127.0.0.1:9/v1"  # the port of "discard", which nobody runs


@dataclass(frozen=True)
class Case:
    """What an engine answers, and what is told of it."""

    name: str
    answer: bytes
    status: int
    trouble: str
    told: str
    no_stream: bool = False
    """Under status 200 anything but events is that, whatever else may be wrong."""


def refused(name: str, status: str, message: str, told: str | None = None) -> Case:
    """Return the case of an engine that refuses what the client asked."""
    answer = refusal(status, message)
    return Case(name, answer, int(status[:3]), "refused", told or message)


WAIT = {"Retry-After": "7"}
CASES = [
    Case("html", http(HTML, kind="text/html"), 502, "malformed", "JSON", True),
    Case(
        "html-404",
        http(HTML, status="404 Not Found", kind="text/html"),
        *(502, "refused", "does not know this address (404)"),
    ),
    Case(
        "no-route",
        http('{"detail": "Not Found"}', status="404 Not Found"),
        *(502, "refused", "most often ends with /v1"),
    ),
    Case(
        "redirect",
        http("", status="307 Temporary Redirect", headers="Location: https://x/\r\n"),
        *(502, "refused", "--upstream should name the address"),
    ),
    Case(
        "proxy-413",
        http(HTML, status="413 Content Too Large", kind="text/html"),
        *(413, "refused", "no request of this size"),
    ),
    Case(
        "gzip",
        http(compress(completion()), headers="Content-Encoding: gzip\r\n"),
        *(502, "malformed", "without compression"),
    ),
    Case("list", http("[]"), 502, "malformed", "JSON", True),
    Case("empty", http("{}"), 502, "malformed", "completion", True),
    Case(
        "error-200",
        http('{"error": {"message": "no GPU"}}'),
        *(502, "malformed", "failed under status 200: no GPU"),
    ),
    refused("context", "400 Bad Request", "maximum context length is 4096 tokens"),
    refused("tools", "400 Bad Request", "this model does not support tools"),
    refused("model", "404 Not Found", "model 'x' not found"),
    Case(
        "key",
        refusal("401 Unauthorized", "Incorrect API key: sk-engine"),
        *(502, "refused", "--upstream-key-file"),
    ),
    Case(
        "500",
        refusal("500 Internal Server Error", "CUDA out of memory"),
        *(502, "broken", "CUDA out of memory"),
    ),
    Case(
        "429",
        refusal("429 Too Many Requests", "slow down", **WAIT),
        *(429, "busy", "slow down"),
    ),
    Case(
        "503",
        refusal("503 Service Unavailable", "loading model", **WAIT),
        *(503, "busy", "loading model"),
    ),
    Case("hang-up", b"", 502, "broken", "without an answer"),
    Case("no-http", b"SSH-2.0\r\n\r\n", 502, "broken", "without an answer"),
    Case("half", completion()[:-20], 502, "broken", "broke off"),
]
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
in_both_ways = pytest.mark.parametrize(
    "streams", [False, True], ids=["whole", "stream"]
)


@in_both_ways
@each_case
def test_a_chat_call_says_what_is_wrong_with_the_engine(
    case: Case, *, streams: bool, make_gate: MakeGate, engineroom: Engineroom
) -> None:
    engineroom.answer = say(case.answer, hang_up=True)
    gate = make_gate(upstream={"url": engineroom.url, "key": "sk-engine"})
    reply = gate.chat(stream=streams)
    told, trouble = case.told, case.trouble
    if streams and case.no_stream:
        told, trouble = "a stream of events", "malformed"
    text = reason(reply, case.status)
    assert told in text
    assert "sk-engine" not in text
    assert gate.figures()[f'upstream_errors_total{{trouble="{trouble}"}}'] == 1
    gate.at_rest()
    eventually(lambda: engineroom.open == 0)
    if case.status in (429, 503):
        assert reply.headers["retry-after"] == "7"


@each_case
def test_a_cache_that_cannot_be_built_ends_in_error_with_the_reason(
    case: Case, make_gate: MakeGate, engineroom: Engineroom
) -> None:
    engineroom.answer = say(case.answer, hang_up=True)
    gate = make_gate(upstream={"url": engineroom.url})
    cache = gate.settled(gate.create()["id"])
    assert cache["status"] == "error"
    assert case.told in cache["error"]["message"]
    assert "error, not ready" in reason(gate.chat(by_message(cache), QUESTION), 400)
    update = gate.put(f"/caching/{cache['id']}", json={"ttl": 60})
    assert "cannot be updated" in reason(update, 400)
    assert gate.figures()['caches_built_total{result="error"}'] == 1
    assert gate.figures()['caches{status="error"}'] == 1
    assert gate.figures()[f'upstream_errors_total{{trouble="{case.trouble}"}}'] == 1
    gate.at_rest(cache)
    eventually(lambda: engineroom.open == 0)


def test_an_engine_that_is_not_there(make_gate: MakeGate) -> None:
    gate = make_gate(upstream={"url": NOBODY})
    for streams in (True, False):
        text = reason(gate.chat(stream=streams), 502)
        assert text == "The engine cannot be reached."
    failed = gate.settled(gate.create()["id"])
    assert failed["error"]["message"] == "The engine cannot be reached."
    gate.at_rest(failed)
    reason(gate.get("/models"), 502)
    health = gate.get(f"{gate.gateway.url}/healthz")
    assert health.status_code == 503
    assert health.json() == {"engine": "down", "state": "ok"}


@in_both_ways
def test_an_engine_that_says_nothing_is_waited_for_no_longer_than_allowed(
    *, streams: bool, make_gate: MakeGate, engineroom: Engineroom
) -> None:
    engineroom.answer = silence
    gate = make_gate(upstream={"url": engineroom.url, "timeout": 0.05})
    assert "in time" in reason(gate.chat(stream=streams), 504)
    failed = gate.settled(gate.create()["id"])
    assert "in time" in failed["error"]["message"]
    eventually(lambda: engineroom.gone == 2)
    gate.at_rest(failed)


@pytest.mark.parametrize("half", [completion()[:-20], STREAM + chunk("137")])
def test_an_engine_that_falls_silent_in_its_answer_is_given_up(
    half: bytes, make_gate: MakeGate, engineroom: Engineroom
) -> None:
    async def begin(line: Line) -> None:
        await line.send(half)
        await line.until_gone()

    engineroom.answer = begin
    # On a busy machine an engine may need more than a moment to begin.
    gate = make_gate(upstream={"url": engineroom.url, "timeout": 1.0})
    streams = half.startswith(STREAM)
    reply = gate.chat(stream=streams)
    assert reply.status_code == (200 if streams else 504)
    assert "fell silent in the middle of its answer" in reply.text
    assert "[DONE]" not in reply.text
    eventually(lambda: engineroom.gone == 1)
    gate.at_rest()


def test_calls_wait_for_a_connection_no_longer_than_allowed(
    make_gate: MakeGate, engineroom: Engineroom
) -> None:
    engineroom.answer = silence
    upstream = {"url": engineroom.url, "connections": 1, "timeout": 0.3}
    gate = make_gate(upstream=upstream)
    cache = gate.create()
    eventually(lambda: engineroom.seen)
    reply = gate.chat()
    assert reply.status_code in (503, 200, 504)
    gate.at_rest(cache)


def test_a_long_reason_is_cut(make_gate: MakeGate, engineroom: Engineroom) -> None:
    engineroom.answer = say(refusal("400 Bad Request", "x" * 100_000), hang_up=True)
    gate = make_gate(upstream={"url": engineroom.url})
    assert len(reason(gate.chat(), 400)) < 1000


def test_an_engine_that_recovers_is_asked_again(
    make_gate: MakeGate, engineroom: Engineroom
) -> None:
    gate = make_gate(upstream={"url": engineroom.url})
    engineroom.answer = say(hang_up=True)
    reason(gate.chat(), 502)
    engineroom.answer = say(completion())
    assert gate.chat().status_code == 200
    assert gate.chat().status_code == 200
    assert engineroom.connections == 2


def test_the_stand_ins_own_faults_pass_through(
    gate: Gate, moonshot_server: MoonshotServer
) -> None:
    moonshot_server.fail(
        "status", error="exceeded_current_quota_error", headers={"Retry-After": "3"}
    )
    reply = gate.chat(LONG, QUESTION)
    assert reply.status_code == 429
    assert reply.json()["error"]["type"] == "exceeded_current_quota_error"
    assert reply.headers["retry-after"] == "3"
