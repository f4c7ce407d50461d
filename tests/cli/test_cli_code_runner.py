"""The CodeRunner tool of the demo."""

from __future__ import annotations

import shutil
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from langchain_core.tools import ToolException
from server_kit import example

from langchain_moonshot_cache.demo import code_runner as module
from langchain_moonshot_cache.demo.code_runner import code_runner, run_code

DEFINITION = example("create_request")["tools"][0]


def test_a_program_is_run_and_its_output_returned() -> None:
    assert run_code("print('鱼', 6 * 7)", language="python") == "鱼 42\n"


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_javascript_is_run_where_there_is_a_node() -> None:
    assert run_code("console.log(6 * 7)", language="javascript") == "42\n"


def test_without_a_node_javascript_is_refused_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolException, match="node is not installed"):
        run_code("console.log(1)", language="javascript")


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(ToolException, match="'cobol': use python or javascript"):
        run_code("DISPLAY 1", language="cobol")


def test_a_program_that_fails_is_a_tool_error_with_its_traceback() -> None:
    with pytest.raises(ToolException, match=r"exit status 1(.|\n)*ZeroDivisionError"):
        run_code("1 / 0", language="python")


def test_a_program_that_does_not_end_is_ended_with_its_children(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its time is over once its child runs, however long that took to start.

    A child that went on would keep the output open, and its reader waiting.
    """
    running = tmp_path / "running"

    class Over(Timer):
        def run(self) -> None:
            while not self.finished.wait(0.002):
                if running.exists():
                    self.function()
                    return

    monkeypatch.setattr(module, "Timer", Over)
    child = f"open({str(running)!r}, 'x').close()\nwhile True: pass"
    forking = (
        "import subprocess, sys\n"
        "print('begun', flush=True)\n"
        f"subprocess.run([sys.executable, '-c', {child!r}])"
    )
    with pytest.raises(ToolException, match=r"ended after 0\.5 seconds(.|\n)*begun"):
        run_code(forking, language="python", time_limit=0.5)


def test_a_program_that_closes_its_output_is_ended_too() -> None:
    silent = "import os\nos.close(1); os.close(2)\nwhile True: pass"
    with pytest.raises(ToolException, match=r"ended after 0\.5 seconds"):
        run_code(silent, language="python", time_limit=0.5)


def test_a_program_that_floods_its_output_is_ended_early() -> None:
    with pytest.raises(ToolException, match="10000 bytes") as refused:
        run_code("while True: print('flood')", language="python", time_limit=3600)
    assert len(str(refused.value)) < 10_200


def test_a_program_sees_neither_the_environment_nor_the_directory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MOONSHOT_API_KEY", "sk-canary")
    seen = run_code(
        "import os\nprint(dict(os.environ))\nprint(os.getcwd())", language="python"
    )
    assert "canary" not in seen
    assert str(Path.cwd()) not in seen


def test_the_room_of_a_program_is_removed() -> None:
    room = run_code("import os\nprint(os.getcwd())", language="python").strip()
    assert not Path(room).exists()


def test_the_tool_is_described_to_the_model_word_for_word() -> None:
    tool: Any = code_runner(DEFINITION)
    assert tool.name == "CodeRunner"
    assert tool.description == DEFINITION["function"]["description"]
    assert tool.args_schema == DEFINITION["function"]["parameters"]


def test_a_failure_is_a_result_that_the_model_hears_of() -> None:
    call = {
        "name": "CodeRunner",
        "args": {"language": "cobol"},
        "id": "CodeRunner:0",
        "type": "tool_call",
    }
    told = code_runner(DEFINITION).invoke(call)
    assert told.status == "error"
    assert "use python or javascript" in told.content
