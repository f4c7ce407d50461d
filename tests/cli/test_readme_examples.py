"""Every Python block of the README runs as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from command_kit import PATIENCE

if TYPE_CHECKING:
    from langchain_moonshot_cache.testing import MoonshotServer

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def titled(block: str) -> str:
    """Name a block by the line of the README that it begins on."""
    return f"line-{README[: README.index(block)].count(chr(10)) + 1}"


def run(block: str, server: MoonshotServer, folder: Path) -> str:
    """Run a block as its reader would: a program, or a file of tests."""
    path = folder / "test_example.py"
    path.write_text(block, "utf-8")
    as_tests = ["-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, *(as_tests if "def test_" in block else []), path.name],
        cwd=folder,
        env={
            **os.environ,
            "MOONSHOT_API_BASE": server.base_url,
            "MOONSHOT_API_KEY": server.api_key,
            "MOONSHOT_CACHE_REGISTRY": "memory://",
        },
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("block", BLOCKS, ids=titled)
def test_a_python_block_of_the_readme_runs(
    block: str, moonshot_server: MoonshotServer, tmp_path: Path
) -> None:
    run(block, moonshot_server, tmp_path)
    assert moonshot_server.caches() == []


def test_the_first_block_shows_a_write_and_then_a_hit(
    moonshot_server: MoonshotServer, tmp_path: Path
) -> None:
    printed = run(BLOCKS[0], moonshot_server, tmp_path)
    assert re.findall("'outcome': '([a-z]+)'", printed) == ["write", "hit"]


def test_a_runnable_example_ends_within_the_first_25_lines() -> None:
    assert BLOCKS[0] in "\n".join(README.splitlines()[:25])


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_every_file_that_a_page_links_to_exists(name: str) -> None:
    page = (ROOT / name).read_text("utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page)
    assert all((ROOT / link).exists() for link in links), links
