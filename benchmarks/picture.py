"""The README's picture: what ten questions cost and send, with the cache and without.

It plays the demo's long document, ``make demo``, and draws what the stand-in server
billed and counted; creating and storing the cache are part of the cost. Run it as
``python benchmarks/picture.py``; it writes ``docs/savings.svg``, the same bytes for the
same figures and the same matplotlib. The figures stand in its description, too.
"""

from __future__ import annotations

import argparse
import platform
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from card import card

from langchain_moonshot_cache.demo import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from langchain_moonshot_cache.demo import Example, Lane

__all__ = ["PICTURE", "draw", "figures", "main"]

PICTURE = Path(__file__).parents[1] / "docs" / "savings.svg"


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
    questions = len(told["with"]["cost"]) - 1
    title = f"{questions} questions on {told['tokens']:,} tokens, {told['model']}"
    with card(title, size=(8.8, 3.5), told=told, path=path) as figure:
        left, right = figure.subplots(1, 2)
        head = "Cost so far, the cache included"
        _panel(left, told, key="cost", title=head, unit="yuan")
        _panel(right, told, key="megabytes", title="Sent so far", unit="MB")


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
