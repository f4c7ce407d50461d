"""The picture of the times to the first token shows what was measured."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import matplotlib as mpl
import pytest
from ttft_picture import PICTURE
from ttft_results import RESULTS

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "ttft.py"
SVG = PICTURE.read_text("utf-8")


def shown(*options: str) -> str:
    """Return what the benchmark prints of the committed times."""
    return subprocess.run(
        [sys.executable, str(BENCHMARK), "--from", str(RESULTS), *options],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    ).stdout


def test_the_picture_was_drawn_from_the_committed_times() -> None:
    [written] = re.findall("<dc:description>(.*)</dc:description>", SVG)
    assert json.loads(unescape(written)) == json.loads(RESULTS.read_text("utf-8"))


@pytest.mark.skipif(
    f"Matplotlib v{mpl.__version__}," not in SVG,
    reason="another matplotlib draws the same picture with other bytes",
)
def test_the_picture_and_the_table_can_be_had_without_measuring(tmp_path: Path) -> None:
    path, again = tmp_path / PICTURE.name, tmp_path / RESULTS.name
    printed = shown("--picture", str(path), "--json", str(again))
    assert "16384" in printed
    assert "MISSED" not in printed
    assert path.read_text("utf-8") == SVG
    assert again.read_text("utf-8") == RESULTS.read_text("utf-8")
