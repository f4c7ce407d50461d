"""Sums over calls: what a ledger adds up, and under which heads.

Every figure is a whole number, so adding is exact and its order does not matter. What
was not reported is counted as such and never as zero.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
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


@dataclass(slots=True)
class Sums:
    """Sums over calls.

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

    def values(self) -> tuple[int, ...]:
        """Return the figures in the order of :data:`COUNTERS`."""
        return tuple(getattr(self, name) for name in COUNTERS)

    def add(self, other: Sums) -> None:
        """Add other sums to these."""
        for name in COUNTERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))


COUNTERS = tuple(field.name for field in fields(Sums))
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
    reported = (usage.prompt, usage.output, usage.cached, usage.written)
    possible = all(figure is None or figure < _LARGEST for figure in reported)
    cost = uncached = 0
    if possible and bill is not None:
        cost, uncached = to_units(bill.total), to_units(bill.uncached)
    known = possible and bill is not None and max(cost, uncached) < _LARGEST
    prompt, output, cached, written = reported if possible else (None,) * 4
    return Sums(
        calls=1,
        prompt=prompt or 0,
        cached=cached or 0,
        written=written or 0,
        output=output or 0,
        cost=cost if known else 0,
        uncached=uncached if known else 0,
        usage_unknown=int(None in (prompt, output, cached)),
        cost_unknown=int(not known),
        inferred=int(known and inferred),
        contradictory=int(usage.contradictory or not possible),
        resent=int(resent),
    )
