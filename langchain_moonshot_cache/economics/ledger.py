"""Running totals of what was reported."""

from __future__ import annotations

from collections import Counter, defaultdict
from copy import deepcopy
from dataclasses import dataclass, field
from decimal import Decimal
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_moonshot_cache.economics.bill import CallCost
    from langchain_moonshot_cache.economics.usage import Usage

__all__ = ["Ledger", "Totals"]


def _nothing() -> defaultdict[str, Decimal]:
    return defaultdict(Decimal)


@dataclass(slots=True)
class Totals:
    """Sums over calls; what was not reported is counted as such and not as zero.

    Attributes:
        calls: Calls that were answered.
        outcomes: Calls by outcome, such as ``hit`` or ``bypassed``.
        prompt: Input tokens, cached ones included.
        cached: Input tokens that a cache gave.
        output: Output tokens.
        usage_unknown: Calls whose usage was not reported in full.
        cost: Money by currency.
        cost_uncached: What the same calls would have cost without a cache.
        cost_unknown: Calls that no price was known for.
    """

    calls: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    prompt: int = 0
    cached: int = 0
    output: int = 0
    usage_unknown: int = 0
    cost: defaultdict[str, Decimal] = field(default_factory=_nothing)
    cost_uncached: defaultdict[str, Decimal] = field(default_factory=_nothing)
    cost_unknown: int = 0


class Ledger:
    """Adds up calls by model. Safe to share between threads, tasks and models."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._totals: dict[str, Totals] = {}

    def record(
        self,
        *,
        model: str,
        outcome: str,
        usage: Usage,
        cost: CallCost | None,
        currency: str,
    ) -> None:
        """Add one answered call.

        Args:
            model: The model that was called.
            outcome: What caching came to, see the answer's metadata.
            usage: The tokens that the provider reported.
            cost: The price of the call, None where it is not known.
            currency: Currency of ``cost``.
        """
        with self._lock:
            sums = self._totals.setdefault(model, Totals())
            sums.calls += 1
            sums.outcomes[outcome] += 1
            sums.prompt += usage.prompt or 0
            sums.cached += usage.cached or 0
            sums.output += usage.output or 0
            sums.usage_unknown += None in (usage.prompt, usage.output, usage.cached)
            if cost is None:
                sums.cost_unknown += 1
                return
            sums.cost[currency] += cost.cost
            sums.cost_uncached[currency] += cost.uncached

    def totals(self) -> dict[str, Totals]:
        """Return a copy of the sums so far, by model."""
        with self._lock:
            return deepcopy(self._totals)
