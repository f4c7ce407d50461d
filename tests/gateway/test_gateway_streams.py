"""Streams before an engine: handed on as they come, given up when nobody listens."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from gateway_kit import (
    DONE,
    MODEL,
    PATIENCE,
    QUESTION,
    STREAM,
    by_message,
    chunk,
    completion,
    eventually,
    say,
    silence,
    stream,
)

from langchain_moonshot_cache.server.gateway import wire

if TYPE_CHECKING:
    from gateway_kit import Engineroom, Gate, Line, MakeGate

    from langchain_moonshot_cache.testing import MoonshotServer

pytestmark = pytest.mark.breaks_prefix("the gateway's tests repeat what they please")

MANY = 200
LAST: dict[str, Any] = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def events(text: str) -> list[dict[str, Any]]:
    """Return the chunks of a stream that must end properly."""
    parts = [part for part in text.split("\n\n") if part]
    assert parts[-1] == "data: [DONE]"
    return [json.loads(part.removeprefix("data: ")) for part in parts[:-1]]


def said(text: str) -> str:
    choices = [c for event in events(text) for c in event["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def test_a_stream_over_a_cache_says_what_the_engine_says(
    gate: Gate, moonshot_server: MoonshotServer
) -> None:
    cache = gate.create_ready()
    asking = {"include_usage": True}
    reply = gate.chat(by_message(cache), QUESTION, stream=True, stream_options=asking)
    _, asked = moonshot_server.chats()
    assert said(reply.text) == asked.answer["content"]
    assert reply.headers["msh-context-cache-id"] == cache["id"]
    assert "msh-context-cache-token-saved" not in reply.headers
    usage = events(reply.text)[-1]["usage"]
    assert usage["cached_tokens"] == asked.cached_tokens > 0


def test_usage_that_was_not_asked_for_is_read_and_not_handed_on(
    make_gate: MakeGate, engineroom: Engineroom
) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 1}
    last = chunk(choices=[], usage=usage)
    engineroom.answer = stream(chunk("137", usage=None), chunk(**LAST), last, DONE)
    gate = make_gate(upstream={"url": engineroom.url})
    reply = gate.chat(stream=True)
    assert engineroom.seen[0]["stream_options"] == {"include_usage": True}
    assert len(events(reply.text)) == 2
    assert all("usage" not in event for event in events(reply.text))
    prompt = 'tokens_total{kind="prompt"}'
    eventually(lambda: gate.figures().get(prompt) == 9)


def test_pieces_are_handed_on_while_the_engine_goes_on(
    make_gate: MakeGate, engineroom: Engineroom
) -> None:
    heard = asyncio.Event()

    async def one_by_one(line: Line) -> None:
        await line.send(STREAM + chunk("first"))
        await heard.wait()
        await line.send(chunk("second") + chunk(**LAST) + DONE)
        line.hang_up()

    engineroom.answer = one_by_one
    gate = make_gate(upstream={"url": engineroom.url})
    body = {"model": MODEL, "messages": [QUESTION], "stream": True}
    with gate.stream("POST", "/chat/completions", json=body) as reply:
        lines = reply.iter_lines()
        assert "first" in next(lines)
        engineroom.call_soon(heard.set)
        assert "second" in next(line for line in lines if line)


def test_a_client_that_reads_slowly_holds_the_engine_back(
    make_gate: MakeGate, engineroom: Engineroom
) -> None:
    piece = chunk("x" * 50_000)
    sent = {"n": 0}

    async def pour(line: Line) -> None:
        await line.send(STREAM)
        for _ in range(2000):  # a hundred megabytes
            await line.send(piece)
            sent["n"] += 1

    engineroom.answer = pour
    gate = make_gate(upstream={"url": engineroom.url})
    body = {"model": MODEL, "messages": [QUESTION], "stream": True}
    with gate.stream("POST", "/chat/completions", json=body) as reply:
        read = reply.iter_raw()
        next(read)
        stands = _still(sent)
        assert stands * len(piece) < 30_000_000
        for _ in range(300):
            next(read)
        eventually(lambda: sent["n"] > stands)
    eventually(lambda: gate.figures()["questions_in_flight"] == 0)


def test_a_client_that_takes_nothing_for_long_is_cut_off(
    make_gate: MakeGate, engineroom: Engineroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def pour(line: Line) -> None:
        await line.send(STREAM + chunk("first"))
        await begun.wait()
        while True:
            await line.send(chunk("x" * 50_000))

    monkeypatch.setattr(wire, "TAKES_NOTHING", 0.05)
    engineroom.answer = pour
    gate = make_gate(upstream={"url": engineroom.url})
    body = {"model": MODEL, "messages": [QUESTION], "stream": True}
    with gate.stream("POST", "/chat/completions", json=body) as reply:
        assert reply.status_code == 200
        engineroom.call_soon(begun.set)
        eventually(lambda: engineroom.open == 0)
    gate.at_rest()
    assert gate.figures()['requests_total{status="gone"}'] == 1


def _still(counter: dict[str, int]) -> int:
    """Return a counter once it has not moved for a while."""
    before = {"n": -1, "same": 0}

    def same() -> bool:
        before["same"] = before["same"] + 1 if counter["n"] == before["n"] else 0
        before["n"] = counter["n"]
        return before["same"] > 100

    eventually(same)
    return counter["n"]


@pytest.mark.parametrize("streams", [True, False])
async def test_a_client_that_goes_away_ends_the_engines_work(
    *, streams: bool, make_gate: MakeGate, engineroom: Engineroom
) -> None:
    engineroom.answer = silence
    gate = make_gate(upstream={"url": engineroom.url})
    body = {"model": MODEL, "messages": [QUESTION], "stream": streams}
    async with httpx.AsyncClient(
        base_url=gate.base_url, headers=gate.headers, timeout=PATIENCE
    ) as client:
        asking = asyncio.create_task(client.post("/chat/completions", json=body))
        await asyncio.to_thread(eventually, lambda: engineroom.seen)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    eventually(lambda: engineroom.gone == 1)
    eventually(lambda: gate.figures()["questions_in_flight"] == 0)
    assert gate.figures()['requests_total{status="gone"}'] == 1
    assert gate.figures()['chat_calls_total{cache="none"}'] == 1


def test_a_client_that_goes_away_in_the_middle_ends_the_engines_stream(
    make_gate: MakeGate, engineroom: Engineroom
) -> None:
    async def begin(line: Line) -> None:
        await line.send(STREAM + chunk("first"))
        await line.until_gone()

    engineroom.answer = begin
    gate = make_gate(upstream={"url": engineroom.url})
    body = {"model": MODEL, "messages": [QUESTION], "stream": True}
    with gate.stream("POST", "/chat/completions", json=body) as reply:
        assert "first" in next(reply.iter_lines())
    eventually(lambda: engineroom.gone == 1)
    eventually(lambda: gate.figures()["questions_in_flight"] == 0)


async def test_two_hundred_clients_that_hang_up_leave_nothing_behind(
    make_gate: MakeGate, engineroom: Engineroom
) -> None:
    async def begin(line: Line) -> None:
        await line.send(STREAM + chunk("first"))
        await line.until_gone()

    engineroom.answer = begin
    gate = make_gate(upstream={"url": engineroom.url})
    body = {"model": MODEL, "messages": [QUESTION], "stream": True}

    async def listen(client: httpx.AsyncClient) -> None:
        async with client.stream("POST", "/chat/completions", json=body) as reply:
            assert "first" in await anext(reply.aiter_lines())

    limits = httpx.Limits(max_connections=MANY)
    async with httpx.AsyncClient(
        base_url=gate.base_url, headers=gate.headers, limits=limits, timeout=PATIENCE
    ) as client:
        await asyncio.gather(*(listen(client) for _ in range(MANY)))
    await asyncio.to_thread(eventually, lambda: engineroom.gone == MANY)
    gate.at_rest()
    assert engineroom.open == 0
    assert gate.figures()['requests_total{status="gone"}'] == MANY


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_a_stream_may_come_in_pieces_of_any_size(
    size: int, make_gate: MakeGate, engineroom: Engineroom
) -> None:
    whole = (
        b": keep-alive\n\n"
        + chunk("灯").replace(b"\n", b"\r\n")
        + b"event: x\nid: 3\n"
        + chunk("塔")
        + chunk(**LAST)
        + b"data:[DONE]\n\n"
    )
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    engineroom.answer = stream(*pieces)
    gate = make_gate(upstream={"url": engineroom.url})
    assert said(gate.chat(stream=True).text) == "灯塔"


def test_a_stream_without_a_last_word_is_whole_once_its_choice_is(
    make_gate: MakeGate, engineroom: Engineroom
) -> None:
    engineroom.answer = stream(chunk("137"), chunk(**LAST))
    gate = make_gate(upstream={"url": engineroom.url})
    assert said(gate.chat(stream=True).text) == "137"


@pytest.mark.parametrize(
    ("tail", "trouble", "told"),
    [
        (b"", "broken", "broke off"),
        (b'data: {"error": {"message": "out of memory"}}\n\n', "broken", "memory"),
        (b"data: <html>\n\n", "malformed", "JSON"),
        (b"data: []\n\n", "malformed", "chunks"),
        (b'data: {"choices": 7}\n\n', "malformed", "chunks"),
        (b'data: {"choices": ["text"]}\n\n', "malformed", "chunks"),
        (b'data: {"choices": [{"delta": "text"}]}\n\n', "malformed", "chunks"),
    ],
)
def test_a_stream_that_breaks_off_says_so_and_does_not_end(
    tail: bytes, trouble: str, told: str, make_gate: MakeGate, engineroom: Engineroom
) -> None:
    engineroom.answer = stream(chunk("137"), tail)
    gate = make_gate(upstream={"url": engineroom.url})
    reply = gate.chat(stream=True)
    *_, last = [part for part in reply.text.split("\n\n") if part]
    error = json.loads(last.removeprefix("data: "))["error"]
    assert set(error) == {"type", "message"}
    assert told in error["message"]
    counter = f'upstream_errors_total{{trouble="{trouble}"}}'
    assert gate.figures()[counter] == 1


def test_an_answer_that_is_no_stream_is_refused_before_anything_is_sent(
    make_gate: MakeGate, engineroom: Engineroom
) -> None:
    engineroom.answer = say(completion())
    gate = make_gate(upstream={"url": engineroom.url})
    assert gate.chat(stream=True).status_code == 502
    engineroom.answer = stream(DONE)
    assert gate.chat(stream=True).status_code == 502


async def test_many_streams_at_once_lose_and_reorder_nothing(
    make_gate: MakeGate, moonshot_server: MoonshotServer
) -> None:
    gate = make_gate()
    text = " ".join(f"word{n}" for n in range(60))
    count = 40
    moonshot_server.answer_next(*[text] * count)
    body = {"model": "moonshot-v1-8k", "messages": [QUESTION], "stream": True}
    limits = httpx.Limits(max_connections=count)
    async with httpx.AsyncClient(
        base_url=gate.base_url, headers=gate.headers, limits=limits
    ) as client:
        replies = await asyncio.gather(
            *(client.post("/chat/completions", json=body) for _ in range(count))
        )
    assert [said(reply.text) for reply in replies] == [text] * count
