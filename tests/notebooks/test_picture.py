"""The README's picture shows what the demo counts."""

from __future__ import annotations

import json
import platform
import re
from html import unescape
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import pytest
from picture import PICTURE, draw, figures

from langchain_moonshot_cache.demo import run

if TYPE_CHECKING:
    from pathlib import Path

LANES = ("with", "without")
SVG = PICTURE.read_text("utf-8")
[WRITTEN] = re.findall("<dc:description>(.*)</dc:description>", SVG)
TOLD: dict[str, Any] = json.loads(unescape(WRITTEN))


def test_the_picture_shows_what_the_demo_counts() -> None:
    found = figures(run().document)
    # It asks about the documentation of the Python that runs it.
    if TOLD["python"] != platform.python_version():
        found.update(python=TOLD["python"], tokens=TOLD["tokens"])
        for lane in LANES:
            for key, values in TOLD[lane].items():
                assert found[lane][key] == pytest.approx(values, rel=0.1)
                found[lane][key] = values
    assert found == TOLD, "run `python benchmarks/picture.py` if the figures may change"


@pytest.mark.skipif(
    f"Matplotlib v{mpl.__version__}," not in SVG,
    reason="another matplotlib draws the same picture with other bytes",
)
def test_the_picture_is_drawn_from_these_figures(tmp_path: Path) -> None:
    path = tmp_path / PICTURE.name
    draw(TOLD, path=path)
    assert path.read_text("utf-8") == SVG


def test_the_picture_says_what_readme_says_of_it() -> None:
    readme = (PICTURE.parents[1] / "README.md").read_text("utf-8")
    [said] = re.findall(rf"!\[(.*)\]\(docs/{PICTURE.name}\)", readme)
    last = [TOLD[lane][key][-1] for key in ("cost", "megabytes") for lane in LANES]
    assert re.findall(r"\d+\.\d+", said) == [f"{value:.2f}" for value in last]
    assert f"{TOLD['tokens']:,} tokens" in said
