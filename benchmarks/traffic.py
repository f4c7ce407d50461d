"""Traffic to replay: a trace of conversations, steady cadences, bursts of questions."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

__all__ = ["TraceError", "Use", "burst", "cadence", "read_trace"]

BLOCK = 512
OFFICE_HOURS = 8
PROMPT = 20_000


class TraceError(Exception):
    """The trace is not there or not one."""


class Use(NamedTuple):
    """One call: when, of which conversation, and the blocks of its prompt."""

    at: float
    conversation: str
    blocks: tuple[tuple[object, int], ...]

    @property
    def tokens(self) -> int:
        """Length of the prompt."""
        return sum(size for _, size in self.blocks)


def read_trace(path: Path) -> list[Use]:
    """Read a trace.

    Raises:
        TraceError: It is missing or empty, its times are not in order, or a line is no
            call.
    """
    if not path.is_file():
        raise TraceError(f"no trace at {path}: give its path, or set REPLAY_TRACE.")
    uses: list[Use] = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        try:
            use = _use(json.loads(line), number)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise TraceError(f"line {number} is not a call of a trace") from error
        if uses and use.at < uses[-1].at:
            raise TraceError(f"line {number} is earlier than the line before it")
        uses.append(use)
    if not uses:
        raise TraceError(f"{path} has no calls")
    return uses


def _use(row: dict[str, Any], number: int) -> Use:
    ids, length = row["hash_ids"], row["input_length"]
    conversation = str(ids[1]) if len(ids) > 1 else f"line {number}"
    sizes = [BLOCK] * (len(ids) - 1) + [length - BLOCK * (len(ids) - 1)]
    names = [f"beginning of {conversation}", *ids[1:]]
    blocks = tuple(zip(names, sizes, strict=True))
    at = row["timestamp"] / 1000
    if not (math.isfinite(at) and 0 < sizes[-1] <= BLOCK):
        raise ValueError("a time or a length is out of range")
    return Use(at, conversation, blocks)


def cadence(minutes: int, *, days: int) -> list[Use]:
    """Use one prompt at a steady pace, eight hours a day."""
    steps = range(OFFICE_HOURS * 60 // minutes + 1)
    name = f"every {minutes} minutes"
    return [
        Use(day * 86_400.0 + step * minutes * 60.0, name, ((name, PROMPT),))
        for day in range(days)
        for step in steps
    ]


def burst(rate: float, minutes: float, *, begin: float, chance: Random) -> list[float]:
    """Draw the times of questions about one document, the first one at its begin."""
    times, at = [], begin
    while at < begin + minutes * 60:
        times.append(at)
        at += chance.expovariate(rate / 60)
    return times
