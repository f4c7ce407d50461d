"""A call in LangSmith's terms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_moonshot_cache.ledger.entries import CallEntry

__all__ = ["langsmith_usage"]

_CURRENCY = "USD"
"""LangSmith knows no other: it shows every cost as dollars."""


def langsmith_usage(entry: CallEntry) -> dict[str, Any]:
    """Describe a call as LangSmith's ``usage_metadata``, its cost included.

    LangSmith takes it with ``run_tree.set(usage_metadata=...)``, or as the key
    ``usage_metadata`` of a run's metadata. (The keys are those of
    ``langsmith.schemas.ExtractedUsageMetadata``.)

    Args:
        entry: The call, as an observer of a ledger is given it.

    Returns:
        Tokens, and the cost as floats if it is known and in dollars. What was not
        reported has no key.
    """
    usage, bill = entry.usage, entry.bill
    found: dict[str, Any] = {}
    if usage.prompt is not None and usage.output is not None:
        found = {
            "input_tokens": usage.prompt,
            "output_tokens": usage.output,
            "total_tokens": usage.prompt + usage.output,
        }
    details = {"cache_read": usage.cached, "cache_creation": usage.written}
    known = {name: tokens for name, tokens in details.items() if tokens is not None}
    if found and known:
        found["input_token_details"] = known
    if bill is not None and bill.currency == _CURRENCY:
        found |= {
            "input_cost": float(bill.total - bill.output),
            "output_cost": float(bill.output),
            "total_cost": float(bill.total),
            "input_cost_details": {
                "cache_read": float(bill.cache_read),
                "cache_creation": float(bill.cache_write),
            },
        }
    return found
