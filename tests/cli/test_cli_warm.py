"""``moonshot-cache warm``: made once, waited for, and found by chat models."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import time
from contextlib import closing
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from account_kit import KEY, SECRET, SYSTEM
from command_kit import COMMAND, PATIENCE

from langchain_moonshot_cache import ChatMoonshotCached
from langchain_moonshot_cache.documents import document_messages
from langchain_moonshot_cache.registry import open_registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from account_kit import Shell

TOOL = {
    "type": "function",
    "function": {
        "name": "lookup",
        "description": "Look something up.",
        "parameters": {"type": "object", "properties": {"what": {"type": "string"}}},
    },
}


@pytest.fixture
def manual(tmp_path: Path) -> Path:
    path = tmp_path / "manual.txt"
    path.write_text(f"{SECRET}\n" * 200, "utf-8")
    return path


@pytest.fixture
def request_file(tmp_path: Path) -> Path:
    path = tmp_path / "prefix.json"
    path.write_text(json.dumps({"messages": [SYSTEM], "tools": [TOOL]}), "utf-8")
    return path


def asked(shell: Shell, *messages: Any, tools: Any = ()) -> Mapping[str, Any]:
    """Ask a model of the same account, and return what it says of its cache."""
    with ChatMoonshotCached(
        model="moonshot-v1-8k",
        api_key=KEY,
        base_url=shell.server.base_url,
        registry=shell.registry,
        cache_policy="always",
    ) as llm:
        bound = llm.bind_tools(tools) if tools else llm
        answer = bound.invoke([*messages, ("human", "How high is it?")])
        said: Mapping[str, Any] = answer.response_metadata["moonshot_cache"]
        return said


def test_it_is_told_and_booked_at_prices_of_ones_own(
    shell: Shell, manual: Path, tmp_path: Path
) -> None:
    row = {"family": "moonshot-v1", "currency": "EUR", "storage_minute": "1"}
    table = {
        "checked": "2026-11-22",
        "currency": "EUR",
        "named": [{**row, "create": "500", "call": "0"}],
    }
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps(table))
    warmed = shell("warm", manual, "--prices", prices, "--json").json
    creation = Decimal(500) * warmed["tokens"] / 1_000_000
    assert Decimal(warmed["creation_cost"]) == creation
    assert warmed["currency"] == "EUR"
    (booked,) = shell("bill", "--json").json["rows"]
    assert (Decimal(booked["creation"]), booked["currency"]) == (creation, "EUR")


def test_a_document_is_cached_once_and_a_chat_model_finds_it(
    shell: Shell, manual: Path
) -> None:
    warmed = shell("warm", manual, "--json").json
    assert warmed["created"] is True
    assert shell.statuses() == {warmed["id"]: "ready"}
    said = asked(shell, *document_messages(manual))
    assert (said["outcome"], said["cache_id"]) == ("hit", warmed["id"])
    again = shell("warm", manual, "--json").json
    assert (again["id"], again["created"]) == (warmed["id"], False)
    assert again["creation_cost"] == "0"
    assert shell.server.creates() == 1


def test_a_prefix_with_tools_is_found_too(shell: Shell, request_file: Path) -> None:
    warmed = shell("warm", request_file, "--json").json
    (cache,) = shell.server.caches()
    assert (cache["messages"], cache["tools"]) == ([SYSTEM], [TOOL])
    said = asked(shell, ("system", SECRET), tools=[TOOL])
    assert (said["outcome"], said["cache_id"]) == ("hit", warmed["id"])


def test_several_documents_make_one_cache_in_whatever_order_they_are_named(
    shell: Shell, manual: Path, tmp_path: Path
) -> None:
    prices = tmp_path / "prices.csv"
    prices.write_text("lamp,3\n", "utf-8")
    warmed = shell("warm", manual, prices, "--json").json
    assert shell("warm", prices, manual, "--json").json["id"] == warmed["id"]
    (cache,) = shell.server.caches()
    assert len(cache["messages"]) == 2


def test_what_it_says_to_cost_is_what_the_server_bills(
    shell: Shell, manual: Path
) -> None:
    warmed = shell("warm", manual, "--ttl", "60", "--json").json
    totals = shell.server.bill(KEY).totals
    assert Decimal(warmed["creation_cost"]) == totals["creation"] > 0
    assert Decimal(warmed["cost_per_hour"]) == totals["storage"] * 60
    assert warmed["expires_in"] == pytest.approx(60, abs=30)


def test_people_are_told_the_id_the_cost_and_how_to_use_it(
    shell: Shell, manual: Path
) -> None:
    done = shell("warm", manual)
    (cache_id,) = shell.statuses()
    assert f"{cache_id} is ready and ends in 10 min." in done.out
    assert f'{{"role": "cache", "content": "cache_id={cache_id}"}}' in done.out
    assert f"{cache_id} is being made" in done.err


def test_what_is_too_small_to_pay_is_made_and_the_reason_told(
    shell: Shell, request_file: Path
) -> None:
    done = shell("warm", request_file)
    assert done.status == 0
    assert "cache_policy='always'" in done.err


def test_a_warmed_cache_is_kept_from_sweeps_until_its_end(
    shell: Shell, manual: Path
) -> None:
    warmed = shell("warm", manual, "--json").json
    shell("warm", manual)
    assert shell("show", warmed["id"], "--json").json["users"] == 1
    shell.server.clock.advance(300)  # long after its maker's lease
    assert shell("sweep", "--json").json == {"left_behind": []}


def test_who_waits_no_longer_is_told_where_the_cache_is(
    shell: Shell, manual: Path
) -> None:
    shell.server.configure(ready_after=3600)
    done = shell("warm", manual, "--wait", "0.1", "--ttl", "3600")
    ((cache_id, status),) = shell.statuses().items()
    assert (done.status, done.out, status) == (1, "", "pending")
    assert f"moonshot-cache show {cache_id}" in done.err


def test_a_cache_that_cannot_be_built_is_trouble(shell: Shell, manual: Path) -> None:
    shell.server.fail("build_fails")
    done = shell("warm", manual)
    (cache_id,) = shell.statuses()
    assert done.status == 1
    assert f"moonshot-cache show {cache_id} --messages" in done.err
    failure = shell.client.get(cache_id).error
    assert failure is not None
    assert failure.message not in shell("show", cache_id).out
    shown = shell("show", cache_id, "--messages", "--json", reveals=True).json
    assert shown["contents"]["failure"] == failure.message != ""


def test_a_server_that_is_down_is_named(shell: Shell, manual: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        down = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    done = shell("warm", manual, "--base-url", down)
    assert done.status == 1
    assert f"{down}: creating the cache failed" in done.err
    assert "moonshot-cache doctor" in done.err


def test_an_endpoint_without_named_caches_is_told(shell: Shell, manual: Path) -> None:
    shell.server.retire()
    done = shell("warm", manual)
    assert done.status == 1
    assert "EndpointRetiredError" in done.err
    assert "moonshot-cache doctor" in done.err


@pytest.fixture
def _ctrl_c_is_heard() -> Iterator[None]:
    """Let commands hear Ctrl-C, which what runs in a shell's background ignores."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_ctrl_c_is_heard")
