"""The picture of ``ttft.py``: the time to the first token over the prefix's size."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from card import card
from ttft_results import COLD, Times

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

__all__ = ["PICTURE", "draw"]

PICTURE = Path(__file__).parents[1] / "docs" / "ttft.svg"
WARM = {
    "direct": ("the engine, asked directly", "C2^", -200),
    "named": ("named cache", "C0o", 0),
    "prefix": ("resent in full", "C3s", 200),
}
"""What each way is called, how it looks, and how many tokens it stands beside its
place, so that spreads do not cover one another."""


def draw(told: dict[str, Any], *, path: Path) -> None:
    """Draw medians, with the lowest and the highest time.

    Args:
        told: The record of a run.
        path: Where it goes; the suffix tells the format, such as ``.svg``.
    """
    results = [Times(**row) for row in told["times"]]
    title = f"{told['model']} in llama.cpp, {told['cores']} cores"
    with card(title, size=(8.8, 3.5), told=told, path=path) as figure:
        left, right = figure.subplots(1, 2)
        _both(left, results)
        _warm(right, results)


def _both(axes: Axes, results: Sequence[Times]) -> None:
    """Draw cold and warm; each line is named at its end, where the eye is."""
    cold, named = _of(COLD, results), _of("named", results)
    sizes = [row.tokens for row in cold]
    _spread(axes, cold, look="C1s--")
    _spread(axes, named, look="C0o-")
    last, warm = cold[-1].median, named[-1].median
    _name(axes, f"cold: {last:.1f} s", at=(sizes[-1], last), offset=(-12, 0), look="C1")
    told = f"named cache: {warm:.2f} s, {1 - warm / last:.1%} less"
    _name(axes, told, at=(sizes[-1], warm), offset=(0, 10), look="C0")
    _frame(axes, sizes, title="Seconds to the first token, cold and warm")


def _warm(axes: Axes, results: Sequence[Times]) -> None:
    """Draw the ways to ask about a warm prefix, which the other panel cannot show."""
    for way, (label, look, aside) in WARM.items():
        _spread(axes, _of(way, results), look=look, aside=aside, label=label)
    sizes = [row.tokens for row in _of("named", results)]
    _frame(axes, sizes, title="The same, warm alone")
    axes.legend(loc="upper left")


def _of(way: str, results: Sequence[Times]) -> list[Times]:
    return sorted((r for r in results if r.way == way), key=lambda row: row.tokens)


def _spread(
    axes: Axes, rows: Sequence[Times], *, look: str, aside: int = 0, label: str = ""
) -> None:
    axes.errorbar(
        [row.tokens + aside for row in rows],
        [row.median for row in rows],
        yerr=[
            [row.median - row.lowest for row in rows],
            [row.highest - row.median for row in rows],
        ],
        fmt=look,
        capsize=2,
        label=label,
    )


def _name(
    axes: Axes,
    text: str,
    *,
    at: tuple[float, float],
    offset: tuple[float, float],
    look: str,
) -> None:
    axes.annotate(
        text,
        at,
        xytext=offset,
        textcoords="offset points",
        ha="right",
        color=look,
    )


def _frame(axes: Axes, sizes: Sequence[int], *, title: str) -> None:
    axes.set(title=title, xlabel="tokens of the prefix", ylabel="seconds")
    axes.set_xticks(sizes, [f"{size // 1024}k" for size in sizes])
    axes.set_ylim(bottom=0)
