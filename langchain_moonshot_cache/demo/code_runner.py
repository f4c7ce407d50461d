"""CodeRunner: the announced example's tool, which really runs the code.

It keeps a program from running for ever, from flooding its reader, and from finding
this process's environment and working directory. It is no sandbox: what runs may do
whatever the user may do.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from threading import Event, Timer
from typing import TYPE_CHECKING, Any

from langchain_core.tools import StructuredTool, ToolException

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["code_runner", "run_code"]

TIME_LIMIT = 5.0
"""Seconds of a run; testing a seven-digit number takes some hundredths."""

MOST_OUTPUT = 10_000
"""Bytes of output that are passed on: the rest would only be billed as input."""


def code_runner(
    definition: Mapping[str, Any], *, time_limit: float = TIME_LIMIT
) -> StructuredTool:
    """Make the tool.

    Args:
        definition: Name, description and parameters, as in a chat request's ``tools``;
            the model is told exactly these.
        time_limit: Seconds that a program may run.

    Returns:
        A tool whose failures are results too, so that the model hears of them.
    """
    function = definition["function"]

    def run(language: str = "", code: str = "") -> str:
        return run_code(code, language=language, time_limit=time_limit)

    return StructuredTool.from_function(
        run,
        name=function["name"],
        description=function["description"],
        args_schema=function["parameters"],
        handle_tool_error=True,
    )


def run_code(code: str, *, language: str, time_limit: float = TIME_LIMIT) -> str:
    """Run a program in a process and a directory of its own.

    Args:
        code: The program.
        language: ``python`` or ``javascript``.
        time_limit: Seconds after which it is ended.

    Returns:
        What it printed, to either stream, cut off at 10,000 bytes.

    Raises:
        ToolException: The language is unknown or not installed, or the program failed,
            ran too long or printed too much.
    """
    suffix, command = _interpreter(language)
    with tempfile.TemporaryDirectory(prefix="code-runner-") as room:
        program = Path(room, f"main{suffix}")
        program.write_text(code, "utf-8")
        run = _Run([*command, str(program)], room=room, time_limit=time_limit)
        output = run.output()
    if run.problem:
        raise ToolException(f"{run.problem} It printed:\n{output}")
    return output


def _interpreter(language: str) -> tuple[str, list[str]]:
    """Name the file suffix and the command of a language."""
    if language == "python":
        # -I: no user site, no PYTHON* variables, no current directory on the path.
        return ".py", [sys.executable, "-I", "-X", "utf8"]
    if language != "javascript":
        raise ToolException(f"No language {language!r}: use python or javascript.")
    node = shutil.which("node")
    if node is None:
        raise ToolException("No JavaScript here: node is not installed. Use python.")
    return ".js", [node]


class _Run:
    """One run of a program, ended when it takes too long or says too much."""

    def __init__(self, command: Sequence[str], *, room: str, time_limit: float) -> None:
        self.problem = ""
        self._time_limit = time_limit
        self._late = Event()
        self._process = subprocess.Popen(  # noqa: S603 - running code is its purpose
            command,
            cwd=room,
            env={},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # A group of its own, so that its children end with it.
            start_new_session=True,
        )

    def output(self) -> str:
        """Wait for the end and return what was printed."""
        timer = Timer(self._time_limit, self._end_late)
        timer.start()
        try:
            with self._process as process:
                stream: Any = process.stdout
                printed: bytes = stream.read(MOST_OUTPUT + 1)
                if len(printed) > MOST_OUTPUT:
                    self._end()
                process.wait()
        finally:
            timer.cancel()
            self._end()
        self.problem = self._judged(len(printed))
        return printed[:MOST_OUTPUT].decode("utf-8", "replace")

    def _judged(self, size: int) -> str:
        if self._late.is_set():
            return f"The program was ended after {self._time_limit:g} seconds."
        if size > MOST_OUTPUT:
            return f"The program was ended after {MOST_OUTPUT} bytes of output."
        status = self._process.returncode
        return f"The program failed with exit status {status}." if status else ""

    def _end_late(self) -> None:
        self._late.set()
        self._end()

    def _end(self) -> None:
        with suppress(ProcessLookupError):  # nobody of the group may be left
            os.killpg(self._process.pid, signal.SIGKILL)
