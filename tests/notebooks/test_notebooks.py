"""The notebooks run from clean, and print what is committed."""

from __future__ import annotations

import base64
import json
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PATIENCE = 100  # seconds; an idle computer needs four
LARGEST_PICTURE = 60_000  # bytes
EACH = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def executed(path: Path, into: Path) -> subprocess.CompletedProcess[str]:
    """Run a notebook as ``make notebooks`` does, but write the result elsewhere."""
    script = ROOT / "notebooks" / "execute.py"
    return subprocess.run(
        [sys.executable, str(script), str(path), "--into", str(into)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )


def read(path: Path) -> Json:
    notebook: Json = json.loads(path.read_text("utf-8"))
    return notebook


def outputs(notebook: Json) -> Iterator[Json]:
    for cell in notebook["cells"]:
        yield from cell.get("outputs", ())


def pictures(notebook: Json) -> list[bytes]:
    found = [output.get("data", {}).get("image/png") for output in outputs(notebook)]
    return [base64.b64decode(picture) for picture in found if picture]


def without_pictures(notebook: Json) -> list[Json]:
    """Return the cells; how a picture is drawn differs between matplotlib's versions.

    The figures that a picture shows are printed beside it.
    """
    for output in outputs(notebook):
        if "image/png" in output.get("data", {}):
            output["data"]["image/png"] = "a picture"
    cells: list[Json] = notebook["cells"]
    return cells


def forms(cells: list[Json]) -> list[Any]:
    """Return what kinds of outputs the cells have."""
    return [[o["output_type"] for o in cell.get("outputs", ())] for cell in cells]


@EACH
def test_a_notebook_runs_from_clean_and_prints_what_is_committed(
    path: Path, tmp_path: Path
) -> None:
    done = executed(path, tmp_path)
    assert done.returncode == 0, done.stderr
    committed, ran = read(path), read(tmp_path / path.name)
    assert len(pictures(ran)) == len(pictures(committed))
    now, then = without_pictures(ran), without_pictures(committed)
    assert forms(now) == forms(then)
    # They ask about the documentation of the Python that runs them.
    if committed["metadata"]["language_info"]["version"] == platform.python_version():
        assert now == then, f"run `make notebooks` if {path.name} may change"


@EACH
def test_a_notebook_is_committed_as_it_ran_in_one_go(path: Path) -> None:
    cells = [cell for cell in read(path)["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == [*range(1, len(cells) + 1)]
    assert all(cell["metadata"] == {} for cell in cells)
    kinds = {output["output_type"] for output in outputs(read(path))}
    assert kinds <= {"stream", "execute_result", "display_data"}
    assert "stderr" not in {output.get("name") for output in outputs(read(path))}


@EACH
def test_a_notebook_tells_nothing_about_the_computer_it_ran_on(path: Path) -> None:
    text = json.dumps([cell["source"] for cell in read(path)["cells"]])
    for output in outputs(read(path)):
        text += json.dumps(
            {**output, "data": {**output.get("data", {}), "image/png": ""}}
        )
    assert (
        re.findall(r"127\.0\.0\.1|localhost|:\d{4,5}/v1|/home/|/tmp/|/usr/", text) == []
    )
    assert str(ROOT) not in text


@EACH
def test_pictures_are_small(path: Path) -> None:
    assert all(len(picture) < LARGEST_PICTURE for picture in pictures(read(path)))


def test_the_notebooks_about_cost_agents_and_lifetimes_show_pictures() -> None:
    assert [len(pictures(read(path))) for path in NOTEBOOKS] == [0, 3, 1, 4]


@EACH
def test_a_notebook_says_that_no_model_runs_and_how_to_reach_one(path: Path) -> None:
    text = "".join("".join(cell["source"]) for cell in read(path)["cells"])
    assert "scripted**" in text
    assert "`MOONSHOT_API_KEY` and `MOONSHOT_API_BASE`" in text


@EACH
def test_every_file_that_a_notebook_links_to_exists(path: Path) -> None:
    text = "".join("".join(cell["source"]) for cell in read(path)["cells"])
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert all((path.parent / link).exists() for link in links), links


def test_a_notebook_that_asks_another_computer_fails(tmp_path: Path) -> None:
    # An address for documentation: nobody has it.
    source = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=5)"
    cell: Json = {
        "cell_type": "code",
        "execution_count": None,
        "id": "ask",
        "metadata": {},
        "outputs": [],
        "source": source,
    }
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata}
    path = tmp_path / "asks.ipynb"
    path.write_text(json.dumps({**notebook, "cells": [cell]}), "utf-8")
    done = executed(path, tmp_path)
    assert done.returncode != 0
    assert "notebooks run offline, and this one asked 192.0.2.1" in done.stderr
