"""The fixtures and the handle that other people's tests use."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from server_kit import Api

from langchain_moonshot_cache.testing import MoonshotServer

if TYPE_CHECKING:
    from langchain_moonshot_cache.testing import ServerFactory

ROOT = Path(str(files("langchain_moonshot_cache"))).parent


@pytest.mark.parametrize("missing", ["starlette", "uvicorn", "pytest"])
def test_without_its_extra_the_module_says_what_to_install(missing: str) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "import langchain_moonshot_cache.testing"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError")
    assert "pip install pytest 'langchain-moonshot-cache[server]'" in last


def test_the_module_serves_as_a_plugin(tmp_path: Path) -> None:
    test = tmp_path / "test_theirs.py"
    test.write_text(
        "def test_it(moonshot_server, moonshot_server_factory):\n"
        "    other = moonshot_server_factory(currency='USD')\n"
        "    assert moonshot_server.bill().currency == 'CNY'\n"
        "    assert other.bill().currency == 'USD'\n"
        "    assert moonshot_server.base_url != other.base_url\n"
    )
    plugin = ["-p", "langchain_moonshot_cache.testing"]
    command = [sys.executable, "-m", "pytest", "-q", *plugin, f"--rootdir={tmp_path}"]
    result = subprocess.run(
        [*command, "-c", "/dev/null", str(test)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert "1 passed" in result.stdout, result.stdout + result.stderr


def test_a_handle_is_shown_without_its_key(moonshot_server: MoonshotServer) -> None:
    handle = MoonshotServer(moonshot_server.base_url, api_key="sk-secret")
    assert repr(handle) == f"MoonshotServer({moonshot_server.url!r})"
    assert handle.base_url == moonshot_server.base_url


def test_servers_of_one_test_share_nothing(
    moonshot_server: MoonshotServer, moonshot_server_factory: ServerFactory
) -> None:
    other = moonshot_server_factory()
    with Api(moonshot_server) as api:
        api.create()
    assert (moonshot_server.creates(), other.creates()) == (1, 0)


def test_a_handle_serves_any_server_by_its_address(
    moonshot_server: MoonshotServer,
) -> None:
    elsewhere = MoonshotServer(f"{moonshot_server.url}/")
    elsewhere.clock.freeze()
    elsewhere.clock.set(2_000_000_000)
    assert moonshot_server.clock.now() == 2_000_000_000
