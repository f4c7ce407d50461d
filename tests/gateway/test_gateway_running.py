"""The command: starting, refusing to start, stopping, starting again."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from gateway_kit import (
    LONG,
    MODEL,
    QUESTION,
    STREAM,
    by_message,
    chunk,
    completion,
    eventually,
    reason,
    running,
    say,
    silence,
)

from langchain_moonshot_cache.server.__main__ import main
from langchain_moonshot_cache.server.gateway_options import UPSTREAM_KEY

if TYPE_CHECKING:
    from pathlib import Path

    from gateway_kit import Engineroom, Line

    from langchain_moonshot_cache.testing import MoonshotServer

pytestmark = pytest.mark.breaks_prefix("the gateway's tests repeat what they please")


def test_the_command_serves_before_an_engine_and_logs(
    moonshot_server: MoonshotServer,
) -> None:
    upstream = ("--upstream", moonshot_server.base_url)
    with running(*upstream, "--model-map", f"ours={MODEL}") as gateway:
        reply = gateway.post(
            "/chat/completions", json={"model": "ours", "messages": [QUESTION]}
        )
        assert reply.json()["model"] == "ours"
        assert reply.headers["date"]
        gateway.process.send_signal(signal.SIGTERM)
        status, told = gateway.ended()
    assert status in (0, -signal.SIGTERM)
    (line,) = told.splitlines()
    assert json.loads(line)["route"] == "/v1/chat/completions"


def test_the_engines_key_comes_from_a_file_or_the_environment(
    engineroom: Engineroom, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text("sk-from-file\n", "utf-8")
    upstream = ("--upstream", engineroom.url, "--upstream-header", "X-Team: lights")
    environment = {UPSTREAM_KEY: "sk-from-environment"}
    body = {"model": MODEL, "messages": [QUESTION]}
    for options in ((), ("--upstream-key-file", str(file))):
        with running(*upstream, *options, environment=environment) as gateway:
            assert gateway.post("/chat/completions", json=body).status_code == 200
    first, second = engineroom.heads
    assert "Bearer sk-from-environment" in first
    assert "Bearer sk-from-file" in second
    assert "x-team: lights" in second.lower()


UPSTREAM = ["--upstream", "http://127.0.0.1:9/v1", "--port", "0"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--host", "0.0.0.0"], "--keys-file"),  # noqa: S104 - that is what is refused
        (["--host", "::"], "--keys-file"),
        (["--keys-file", "/nowhere/at/all"], "No such file"),
        (["--keys-file", os.devnull], "holds no key"),
        (["--upstream", "localhost:8000"], "wants a URL"),
        (["--upstream", "http://me:word@host/v1"], "holds a password"),
        (["--upstream", "http://host/v1?version=1"], "wants a URL"),
        (["--upstream", "http://host/灯塔/v1"], "wants a URL"),
        (["--upstream", "http://host:port/v1"], "port"),
        (["--upstream-key-file", os.devnull], "one key and nothing else"),
        (["--model-map", "kimi"], "--model-map"),
        (["--upstream-header", "no colon"], "--upstream-header"),
        (["--upstream-header", "A: b\nC: d"], "--upstream-header"),
        (["--upstream-header", "A: 灯塔"], "--upstream-header"),
        (["--upstream-header", "content-length: 7"], "cannot set"),
        (["--data", "/nowhere/at/all"], "cannot be used"),
        (["--data", "redis://:word@127.0.0.1:9/0"], "Redis cannot be used"),
        (["--data", "redis://127.0.0.1:port"], "URL of the Redis"),
    ],
)
def test_the_command_says_in_one_line_why_it_does_not_start(
    options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*UPSTREAM, *options]) == 1
    line = capsys.readouterr().err
    assert line.startswith("cannot serve: ")
    assert told in line
    assert line.count("\n") == 1
    assert "word" not in line.replace("a password", "")


def test_a_key_that_no_header_can_hold_is_not_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(UPSTREAM_KEY, "sk-canary\nsk-canary")
    assert main(UPSTREAM) == 1
    told = capsys.readouterr().err
    assert UPSTREAM_KEY in told
    assert "canary" not in told


@pytest.mark.parametrize(
    "options",
    [
        ["--ready-after", "3"],
        ["--currency", "USD"],
        ["--no-control"],
        ["--upstream-timeout", "0"],
        ["--upstream-timeout", "nan"],
        ["--stop-within", "-1"],
        ["--max-body", "much"],
    ],
)
def test_options_that_make_no_sense_before_an_engine_are_refused(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*UPSTREAM, *options])
    assert ended.value.code == 2
    assert options[0].removeprefix("--no-").strip("-") in capsys.readouterr().err


def test_the_help_names_no_key_on_the_command_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    assert UPSTREAM_KEY in told
    assert re.search(r"--upstream-key(?!-file)", told) is None


def test_it_listens_elsewhere_with_a_file_of_keys(
    engineroom: Engineroom, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    file.write_text("# ours\nsk-ours\n\nsk-theirs\n", "utf-8")
    options = ("--host", "0.0.0.0", "--keys-file", str(file))  # noqa: S104 - wanted
    with running("--upstream", engineroom.url, *options) as gateway:
        gateway.base_url = gateway.base_url.copy_with(host="127.0.0.1")
        assert gateway.get("/caching").status_code == 200
        stranger = {"Authorization": "Bearer # ours"}
        assert gateway.get("/caching", headers=stranger).status_code == 401


def test_told_to_stop_it_lets_streams_end_and_takes_no_more(
    engineroom: Engineroom,
) -> None:
    stopping = threading.Event()

    async def slowly(line: Line) -> None:
        await line.send(STREAM + chunk("first"))
        await engineroom.until(stopping)
        last: Any = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        await line.send(chunk("second", **last) + b"data: [DONE]\n\n")
        line.hang_up()

    engineroom.answer = slowly
    body = {"model": MODEL, "messages": [QUESTION], "stream": True}
    with running("--upstream", engineroom.url) as gateway:
        with gateway.stream("POST", "/chat/completions", json=body) as reply:
            lines = reply.iter_lines()
            assert "first" in next(lines)
            gateway.process.send_signal(signal.SIGTERM)
            eventually(lambda: _refuses(gateway.url))
            stopping.set()
            assert [line for line in lines if line][-1] == "data: [DONE]"
        status, _ = gateway.ended()
        assert status in (0, -signal.SIGTERM)


def _refuses(url: str) -> bool:
    try:
        httpx.get(f"{url}/healthz")
    except httpx.ConnectError:
        return True
    except httpx.TransportError:  # it was taken in, and cut off with the listener
        return False
    return False


def test_told_to_stop_it_does_not_wait_for_ever(engineroom: Engineroom) -> None:
    async def begin(line: Line) -> None:
        await line.send(STREAM + chunk("first"))
        await line.until_gone()

    engineroom.answer = begin
    body = {"model": MODEL, "messages": [QUESTION], "stream": True}
    options = ("--upstream", engineroom.url, "--stop-within", "1")
    with (
        running(*options) as gateway,
        gateway.stream("POST", "/chat/completions", json=body) as reply,
    ):
        assert "first" in next(reply.iter_lines())
        gateway.process.send_signal(signal.SIGTERM)
        gateway.ended()
        eventually(lambda: engineroom.gone == 1)


def test_a_restart_keeps_every_cache_and_tag(
    moonshot_server: MoonshotServer, tmp_path: Path
) -> None:
    data = ("--data", str(tmp_path / "state.sqlite"))
    options = ("--upstream", moonshot_server.base_url, *data)
    body = {"model": MODEL, "messages": [LONG], "tags": ["docs"]}
    with running(*options) as gateway:
        cache = gateway.post("/caching", json=body).json()
        eventually(lambda: gateway.status(cache["id"]) == "ready")
        before = gateway.get(f"/caching/{cache['id']}").json()
        gateway.process.send_signal(signal.SIGTERM)
        gateway.ended()
    moonshot_server.forget_prefixes()
    with running(*options) as gateway:
        assert gateway.get(f"/caching/{cache['id']}").json() == before
        assert gateway.get("/caching/refs/tags/docs/content").json() == before
        asked = {"model": MODEL, "messages": [by_message(cache), QUESTION]}
        assert gateway.post("/chat/completions", json=asked).status_code == 200
        metrics = f"{gateway.url}/metrics"
        rewarmed = 'caches_rewarmed_total{result="ready"} 1.0'
        eventually(lambda: rewarmed in gateway.get(metrics).text)
    *_, last, run = moonshot_server.chats()
    assert last.cached_tokens == 0
    assert run.cached_tokens > 0


def test_a_cache_whose_gateway_died_is_built_by_the_next(
    engineroom: Engineroom, tmp_path: Path
) -> None:
    engineroom.answer = silence
    path = tmp_path / "state.sqlite"
    options = ("--upstream", engineroom.url, "--data", str(path))
    body = {"model": MODEL, "messages": [LONG]}
    with running(*options) as gateway:
        cache = gateway.post("/caching", json=body).json()
        eventually(lambda: engineroom.seen)
        gateway.process.kill()
        gateway.ended()
    with closing(sqlite3.connect(path, isolation_level=None)) as state:
        # So that nobody has to wait until the dead one's claim is over.
        assert state.execute("UPDATE claims SET until = until - 10").rowcount == 1
    engineroom.answer = say(completion(prompt_tokens=900))
    with running(*options) as gateway:
        eventually(lambda: gateway.status(cache["id"]) == "ready")
        assert gateway.get(f"/caching/{cache['id']}").json()["tokens"] == 900
        unknown = gateway.get("/caching/cache-" + "0" * 20)
        reason(unknown, 404)
