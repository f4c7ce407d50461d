"""Every Python block of the README runs as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from command_kit import PATIENCE
from readme_kit import BLOCKS, ENGLISH

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_moonshot_cache.testing import MoonshotServer


def titled(block: str) -> str:
    """Name a block by the line of the README that it begins on."""
    before = ENGLISH.text[: ENGLISH.text.index(block)]
    return f"line-{before.count(chr(10)) + 1}"


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
    printed = run(block, moonshot_server, tmp_path)
    assert moonshot_server.caches() == []
    for output in outputs(block):
        assert output in " ".join(printed.split())


def outputs(block: str) -> list[str]:
    """Return what the README says that a block prints, on one line."""
    following = ENGLISH.code[ENGLISH.code.index(("python", block)) + 1 :][:1]
    return [" ".join(text.split()) for name, text in following if name == "text"]


def test_the_first_block_shows_a_write_and_then_a_hit(
    moonshot_server: MoonshotServer, tmp_path: Path
) -> None:
    printed = run(BLOCKS[0], moonshot_server, tmp_path)
    assert re.findall("'outcome': '([a-z]+)'", printed) == ["write", "hit"]
