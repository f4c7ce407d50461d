"""A bill as one page for a browser, which needs nothing but itself.

No script, no font and no picture comes from elsewhere: the page can be mailed, archived
and opened without a network. It follows the reader's choice of light or dark.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from langchain_moonshot_cache.cli.bill_chart import COLOURS, PARTS, UNCACHED, charts
from langchain_moonshot_cache.cli.bill_table import COLUMNS, cells

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from langchain_moonshot_cache.cli.bill_chart import Bar, Chart
    from langchain_moonshot_cache.cli.bill_sheet import Sheet

__all__ = ["page"]

_STYLE = """\
:root { color-scheme: light dark; --back: #fff; --front: #1a1a1a; --line: #d0d0d0;
  --soft: #666; }
@media (prefers-color-scheme: dark) {
  :root { --back: #16181c; --front: #e8e8e8; --line: #3c4048; --soft: #a0a4ac; } }
body { background: var(--back); color: var(--front); max-width: 68rem;
  margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: left;
  white-space: nowrap; }
.figure { text-align: right; }
tfoot td { font-weight: 600; border-bottom: 0; }
p { color: var(--soft); }
svg { width: 100%; height: auto; }
svg text { fill: currentColor; font-size: 13px; }
.uncached { fill: none; stroke: var(--soft); }
"""

_WIDTH, _LABELS, _FIGURES = 900, 200, 180  # of the drawing, in its own units
_ROW, _BAR, _FRAME = 30, 14, 22
_LONGEST_LABEL = 30
"""Characters that fit beside the bars; the table has them all."""


def page(sheet: Sheet) -> str:
    """Write a bill as HTML."""
    title = f"Cost of {sheet.period}"
    body = [
        f"<h1>{escape(title)}</h1>",
        f"<p>As of {escape(sheet.as_of)}, by what models reported.</p>",
    ]
    if sheet.totals:
        body += [_diagram(chart) for chart in charts(sheet)]
        body += [_table(sheet)]
        body += [f"<p>{escape(remark)}</p>" for remark in sheet.remarks()]
    else:
        body.append(f"<p>{escape(sheet.nothing)}</p>")
    head = (
        '<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_STYLE}</style>"
    )
    content = "\n".join(body)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n'
        f"<body>\n{content}\n</body>\n</html>\n"
    )


def _table(sheet: Sheet) -> str:
    names = (*sheet.by, *COLUMNS)
    figures = len(COLUMNS) - 1
    rows = [(*sheet.heads(row), *cells(sheet, row)) for row in sheet.rows]
    blanks = [""] * (len(sheet.by) - 1)
    totals = [("in all", *blanks, *cells(sheet, row)) for row in sheet.totals]
    return (
        '<div class="scroll"><table>\n'
        f"<thead>{_row(names, figures=figures, cell='th')}</thead>\n"
        f"<tbody>\n{_rows(rows, figures=figures)}\n</tbody>\n"
        f"<tfoot>\n{_rows(totals, figures=figures)}\n</tfoot>\n</table></div>"
    )


def _rows(rows: Iterable[Sequence[str]], *, figures: int) -> str:
    return "\n".join(_row(row, figures=figures, cell="td") for row in rows)


def _row(values: Sequence[str], *, figures: int, cell: str) -> str:
    words = len(values) - figures
    shown = (
        f"<{cell}>{escape(value)}</{cell}>"
        if place < words
        else f'<{cell} class="figure">{escape(value)}</{cell}>'
        for place, value in enumerate(values)
    )
    return f"<tr>{''.join(shown)}</tr>"


def _diagram(chart: Chart) -> str:
    longest = float(chart.longest) or 1.0
    scale = (_WIDTH - _LABELS - _FIGURES) / longest
    height = _ROW * (len(chart.bars) + 1)
    bars = [
        _bar(bar, top=_ROW * (place + 1), scale=scale)
        for place, bar in enumerate(chart.bars)
    ]
    left_out = f", {chart.left_out} smaller ones left out" if chart.left_out else ""
    return (
        f"<h2>{escape(chart.currency)}{left_out}</h2>\n"
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="Cost in {escape(chart.currency)}; the table has the figures">\n'
        f"{_legend()}\n" + "\n".join(bars) + "\n</svg>"
    )


def _legend() -> str:
    marks = []
    for place, (name, colour) in enumerate(
        zip((*PARTS, UNCACHED), (*COLOURS, None), strict=True)
    ):
        left = _LABELS + place * 160
        kind = 'class="uncached"' if colour is None else f'fill="{colour}"'
        marks.append(
            f'<rect x="{left}" y="8" width="{_BAR}" height="{_BAR}" {kind}/>'
            f'<text x="{left + _BAR + 6}" y="20">{name}</text>'
        )
    return "".join(marks)


def _bar(bar: Bar, *, top: int, scale: float) -> str:
    middle = top + _ROW / 2 + 4
    label = bar.label
    if len(label) > _LONGEST_LABEL:
        label = f"{label[: _LONGEST_LABEL - 1]}…"
    drawn = [
        f'<text x="{_LABELS - 8}" y="{middle}" text-anchor="end">{escape(label)}</text>'
    ]
    if bar.nothing_known:
        drawn.append(f'<text x="{_LABELS}" y="{middle}">{bar.figure} not known</text>')
        return "".join(drawn)
    left, width = float(_LABELS), float(bar.uncached) * scale
    drawn.append(
        f'<rect class="uncached" x="{left:.1f}" y="{top + (_ROW - _FRAME) / 2:.1f}" '
        f'width="{width:.1f}" height="{_FRAME}"/>'
    )
    for part, colour in zip(bar.parts, COLOURS, strict=True):
        length = float(part) * scale
        drawn.append(
            f'<rect x="{left:.1f}" y="{top + (_ROW - _BAR) / 2:.1f}" '
            f'width="{length:.1f}" height="{_BAR}" fill="{colour}"/>'
        )
        left += length
    end = max(left, _LABELS + width) + 6
    drawn.append(f'<text x="{end:.1f}" y="{middle}">{escape(bar.figure)}</text>')
    return "".join(drawn)
