"""Help, versions, exit statuses and what is said when something is missing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest
from command_kit import COMMAND, PATIENCE, moonshot_cache, python
from typer.testing import CliRunner

from langchain_moonshot_cache import __version__
from langchain_moonshot_cache.cli.app import app
from langchain_moonshot_cache.server.__main__ import main as serve_directly
from langchain_moonshot_cache.testing import MoonshotServer

if TYPE_CHECKING:
    from typer.testing import Result

BLOCKED = """\
import sys
sys.modules[{module!r}] = None
sys.argv = ["moonshot-cache", "demo"]
from langchain_moonshot_cache.cli import main
main()
"""


def command(*arguments: str) -> Result:
    """Run the command line within this process."""
    return CliRunner().invoke(app, arguments, prog_name="moonshot-cache")


def test_the_version_is_the_package_s() -> None:
    done = command("--version")
    assert (done.exit_code, done.output) == (0, f"moonshot-cache {__version__}\n")


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_names_every_command(option: str) -> None:
    done = command(option)
    assert done.exit_code == 0
    assert "demo" in done.output
    assert "serve" in done.output
    assert "--install-completion" in done.output


def test_without_a_command_help_is_shown() -> None:
    done = command()
    assert done.exit_code == 2
    assert "Commands" in done.output


def test_the_help_of_the_demo_says_that_it_needs_nothing() -> None:
    done = command("demo", "--help")
    assert done.exit_code == 0
    assert "no key and no network" in " ".join(done.output.split())
    assert "--json" in done.output


def test_the_help_of_serve_is_the_server_s_own_under_its_own_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    done = command("serve", "--help")
    assert done.exit_code == 0
    assert done.output.startswith("usage: moonshot-cache serve ")
    with pytest.raises(SystemExit):
        serve_directly(["--help"])
    direct = capsys.readouterr().out
    assert direct.startswith("usage: python -m langchain_moonshot_cache.server ")
    options = done.output.partition("options:")[2]
    assert options
    assert options == direct.partition("options:")[2]


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["demo", "--nonsense"], ["serve", "--nonsense"]]
)
def test_a_wrong_command_or_option_is_named_and_ends_with_2(
    arguments: list[str],
) -> None:
    done = command(*arguments)
    assert done.exit_code == 2
    assert "nonsense" in done.output
    assert "Traceback" not in done.output


def test_a_reader_that_has_seen_enough_is_no_trouble() -> None:
    for arguments in (["bill", "--json"], ["bill"], ["--help"]):
        reader, writer = os.pipe()
        os.close(reader)
        environment = {**os.environ, "MOONSHOT_CACHE_REGISTRY": "memory://"}
        done = subprocess.run(
            [COMMAND, *arguments],
            env=environment,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        os.close(writer)
        assert done.returncode == 0
        assert "pipe" not in done.stderr.lower()


def test_a_port_that_is_taken_ends_serve_with_1_and_the_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = moonshot_cache("serve", "--port", port)
    assert done.returncode == 1
    assert "cannot serve" in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_serves_with_its_options_until_it_is_interrupted() -> None:
    with subprocess.Popen(
        [COMMAND, "serve", "--port", "0", "--currency", "USD"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            said = process.stdout.readline()
            assert "scripted engine" in said
            server = MoonshotServer(said.split()[2])
            assert server.bill().currency == "USD"
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize(("module", "extra"), [("typer", "cli"), ("uvicorn", "server")])
def test_a_missing_extra_is_named_with_the_line_that_installs_it(
    module: str, extra: str
) -> None:
    done = python(BLOCKED.format(module=module))
    assert done.returncode == 2
    assert f"pip install 'langchain-moonshot-cache[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_module_that_no_extra_brings_is_not_hidden() -> None:
    done = python(BLOCKED.format(module="langchain_moonshot_cache.demo"))
    assert done.returncode == 1
    assert "ModuleNotFoundError" in done.stderr
