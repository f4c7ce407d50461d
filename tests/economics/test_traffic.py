"""A trace that is none is refused by its line, and never replayed as something else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from traffic import TraceError, read_trace

if TYPE_CHECKING:
    from pathlib import Path

CALL = {"timestamp": 0, "input_length": 700, "output_length": 5, "hash_ids": [0, 1]}


def trace(path: Path, *calls: Any) -> Path:
    file = path / "trace.jsonl"
    file.write_text("".join(f"{json.dumps(call)}\n" for call in calls), "utf-8")
    return file


def test_calls_are_read_with_their_time_and_their_length(tmp_path: Path) -> None:
    one, two = read_trace(trace(tmp_path, CALL, {**CALL, "timestamp": 1500}))
    assert (one.at, two.at) == (0.0, 1.5)
    assert one.tokens == two.tokens == 700
    assert one.conversation == two.conversation


@pytest.mark.parametrize(
    "changed",
    [
        {"timestamp": "0"},
        {"timestamp": float("nan")},
        {"input_length": -5},
        {"input_length": 512},
        {"input_length": 1025},
        {"hash_ids": []},
        {"hash_ids": None},
    ],
)
def test_a_line_that_is_no_call_is_told_by_its_number(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    with pytest.raises(TraceError, match="line 2 is not a call"):
        read_trace(trace(tmp_path, CALL, {**CALL, **changed}))


def test_times_out_of_order_are_told_by_their_line(tmp_path: Path) -> None:
    late = {**CALL, "timestamp": 10}
    with pytest.raises(TraceError, match="line 2 is earlier"):
        read_trace(trace(tmp_path, late, CALL))


def test_a_trace_without_calls_is_none(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="has no calls"):
        read_trace(trace(tmp_path))
    with pytest.raises(TraceError, match="no trace at"):
        read_trace(tmp_path / "none.jsonl")
