"""The demo's figures as JSON. Amounts are decimal strings, as in answers' metadata."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.cli.printing import plain

if TYPE_CHECKING:
    from langchain_moonshot_cache.demo import Bill, Example, Lane, Report

__all__ = ["described"]


def described(report: Report) -> dict[str, Any]:
    """Write a report in JSON's types."""
    return {
        "engine": "scripted",
        "examples": [_example(one) for one in report.examples],
        "cost": plain(report.cost),
        "cost_uncached": plain(report.cost_uncached),
        "saved": plain(report.saved),
        "currency": report.document.cached.bill.currency,
    }


def _example(example: Example) -> dict[str, Any]:
    return {
        "title": example.title,
        "model": example.model,
        "questions": list(example.questions),
        "cached": _lane(example.cached),
        "plain": _lane(example.plain),
        "saved": plain(example.saved),
        "same_answers": example.same_answers,
        "metadata_agrees_with_bill": example.metadata_agrees,
    }


def _lane(lane: Lane) -> dict[str, Any]:
    return {
        "calls": [
            {
                name: plain(value) if isinstance(value, Decimal) else value
                for name, value in asdict(call).items()
            }
            for call in lane.calls
        ],
        "answers": list(lane.answers),
        "bytes_sent": lane.bytes_sent,
        "bill": _bill(lane.bill),
        "caches_created": lane.creates,
        "caches_left": lane.left,
    }


def _bill(bill: Bill) -> dict[str, str]:
    parts = asdict(bill)
    currency = parts.pop("currency")
    amounts = {name: plain(amount) for name, amount in parts.items()}
    return {"currency": currency, **amounts, "total": plain(bill.total)}
