"""Starting, stopping, restarting; the command line; the page of rules."""

from __future__ import annotations

import asyncio
import gc
import re
import sqlite3
import subprocess
import sys
import threading
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import pytest
from server_kit import QUESTION, Api, by_message

from langchain_moonshot_cache.server import Settings, StandIn
from langchain_moonshot_cache.server.__main__ import main
from langchain_moonshot_cache.server.app import ROUTES
from langchain_moonshot_cache.server.marks import RULES, implementers, rules_page
from langchain_moonshot_cache.server.openapi import document
from langchain_moonshot_cache.server.store import StoreError
from langchain_moonshot_cache.testing import MoonshotServer

ROOT = Path(str(files("langchain_moonshot_cache"))).parent
MODULE = "langchain_moonshot_cache.server"
LISTENING = re.compile(r"listening on (http://\S+)/v1 \(scripted engine.*\)")


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts by /proc")
def test_a_server_leaves_no_thread_and_no_descriptor() -> None:
    with StandIn():
        pass  # what Python loads once does not count
    gc.collect()  # what other tests left must not go meanwhile
    threads, open_files = set(threading.enumerate()), descriptors()
    for _ in range(20):
        with StandIn() as server, Api(MoonshotServer(server.url)) as api:
            api.chat()
    assert set(threading.enumerate()) <= threads
    assert descriptors() == open_files


def test_a_server_stops_while_a_client_waits() -> None:
    server = StandIn()
    server.start()
    handle = MoonshotServer(server.url)
    handle.fail("delay", seconds=60)
    gone: list[type[Exception]] = []

    def wait_for_ever() -> None:
        with Api(handle) as api, pytest.raises(httpx.HTTPError) as error:
            api.get("/models", timeout=60)
        gone.append(error.type)

    waiter = threading.Thread(target=wait_for_ever)
    waiter.start()
    while not handle.requests():
        pass
    server.stop()
    waiter.join(60)
    assert gone == [httpx.RemoteProtocolError]


def test_a_stopped_server_can_be_stopped_again() -> None:
    server = StandIn()
    server.stop()
    with server:
        server.stop()


def test_a_taken_port_is_an_error_at_once() -> None:
    with (
        StandIn() as server,
        pytest.raises(OSError, match="in use"),
        StandIn(Settings(port=server.port)),
    ):
        pass


def test_it_listens_on_ipv6_too() -> None:
    with StandIn(Settings(host="::1")) as server:
        assert server.base_url.startswith("http://[::1]:")
        assert MoonshotServer(server.url).creates() == 0


async def test_many_calls_at_once_are_all_answered(
    moonshot_server: MoonshotServer,
) -> None:
    headers = {"Authorization": "Bearer sk-test"}
    body = {"model": "moonshot-v1-8k", "messages": [QUESTION], "stream": True}
    client = httpx.AsyncClient(headers=headers, verify=False, timeout=30)  # noqa: S501 - no TLS
    async with client:
        url = f"{moonshot_server.base_url}/chat/completions"
        calls = (client.post(url, json=body) for _ in range(100))
        replies = await asyncio.gather(*calls)
    assert all(reply.text.endswith("data: [DONE]\n\n") for reply in replies)


def test_caches_tags_and_bills_survive_a_restart(tmp_path: Path) -> None:
    settings = Settings(data=str(tmp_path / "data.sqlite"), ready_after=0)
    with StandIn(settings) as first, Api(MoonshotServer(first.url)) as api:
        cache = api.create(tags=["manual"])
        api.chat(by_message("tag=manual"), QUESTION)
        lines = api.server.bill().lines
    with StandIn(settings) as second, Api(MoonshotServer(second.url)) as api:
        assert {**api.look(cache["id"]), "status": ""} == {**cache, "status": ""}
        assert api.chat(by_message("tag=manual"), QUESTION).status_code == 200
        assert api.server.bill().lines[: len(lines)] == lines
        assert api.server.creates() == 1


def test_a_file_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    foreign, text = tmp_path / "foreign.sqlite", tmp_path / "letter.txt"
    database = sqlite3.connect(foreign)
    database.execute("CREATE TABLE theirs (x)")
    database.commit()
    database.close()
    text.write_text("Dear reader, this is no database at all. " * 100)
    for path in (foreign, text):
        before = path.read_bytes()
        with pytest.raises(StoreError), StandIn(Settings(data=str(path))):
            pass
        assert path.read_bytes() == before


def run(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", MODULE, *arguments]
    return subprocess.Popen(
        command,
        text=True,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


@pytest.mark.parametrize("control", [True, False])
def test_the_command_serves_on_a_free_port_and_says_where(*, control: bool) -> None:
    options = [] if control else ["--no-control"]
    with run("--port", "0", "--currency", "USD", *options) as process:
        assert process.stdout is not None
        found = LISTENING.fullmatch(process.stdout.readline().strip())
        assert found is not None
        handle = MoonshotServer(found.group(1))
        assert handle.bill().currency == "USD"
        if control:
            assert handle.creates() == 0
        else:
            with pytest.raises(ValueError, match="404"):
                handle.creates()
        process.terminate()
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_the_command_says_why_it_cannot_serve(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with StandIn() as server:
        assert main(["--port", str(server.port)]) == 1
    assert "in use" in capsys.readouterr().err
    path = tmp_path / "letter.txt"
    path.write_text("no database " * 100)
    for unusable in (path, tmp_path / "nowhere" / "data.sqlite", tmp_path):
        assert main(["--port", "0", "--data", str(unusable)]) == 1
        assert "cannot be used as a database" in capsys.readouterr().err
    assert main(["--port", "65536"]) == 1
    assert "cannot serve: bind(): port must be 0-65535." in capsys.readouterr().err


def test_the_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    for option in ("--host", "--port", "--ready-after", "--data", "--no-control"):
        assert option in text


def test_the_help_tells_no_default_that_says_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    told = set(re.findall(r"\(default:\s+(.*?)\)", capsys.readouterr().out))
    assert "8000" in told
    assert told.isdisjoint({"None", "[]", "False", "True"})


def test_every_rule_is_implemented_somewhere() -> None:
    assert [rule.id for rule in RULES.values() if not implementers(rule)] == []


def test_the_page_of_rules_is_the_generated_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--rules"]) == 0
    page = capsys.readouterr().out
    assert page == rules_page()
    assert (ROOT / "docs" / "server-rules.md").read_text("utf-8") == page


def test_the_document_describes_every_route_and_no_other() -> None:
    described = {
        (path, method.upper())
        for path, by_method in document()["paths"].items()
        for method in by_method
    }
    served = {(path, method) for path, methods in ROUTES.items() for method in methods}
    assert described == served


def test_the_document_is_served_without_a_key(moonshot_server: MoonshotServer) -> None:
    reply = httpx.get(f"{moonshot_server.url}/openapi.json", verify=False)  # noqa: S501 - no TLS
    assert reply.json() == document()