@pytest.mark.parametrize("terminal", [True, False])
def test_ctrl_c_ends_the_waiting_and_not_the_cache(
    shell: Shell, manual: Path, *, terminal: bool
) -> None:
    shell.server.configure(ready_after=3600)
    shown, errors = pty.openpty() if terminal else os.pipe()
    with subprocess.Popen(
        [COMMAND, "warm", str(manual)], stdout=subprocess.PIPE, stderr=errors
    ) as process:
        os.close(errors)
        try:
            said = read_until(b"is being made", shown)
            process.send_signal(signal.SIGINT)
            said += read_rest(shown)
            assert process.wait(PATIENCE) == 130
        finally:
            process.kill()
    ((cache_id, status),) = shell.statuses().items()
    assert status == "pending"
    assert f"moonshot-cache rm {cache_id}" in said.decode()
    assert b"Traceback" not in said
    # It is known, so nobody pays for it again.
    with closing(open_registry(shell.registry)) as registry:
        (entry,) = registry.entries()
        assert registry.owner(entry.key) is None
    assert entry.cache_id == cache_id


def read_until(wanted: bytes, shown: int) -> bytes:
    said = b""
    deadline = time.monotonic() + PATIENCE
    while wanted not in said and time.monotonic() < deadline:
        said += os.read(shown, 4096)
    return said


def read_rest(descriptor: int) -> bytes:
    """Read until the other end is closed, which a terminal calls an error."""
    rest = b""
    try:
        while piece := os.read(descriptor, 4096):
            rest += piece
    except OSError:
        pass
    os.close(descriptor)
    return rest


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.json", b'{"messages": "hello"}', "messages is no list"),
        ("a.json", b'{"messages": []}', "messages is empty"),
        ("a.json", b'{"messages": [{"role": "tool", "tool_call_id": "x"}]}', "tool"),
        ("a.json", b'{"messages": [{"role": "system"}], "tools": [1]}', "tools is no"),
        ("a.pdf", b"%PDF-1.4", "no text file"),
        ("a.txt", b"\xff\xfe\x00", "UTF-8"),
    ],
)
def test_a_file_that_cannot_be_a_prefix_is_named_and_nothing_is_sent(
    shell: Shell, tmp_path: Path, name: str, content: bytes, complaint: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    done = shell("warm", path)
    assert done.status == 1
    assert complaint in done.err
    assert shell.server.requests() == []


@pytest.mark.parametrize(
    "arguments", [["nowhere.txt"], [], ["--ttl", "5", "manual.txt"]]
)
def test_wrong_arguments_end_with_2_before_anything_is_sent(
    shell: Shell, manual: Path, arguments: list[str]
) -> None:
    shell.patch.chdir(manual.parent)
    assert shell("warm", *arguments).status == 2
    assert shell.server.requests() == []
