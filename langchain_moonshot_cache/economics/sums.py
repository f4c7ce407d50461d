"""Sums over calls: what a ledger adds up, and under which heads.

Every figure is a whole number, so adding is exact and its order does not matter. What
was not reported is counted as such and never as zero.
"""

from __future__ import annotations

from operator import add
from typing import TYPE_CHECKING, NamedTuple

from langchain_moonshot_cache.economics.money import to_units

if TYPE_CHECKING:
    from langchain_moonshot_cache.economics.bill import Bill
    from langchain_moonshot_cache.economics.usage import Usage

__all__ = ["COUNTERS", "Head", "Sums", "sums_of_call"]

_LARGEST = 2**53
"""Tokens or 1e-12 of money (9,007 of a currency) that one call can have. A figure above
is no report but a mistake, and would in the end overflow what databases add up in."""


class Head(NamedTuple):
    """What calls are added up by; an empty string is none.

    Attributes:
        day: The day in UTC, such as ``2026-11-30``.
        model: The model.
        prefix: Digest of the prefix, where the call had one of its own.
        tag: The user's tag.
        mechanism: ``named``, ``prefix`` or ``off``.
        outcome: What caching came to, or ``unanswered``.
        currency: The account's currency.
    """

    day: str
    model: str
    prefix: str
    tag: str
    mechanism: str
    outcome: str
    currency: str


class Sums(NamedTuple):
    """Sums over calls, or one call. A tuple, since one is made with every call.

    Attributes:
        calls: Calls.
        prompt: Input tokens, cached ones included.
        cached: Input tokens that a cache gave.
        written: Input tokens that were written to an automatic cache.
        output: Output tokens.
        cost: What the calls cost, in 1e-12 of the currency.
        uncached: What they would have cost without a cache, likewise.
        usage_unknown: Calls whose usage was not reported in full.
        cost_unknown: Calls whose cost is not known, and so is not in ``cost``.
        inferred: Calls in whose cost something was inferred.
        contradictory: Calls whose usage contradicted itself.
        resent: Calls that were sent again because a reference was refused.
    """

    calls: int = 0
    prompt: int = 0
    cached: int = 0
    written: int = 0
    output: int = 0
    cost: int = 0
    uncached: int = 0
    usage_unknown: int = 0
    cost_unknown: int = 0
    inferred: int = 0
    contradictory: int = 0
    resent: int = 0

    def plus(self, other: Sums) -> Sums:
        """Return these sums and others together."""
        return Sums._make(map(add, self, other))


COUNTERS = Sums._fields
"""The figures of :class:`Sums`, in order."""


def sums_of_call(
    usage: Usage, *, bill: Bill | None, inferred: bool = False, resent: bool = False
) -> Sums:
    """Turn one call into sums.

    Args:
        usage: What the provider reported.
        bill: What it cost; None where that is not known.
        inferred: Whether something in the bill was inferred.
        resent: Whether it was sent again in full.
    """
    prompt, output, cached, written = (
        usage.prompt,
        usage.output,
        usage.cached,
        usage.written,
    )
    possible = max(prompt or 0, output or 0, cached or 0, written or 0) < _LARGEST
    if not possible:
        prompt = output = cached = written = None
    cost = uncached = 0
    known = bill is not None and possible
    if bill is not None and possible:
        cost, uncached = to_units(bill.total), to_units(bill.uncached)
        known = max(cost, uncached) < _LARGEST
    return Sums(
        1,
        prompt or 0,
        cached or 0,
        written or 0,
        output or 0,
        cost if known else 0,
        uncached if known else 0,
        int(prompt is None or output is None or cached is None),
        int(not known),
        int(known and inferred),
        int(usage.contradictory or not possible),
        int(resent),
    )
