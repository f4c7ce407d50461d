"""The white card that the README's pictures stand on, and how they are written."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import FancyBboxPatch

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["card"]

STYLE = Path(__file__).parents[1] / "notebooks" / "plots.mplstyle"


@contextmanager
def card(
    title: str, *, size: tuple[float, float], told: dict[str, Any], path: Path
) -> Iterator[Figure]:
    """Give a figure to draw on, and write it when the block ends.

    The same figures and the same matplotlib give the same bytes.

    Args:
        title: What stands above the panels.
        size: Width and height in inches.
        told: The figures that the picture shows; they go into its description.
        path: Where it goes; the suffix tells the format, such as ``.svg``.
    """
    metadata: dict[str, str | None] = {"Description": json.dumps(told)}
    if path.suffix == ".svg":
        metadata |= {"Date": None}  # leaves it out
    with style.context(STYLE):
        within = ConstrainedLayoutEngine(
            w_pad=0.14, h_pad=0.12
        )  # inches to the card's edge
        figure = Figure(figsize=size, layout=within)
        figure.patch.set_alpha(0)
        figure.add_artist(_ground(figure))
        figure.suptitle(title)
        yield figure
        figure.savefig(path, metadata=metadata)


def _ground(figure: Figure) -> FancyBboxPatch:
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
