"""The README's picture: what ten questions cost and send, with the cache and without.

It plays the demo's long document, ``make demo``, and draws what the stand-in server
billed and counted; creating and storing the cache are part of the cost. Run it as
``python benchmarks/picture.py``; it writes ``docs/savings.svg``, the same bytes for the
same figures and the same matplotlib. The figures stand in its description, too.
"""

from __future__ import annotations

import argparse
import json
import platform
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import FancyBboxPatch

from langchain_moonshot_cache.demo import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from langchain_moonshot_cache.demo import Example, Lane

__all__ = ["PICTURE", "draw", "figures", "main"]

ROOT = Path(__file__).parents[1]
STYLE = ROOT / "notebooks" / "plots.mplstyle"
PICTURE = ROOT / "docs" / "savings.svg"


def figures(example: Example) -> dict[str, Any]:
    """Add up an example's figures, question by question.

    Args:
        example: The example as it was played.

    Returns:
        For ``with`` and ``without`` the cache: ``cost`` in yuan and ``megabytes`` sent
        before the first question and after each; further what they are about.
    """
    return {
        "model": example.model,
        "tokens": example.cached.calls[0].cached_tokens,
        "python": platform.python_version(),
        "with": _so_far(example.cached),
        "without": _so_far(example.plain),
    }


def _so_far(lane: Lane) -> dict[str, list[float]]:
    making = lane.bill.creation + lane.bill.storage
    cost = accumulate((call.cost for call in lane.calls), initial=making)
    sent = accumulate((call.bytes_sent for call in lane.calls), initial=0)
    return {"cost": [*map(float, cost)], "megabytes": [size / 1e6 for size in sent]}


def draw(told: dict[str, Any], *, path: Path) -> None:
    """Draw the picture.

    Args:
        told: What :func:`figures` returned.
        path: Where it goes; the suffix tells the format, such as ``.svg``.
    """
    metadata: dict[str, str | None] = {"Description": json.dumps(told)}
    if path.suffix == ".svg":
        metadata |= {"Date": None}  # leaves it out
    with style.context(STYLE):
        _figure(told).savefig(path, metadata=metadata)


def _figure(told: dict[str, Any]) -> Figure:
    within = ConstrainedLayoutEngine(
        w_pad=0.14, h_pad=0.12
    )  # inches to the card's edge
    figure = Figure(figsize=(8.8, 3.5), layout=within)
    figure.patch.set_alpha(0)
    figure.add_artist(_card(figure))
    questions = len(told["with"]["cost"]) - 1
    figure.suptitle(
        f"{questions} questions on {told['tokens']:,} tokens, {told['model']}"
    )
    left, right = figure.subplots(1, 2)
    _panel(left, told, key="cost", title="Cost so far, the cache included", unit="yuan")
    _panel(right, told, key="megabytes", title="Sent so far", unit="MB")
    return figure


def _card(figure: Figure) -> FancyBboxPatch:
    """A white card with round corners: the picture reads as well on a dark page."""
    return FancyBboxPatch(
        (0, 0),
        width=1,
        height=1,
        boxstyle="round,pad=0,rounding_size=0.02",
        mutation_aspect=2.5,  # about the figure's own, or the corners would be oval
        transform=figure.transFigure,
        facecolor="white",
        edgecolor="#D0D7DE",
        zorder=-1,
    )


def _panel(
    axes: Axes, told: dict[str, Any], *, key: str, title: str, unit: str
) -> None:
    """Draw one quantity; each line is named at its end, where the eye is."""
    without: Sequence[float] = told["without"][key]
    cached: Sequence[float] = told["with"][key]
    last = len(cached) - 1
    axes.plot(without, "C1s--")
    axes.plot(cached, "C0o-")
    axes.annotate(
        f"without cache: {without[-1]:.2f} {unit}",
        (last, without[-1]),
        xytext=(-12, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        color="C1",
    )
    axes.annotate(
        f"with cache: {cached[-1]:.2f} {unit}, {1 - cached[-1] / without[-1]:.1%} less",
        (last, cached[-1]),
        xytext=(0, 10),
        textcoords="offset points",
        ha="right",
        color="C0",
    )
    axes.set(title=title, xlabel="questions asked", ylabel=unit)
    axes.set_xticks(range(0, last + 1, 2))
    axes.set_ylim(0, without[-1] * 1.08)


def main() -> None:
    """Play, and draw where the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--into", type=Path, default=PICTURE, help="the file to write")
    path = parser.parse_args().into
    draw(figures(run().document), path=path)
    print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
