"""What ``ttft.py`` measured: summed up, judged, as a table, and kept in a file."""

from __future__ import annotations

import json
import os
import platform
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "COLD",
    "RESULTS",
    "WAYS",
    "Times",
    "read",
    "readme_rows",
    "record",
    "summary",
    "table",
    "verdicts",
]

RESULTS = Path(__file__).parent / "results" / "ttft.json"
"""What was measured last on a quiet computer; the README shows it."""
COLD = "cold"
WAYS = ("direct", "named", "prefix")
"""To the engine, and through the gateway: by a named cache, and by resending all."""
SAVED_AT = 8192
SAVED = 0.97
WITHIN = 0.10
WITHIN_SECONDS = 0.020
"""Warm through the gateway may take this much longer than directly, or that many
seconds."""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds to the first token, of several questions.

    Attributes:
        tokens: Size of the prefix.
        way: ``cold``, or how the warm prefix was asked about.
        median: Of all questions.
        lowest: The fastest.
        highest: The slowest.
        questions: How many there were.
    """

    tokens: int
    way: str
    median: float
    lowest: float
    highest: float
    questions: int


def summary(tokens: int, way: str, seconds: Sequence[float]) -> Times:
    """Sum up the times of one way at one size."""
    return Times(
        tokens=tokens,
        way=way,
        median=statistics.median(seconds),
        lowest=min(seconds),
        highest=max(seconds),
        questions=len(seconds),
    )


def record(results: Sequence[Times], *, model: str) -> dict[str, Any]:
    """Return what is worth keeping of a run."""
    return {
        "model": model,
        "cores": len(os.sched_getaffinity(0)),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "times": [asdict(row) for row in results],
        "verdicts": verdicts(results),
    }


def read(path: Path) -> tuple[dict[str, Any], list[Times]]:
    """Read a record; return it, and the times in it."""
    told: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return told, [Times(**row) for row in told["times"]]


def verdicts(results: Sequence[Times]) -> dict[str, bool]:
    """Hold the figures against what they are to reach."""
    found = {(row.tokens, row.way): row for row in results}
    said = {}
    for (tokens, way), row in found.items():
        if way in {"named", "prefix"}:
            direct = found[tokens, "direct"].median
            most = direct + max(WITHIN * direct, WITHIN_SECONDS)
            said[f"{tokens} {way}: warm as directly"] = row.median <= most
        if way in {"named", "prefix"} and tokens == SAVED_AT:
            saved = 1 - row.median / found[tokens, COLD].median
            said[f"{tokens} {way}: {SAVED:.0%} less than cold"] = saved >= SAVED
    return said


def table(results: Sequence[Times]) -> str:
    """Write the results as a table: median seconds, lowest and highest."""
    lines = [
        "   tokens" + "".join(f"{way:>26}" for way in (COLD, *WAYS)) + "     saved"
    ]
    for rows in _by_size(results):
        cells = [f"{r.median:9.3f} ({r.lowest:.3f}-{r.highest:.3f})" for r in rows]
        line = "".join(f"{cell:>26}" for cell in cells)
        lines.append(f"{rows[0].tokens:9}{line}{-_saved(rows):10.1%}")
    return "\n".join(lines)


def readme_rows(results: Sequence[Times]) -> list[str]:
    """Write the rows of the README's table, which are the same in every language."""
    lines = []
    for rows in _by_size(results):
        cells = [f"{r.median:.2f} ({r.lowest:.2f}-{r.highest:.2f})" for r in rows]
        saved = f"{_saved(rows):.1%}".replace("%", " %")
        lines.append(f"| {' | '.join([f'{rows[0].tokens:,}', *cells, saved])} |")
    return lines


def _by_size(results: Sequence[Times]) -> list[list[Times]]:
    """Return for each size, smallest first, the cold times and those of each way."""
    found = {(row.tokens, row.way): row for row in results}
    sizes = sorted({row.tokens for row in results})
    return [[found[size, way] for way in (COLD, *WAYS)] for size in sizes]


def _saved(rows: Sequence[Times]) -> float:
    """Return the share of the cold time that a named cache spares."""
    cold, _, named, _ = rows
    return 1 - named.median / cold.median
