"""Running totals of what was reported."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from decimal import Decimal
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_moonshot_cache.economics.bill import CallCost
    from langchain_moonshot_cache.economics.usage import Usage

__all__ = ["Ledger", "Totals"]


@dataclass(frozen=True, slots=True)
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
    cost: dict[str, Decimal] = field(default_factory=dict)
    cost_uncached: dict[str, Decimal] = field(default_factory=dict)
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
            known = self._totals.get(model, Totals())
            unreported = None in {usage.prompt, usage.output, usage.cached}
            known = replace(
                known,
                calls=known.calls + 1,
                outcomes=known.outcomes + Counter([outcome]),
                prompt=known.prompt + (usage.prompt or 0),
                cached=known.cached + (usage.cached or 0),
                output=known.output + (usage.output or 0),
                usage_unknown=known.usage_unknown + unreported,
            )
            self._totals[model] = _with_cost(known, cost, currency)

    def totals(self) -> dict[str, Totals]:
        """Return the sums so far, by model."""
        with self._lock:
            return dict(self._totals)


def _with_cost(totals: Totals, cost: CallCost | None, currency: str) -> Totals:
    if cost is None:
        return replace(totals, cost_unknown=totals.cost_unknown + 1)
    zero = Decimal(0)
    return replace(
        totals,
        cost={
            **totals.cost,
            currency: totals.cost.get(currency, zero) + cost.cost,
        },
        cost_uncached={
            **totals.cost_uncached,
            currency: totals.cost_uncached.get(currency, zero) + cost.uncached,
        },
    )
