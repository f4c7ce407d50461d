"""Keys, endpoints and registries that are missing or wrong, for every command."""

from __future__ import annotations

import os
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest
from account_kit import KEY
from command_kit import COMMAND
from typer.testing import CliRunner

from langchain_moonshot_cache.cli.app import app
from langchain_moonshot_cache.cli.completion import known_cache_ids
from langchain_moonshot_cache.registry import Entry, State, open_registry

if TYPE_CHECKING:
    from pathlib import Path

    from account_kit import Shell

NOBODY = "cache-00000000000000000000"
COMMANDS = {
    "ls": ["ls"],
    "show": ["show", NOBODY],
    "warm": ["warm", "manual.txt"],
    "rm": ["rm", "--yes", NOBODY],
    "sweep": ["sweep"],
}
EACH = pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)


@pytest.fixture(autouse=True)
def _manual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "manual.txt").write_text("To be cached. " * 1000, "utf-8")


@EACH
def test_without_a_key_nothing_is_sent_and_the_next_step_named(
    shell: Shell, arguments: list[str]
) -> None:
    done = shell(*arguments, MOONSHOT_API_KEY="")
    assert (done.status, done.out) == (2, "")
    assert "MOONSHOT_API_KEY" in done.err
    assert shell.server.requests() == []


@EACH
def test_a_wrong_key_is_trouble_and_not_repeated(
    shell: Shell, arguments: list[str]
) -> None:
    done = shell(*arguments, MOONSHOT_API_KEY="sk-wrong-region-1")
    assert done.status == 1
    assert "401" in done.err
    assert "sk-wrong-region-1" not in done.err


@pytest.mark.parametrize("name", ["ls", "warm"])
def test_a_server_that_is_down_is_named(shell: Shell, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    done = shell(*COMMANDS[name], "--base-url", f"http://127.0.0.1:{port}/v1")
    assert done.status == 1
    assert f"127.0.0.1:{port}" in done.err or "doctor" in done.err


@EACH
@pytest.mark.parametrize(
    "wrong", [["--base-url", "ftp://x"], ["--registry", "mongo://x"]]
)
def test_a_url_that_cannot_be_right_ends_with_2(
    shell: Shell, arguments: list[str], wrong: list[str]
) -> None:
    done = shell(*arguments, *wrong)
    assert (done.status, done.out) == (2, "")
    assert shell.server.requests() == []


@EACH
def test_a_key_file_takes_the_place_of_the_environment(
    shell: Shell, arguments: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n", "utf-8")
    shell(*arguments, "--api-key-file", path, MOONSHOT_API_KEY="sk-another")
    accounts = {request.account for request in shell.server.requests()}
    list(shell.client.list())
    assert accounts == {shell.server.requests()[-1].account}


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"two words", b""])
def test_a_key_file_that_holds_no_key_is_named_and_not_repeated(
    shell: Shell, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    done = shell("ls", "--api-key-file", path, MOONSHOT_API_KEY="")
    assert done.status == 2
    assert "two words" not in done.err
    assert "key" in done.err


def test_a_server_s_message_cannot_steer_the_terminal(shell: Shell) -> None:
    error = {"error": {"type": "permission_denied_error", "message": "\x1b[2Jgone"}}
    shell.server.fail("status", status=403, body=error)
    done = shell("ls")
    assert done.status == 1
    assert "\x1b" not in done.err
    assert "gone" in done.err


def test_no_option_takes_a_key_where_process_lists_show_it() -> None:
    for name in COMMANDS:
        shown = CliRunner().invoke(app, [name, "--help"]).output
        assert "--api-key-file" in shown
        assert "--api-key " not in shown


def test_the_shell_completes_ids_from_the_registry_without_a_request(
    shell: Shell,
) -> None:
    registry = open_registry(shell.registry)
    for key, cache_id, state in (
        ("a", "cache-aa", State.READY),
        ("b", "cache-ab", State.PENDING),
        ("c", "cache-ac", State.FAILED),
        ("d", "other-aa", State.READY),
    ):
        registry.record(Entry(key=key * 40, cache_id=cache_id, state=state))
    registry.close()
    assert known_cache_ids("cache-a") == ["cache-aa", "cache-ab"]
    done = CliRunner().invoke(
        app,
        [],
        prog_name="moonshot-cache",
        env={
            **os.environ,
            "_MOONSHOT_CACHE_COMPLETE": "complete_bash",
            "COMP_WORDS": "moonshot-cache show cache-",
            "COMP_CWORD": "2",
        },
    )
    assert done.output.split() == ["cache-aa", "cache-ab"]
    assert shell.server.requests() == []


def test_a_registry_that_cannot_be_read_completes_nothing(
    shell: Shell, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.sqlite"
    broken.write_bytes(b"no database at all" * 100)
    shell.patch.setenv("MOONSHOT_CACHE_REGISTRY", f"sqlite:///{broken}")
    assert known_cache_ids("") == []


def test_a_reader_that_goes_away_is_no_error(shell: Shell) -> None:
    for _ in range(3):
        shell.cache()
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [COMMAND, "ls"], stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert done.stderr == b""
