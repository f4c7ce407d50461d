"""Scripted faults: each one does what it says, and leaves the server sound."""

from __future__ import annotations

import json
import logging
from typing import Any

import httpx
import pytest
from server_kit import QUESTION, Api, by_message, chunks_of, reason

from langchain_moonshot_cache.server.faults import Fault, Faults

CACHING = "/v1/caching"


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Any:
    """A scripted fault is no mishap: nothing may be logged about it."""
    yield
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


def test_a_status_is_answered_in_place_of_the_server(api: Api) -> None:
    api.server.fail("status", path=CACHING, status=429, headers={"Retry-After": "3"})
    reply = api.post("/caching", json={})
    assert reply.json()["error"]["type"] == "rate_limit_reached_error"
    assert (reply.status_code, reply.headers["Retry-After"]) == (429, "3")
    assert api.server.creates() == 0


def test_a_status_may_carry_any_body(api: Api) -> None:
    quota = {"error": {"type": "exceeded_current_quota_error", "message": "empty"}}
    api.server.fail("status", status=429, body=quota, nth=1)
    assert api.get("/models").json() == quota
    api.server.fail("status", status=503, body="try later", nth=1)
    assert api.get("/models").text == "try later"
    assert api.get("/models").status_code == 200


def test_html_is_what_a_proxy_would_say(api: Api) -> None:
    api.server.fail("html", nth=1)
    reply = api.get("/models")
    assert reply.status_code == 502
    assert reply.headers["content-type"].startswith("text/html")
    api.server.fail("html", status=200, body="<p>log in</p>", nth=1)
    assert api.get("/models").text == "<p>log in</p>"


@pytest.mark.parametrize(
    ("kind", "creates"), [("cut", 0), ("reply_lost", 1), ("cut_body", 1)]
)
def test_a_cut_connection_is_seen_as_one(api: Api, kind: Any, creates: int) -> None:
    api.server.fail(kind, method="POST", path=CACHING, nth=1)
    with pytest.raises(httpx.RemoteProtocolError):
        api.create()
    assert api.server.creates() == creates
    api.create()


def test_a_malformed_answer_still_took_effect(api: Api) -> None:
    api.server.fail("malformed", path=CACHING, nth=1)
    body = {"model": "moonshot-v1", "messages": [QUESTION]}
    reply = api.post("/caching", json=body)
    assert reply.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        reply.json()
    assert api.server.creates() == 1


def test_a_delay_outlasts_an_impatient_client_and_takes_no_effect(api: Api) -> None:
    api.server.fail("delay", path=CACHING, seconds=60, nth=1)
    body = {"model": "moonshot-v1", "messages": [QUESTION]}
    with pytest.raises(httpx.ReadTimeout):
        api.post("/caching", json=body, timeout=0.05)
    assert api.server.creates() == 0
    assert api.get("/caching").status_code == 200


def test_a_short_delay_is_only_a_delay(api: Api) -> None:
    api.server.fail("delay", seconds=0.01, nth=1)
    assert api.get("/models").status_code == 200


def test_a_stream_breaks_off_after_some_chunks(api: Api) -> None:
    api.server.fail("cut_stream_after", chunks=2, nth=1)
    lines = []
    body = {"model": "moonshot-v1-8k", "messages": [QUESTION], "stream": True}
    with (
        pytest.raises(httpx.RemoteProtocolError),
        api.stream("POST", "/chat/completions", json=body) as reply,
    ):
        lines += [line for line in reply.iter_lines() if line]
    assert len(lines) <= 2
    assert chunks_of(api.chat(stream=True).text)


def test_a_stream_may_end_in_an_error(api: Api) -> None:
    api.server.fail("error_in_stream", chunks=1, nth=1)
    events = api.chat(stream=True).text.split("\n\n")
    assert json.loads(events[1].removeprefix("data: "))["error"]["type"]
    assert events[2:] == [""]


def test_a_stream_fault_waits_for_a_stream(api: Api) -> None:
    api.server.fail("cut_stream_after", nth=1)
    assert api.chat().status_code == 200
    with pytest.raises(httpx.RemoteProtocolError):
        api.chat(stream=True)


def test_a_reply_that_was_lost_is_still_billed(api: Api) -> None:
    api.server.fail("reply_lost", nth=1)
    with pytest.raises(httpx.RemoteProtocolError):
        api.chat()
    assert api.server.bill().totals["output"] > 0
    (chat,) = api.server.chats()
    assert chat.messages == [QUESTION]


def test_the_nth_matching_request_is_struck_and_as_many_as_were_said(api: Api) -> None:
    path = "/v1/caching/{id}"
    api.server.fail("status", method="GET", path=path, nth=2, times=2, status=503)
    cache_id = api.create()["id"]
    api.get("/caching")
    statuses = [api.get(f"/caching/{cache_id}").status_code for _ in range(5)]
    assert statuses == [200, 503, 503, 200, 200]
    (fault,) = api.server.control("GET", "faults")["data"]
    assert (fault["seen"], fault["struck"]) == (5, 2)


def test_without_a_number_every_request_is_struck_until_the_script_is_cleared(
    api: Api,
) -> None:
    api.server.fail("status", status=500)
    assert {api.get("/models").status_code for _ in range(3)} == {500}
    api.server.clear()
    assert api.get("/models").status_code == 200


def test_of_two_faults_that_are_due_the_older_one_strikes() -> None:
    faults = Faults()
    older = faults.add(Fault(kind="status", nth=1))
    newer = faults.add(Fault(kind="cut"))
    kinds = frozenset({"status", "cut"})
    taken = [faults.take(kinds, method="GET", path="/x") for _ in range(2)]
    assert taken == [older, newer]


def test_control_routes_are_never_struck(api: Api) -> None:
    api.server.fail("cut")
    assert api.server.creates() == 0


def test_a_fault_that_makes_no_sense_is_refused(api: Api) -> None:
    for wrong in (
        {"kind": "flood"},
        {"kind": "cut", "nth": 0},
        {"kind": "cut", "x": 1},
    ):
        with pytest.raises(ValueError, match="400"):
            api.server.control("POST", "faults", wrong)


def test_a_refused_reference_can_be_scripted(api: Api) -> None:
    cache = api.create_ready()
    api.server.fail("status", path="/v1/chat/completions", nth=1, status=400)
    reference = by_message(f"cache_id={cache['id']}")
    reason(api.chat(reference, QUESTION), 400)
    assert api.chat(reference, QUESTION).status_code == 200
