"""A bill as a picture. The only module that speaks matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from langchain_moonshot_cache.cli.bill_chart import COLOURS, PARTS, UNCACHED, charts
from langchain_moonshot_cache.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from langchain_moonshot_cache.cli.bill_chart import Bar, Chart
    from langchain_moonshot_cache.cli.bill_sheet import Sheet

__all__ = ["draw"]

_KINDS = (".pdf", ".png", ".svg")
_WIDTH, _MARGIN, _PER_BAR = 8.0, 1.4, 0.45  # inches
_DOTS = 150  # per inch: sharp on a screen, and small
_THICK, _THIN = 0.5, 0.78  # of the room that a bar has
_GREY = "0.45"
_ROOM = 1.35  # for the figures behind the longest bar


def draw(sheet: Sheet, path: Path) -> None:
    """Draw a bill into a file, one diagram for each currency.

    Args:
        sheet: The bill.
        path: Where to; its suffix tells the format.

    Raises:
        ConfigurationError: The suffix is none of those.
        OSError: The file cannot be written.
    """
    kind = path.suffix.lower()
    if kind not in _KINDS:
        raise ConfigurationError(
            f"{path}: a picture's name ends in {', '.join(_KINDS[:-1])} or {_KINDS[-1]}"
        )
    drawn = charts(sheet)
    heights = [_MARGIN + _PER_BAR * len(chart.bars) for chart in drawn] or [_MARGIN]
    figure = Figure(figsize=(_WIDTH, sum(heights)), layout="constrained")
    figure.suptitle(f"Cost of {sheet.period}, as of {sheet.as_of}")
    grid = figure.subplots(len(heights), squeeze=False, height_ratios=heights)
    if not drawn:
        grid[0, 0].set_axis_off()
        grid[0, 0].text(0.5, 0.5, sheet.nothing, ha="center")
    for axes, chart in zip(grid[:, 0], drawn, strict=False):
        _draw_chart(axes, chart)
    figure.savefig(path, dpi=_DOTS, format=kind[1:])


def _draw_chart(axes: Axes, chart: Chart) -> None:
    for place, bar in enumerate(chart.bars):
        _draw_bar(axes, bar, place=place)
    axes.set_yticks(range(len(chart.bars)), [bar.label for bar in chart.bars])
    axes.set_ylim(len(chart.bars) - 0.5, -0.5)
    axes.set_xlabel(chart.currency)
    # An axis of no length cannot be drawn.
    axes.set_xlim(0, float(chart.longest) * _ROOM or 1.0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.legend(
        handles=_legend(),
        ncols=len(PARTS) + 1,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        frameon=False,
    )
    if chart.left_out:
        axes.set_title(f"{chart.left_out} smaller ones left out", fontsize="small")


def _legend() -> list[Patch]:
    parts = zip(PARTS, COLOURS, strict=True)
    return [
        *(Patch(color=colour, label=part) for part, colour in parts),
        Patch(facecolor="none", edgecolor=_GREY, label=UNCACHED),
    ]


def _draw_bar(axes: Axes, bar: Bar, *, place: int) -> None:
    if bar.nothing_known:
        axes.text(0, place, f" {bar.figure} not known", va="center", color=_GREY)
        return
    width = float(bar.uncached)
    axes.barh(place, width, height=_THIN, color="none", edgecolor=_GREY)
    begin = 0.0
    for part, colour in zip(bar.parts, COLOURS, strict=True):
        axes.barh(place, float(part), left=begin, height=_THICK, color=colour)
        begin += float(part)
    end = max(begin, width)
    axes.text(end, place, f" {bar.figure}", va="center", fontsize="small")
