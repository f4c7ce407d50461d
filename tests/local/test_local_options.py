"""The local engine on the command line, as far as it goes without weights."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from langchain_moonshot_cache.server.__main__ import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _nothing_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let llama.cpp look installed; nothing here comes so far as to run it."""
    monkeypatch.setattr(
        "langchain_moonshot_cache.server.local_options.check_installed", lambda: None
    )


def test_without_the_extra_the_command_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setattr(
        "langchain_moonshot_cache.server.local.llama.find_spec", lambda _: None
    )
    assert main(["--local", "--port", "0"]) == 1
    assert "pip install 'langchain-moonshot-cache[local]'" in capsys.readouterr().err


@pytest.mark.usefixtures("installed")
def test_without_a_terminal_nobody_agrees_to_anything(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert main(["--local", "--port", "0"]) == 1
    said = capsys.readouterr().err
    assert "Gemma Terms of Use" in said
    assert "nobody can be asked; --yes agrees" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("installed")
def test_weights_of_ones_own_that_are_not_there_are_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["--local", str(tmp_path / "none.gguf"), "--port", "0"]) == 1
    assert "none.gguf" in capsys.readouterr().err


def test_one_engine_is_enough(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--local", "--upstream", "http://127.0.0.1:1/v1"])
    assert "there is one engine" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", ["--ready-after 7", "--currency USD", "--no-control", "--retired-models"]
)
def test_options_of_the_scripted_engine_are_refused_by_their_names(
    words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    option, *value = words.split()
    with pytest.raises(SystemExit):
        main(["--local", option, *value])
    assert f"{option} is for the scripted engine only" in capsys.readouterr().err
