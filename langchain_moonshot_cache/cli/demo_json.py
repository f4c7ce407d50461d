"""The demo's figures as JSON. Amounts are decimal strings, as in answers' metadata."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_moonshot_cache.demo import Bill, Example, Lane, Report

__all__ = ["described"]


def described(report: Report) -> dict[str, Any]:
    """Write a report in JSON's types."""
    return {
        "engine": "scripted",
        "examples": [_example(one) for one in report.examples],
        "cost": _money(report.cost),
        "cost_uncached": _money(report.cost_uncached),
        "saved": _money(report.saved),
        "currency": report.document.cached.bill.currency,
    }


def _example(example: Example) -> dict[str, Any]:
    return {
        "title": example.title,
        "model": example.model,
        "questions": list(example.questions),
        "cached": _lane(example.cached),
        "plain": _lane(example.plain),
        "saved": _money(example.saved),
        "same_answers": example.same_answers,
        "metadata_agrees_with_bill": example.metadata_agrees,
    }


def _lane(lane: Lane) -> dict[str, Any]:
    return {
        "calls": [
            {
                name: _money(value) if isinstance(value, Decimal) else value
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
    amounts = {name: _money(amount) for name, amount in parts.items()}
    return {"currency": currency, **amounts, "total": _money(bill.total)}


def _money(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
