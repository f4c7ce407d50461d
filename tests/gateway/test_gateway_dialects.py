"""Engines with ways of their own: what they say arrives, in the API's own form."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from gateway_kit import DONE, chunk, completion, eventually, say, stream

if TYPE_CHECKING:
    from gateway_kit import Engineroom, MakeGate

pytestmark = pytest.mark.breaks_prefix("the gateway's tests repeat what they please")

BODY = completion().partition(b"\r\n\r\n")[2]
JSON = b"Content-Type: application/json\r\n"
FRAMES = {
    "chunked": b"HTTP/1.1 200 OK\r\n%bTransfer-Encoding: chunked\r\n\r\n"
    b"%x\r\n%b\r\n0\r\n\r\n" % (JSON, len(BODY), BODY),
    "until-it-closes": b"HTTP/1.1 200 OK\r\n%b\r\n%b" % (JSON, BODY),
    "http-1.0": b"HTTP/1.0 200 OK\r\n%b\r\n%b" % (JSON, BODY),
    "no-reason-phrase": b"HTTP/1.1 200\r\n%bContent-Length: %d\r\n\r\n%b"
    % (JSON, len(BODY), BODY),
}


@pytest.mark.parametrize("frame", FRAMES)
def test_an_answer_may_be_framed_in_every_way_that_http_knows(
    frame: str, make_gate: MakeGate, engineroom: Engineroom
) -> None:
    engineroom.answer = say(FRAMES[frame], hang_up=True)
    gate = make_gate(upstream={"url": engineroom.url})
    answer = gate.chat().json()["choices"][0]["message"]["content"]
    assert answer == "137 metres"
    assert gate.create_ready()["tokens"] is None
    gate.at_rest()


@pytest.mark.parametrize("tail", ["", "/", "//"])
def test_slashes_at_the_end_of_the_address_do_not_matter(
    tail: str, make_gate: MakeGate, engineroom: Engineroom
) -> None:
    gate = make_gate(upstream={"url": engineroom.url + tail})
    assert gate.chat().status_code == 200
    assert engineroom.heads[0].startswith("POST /v1/chat/completions HTTP/1.1")


def test_headers_replace_the_gateways_own_whatever_their_case(
    make_gate: MakeGate, engineroom: Engineroom
) -> None:
    headers = {"authorization": "Basic abc", "HOST": "engine.example"}
    upstream = {"url": engineroom.url, "key": "sk-engine", "headers": headers}
    assert make_gate(upstream=upstream).chat().status_code == 200
    (head,) = engineroom.heads
    assert "Basic abc" in head
    assert "sk-engine" not in head
    assert head.lower().count("host: ") == 1
    assert "engine.example" in head


def event(**fields: Any) -> bytes:
    """Return an event of one choice with these fields."""
    return chunk(choices=[{"index": 0, **fields}])


LAST = event(delta={}, finish_reason="stop")
STREAMS: dict[str, list[bytes]] = {
    "role alone": [event(delta={"role": "assistant"}), chunk("137"), LAST, DONE],
    "no choices first": [chunk(choices=[]), chunk("137"), LAST, DONE],
    "no delta at the end": [
        chunk("137"),
        event(delta=None, finish_reason="stop"),
        DONE,
    ],
    "no finish reason": [event(delta={"content": "137"}), DONE],
    "empty finish reason": [
        event(delta={"content": "137"}, finish_reason=""),
        LAST,
        DONE,
    ],
    "usage null": [chunk("137", usage=None), LAST, chunk(choices=[], usage=None), DONE],
    "error null": [chunk("137", error=None), LAST, DONE],
    "pings": [b": ping\n\n", chunk("137"), b": ping\n\n", LAST, b":\n\n", DONE],
    "lines end with CRLF": [
        part.replace(b"\n", b"\r\n") for part in (chunk("137"), LAST, DONE)
    ],
    "lines end with CR": [
        part.replace(b"\n", b"\r") for part in (chunk("137"), LAST, DONE)
    ],
    "more behind the end": [chunk("137"), LAST, DONE, b": bye\n\n", chunk("138")],
}


@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream_may_be_told_in_every_way_that_engines_have(
    kind: str, make_gate: MakeGate, engineroom: Engineroom
) -> None:
    engineroom.answer = stream(*STREAMS[kind])
    gate = make_gate(upstream={"url": engineroom.url})
    *parts, last = [part for part in gate.chat(stream=True).text.split("\n\n") if part]
    assert last == "data: [DONE]"
    chunks = [json.loads(part.removeprefix("data: ")) for part in parts]
    choices = [choice for each in chunks for choice in each["choices"]]
    deltas = [choice["delta"] or {} for choice in choices]
    assert "".join(delta.get("content") or "" for delta in deltas) == "137"
    gate.at_rest()
    assert not [name for name in gate.figures() if "upstream_errors" in name]


def test_usage_that_stands_in_a_choice_is_read(
    make_gate: MakeGate, engineroom: Engineroom
) -> None:
    usage = {"prompt_tokens": 900, "completion_tokens": 1, "cached_tokens": 880}
    last = event(delta={}, finish_reason="stop", usage=usage)
    engineroom.answer = stream(chunk("137"), last, DONE)
    gate = make_gate(upstream={"url": engineroom.url})
    gate.chat(stream=True)
    prompt, cached = (f'tokens_total{{kind="{k}"}}' for k in ("prompt", "cached"))
    figures = eventually(lambda: (f := gate.figures()).get(prompt) and f)
    assert (figures[prompt], figures[cached]) == (900, 880)
