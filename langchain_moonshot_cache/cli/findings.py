"""What a series of requests lost on the way, request by request."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.cli.printing import plain
from langchain_moonshot_cache.economics import TIERS, rereading_cost
from langchain_moonshot_cache.prefix.drift import compare, nearest
from langchain_moonshot_cache.protocol import DEFAULT_BASE_URL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_moonshot_cache.economics import PriceBook
    from langchain_moonshot_cache.prefix.drift import Drift, Request

__all__ = ["Finding", "Findings", "findings"]

_LOOK_BACK = 100
"""Requests among which the one is looked for that a request carries on. Conversations
that run side by side are fewer, and each comparison reads both requests."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One request compared with the one that it carries on.

    Attributes:
        request: Its number, from 1.
        earlier: The number of the other one.
        drift: Where and why they part; None if nothing moved.
        cost: What the lost tokens cost more than from a cache; None if no price is
            known.
    """

    request: int
    earlier: int
    drift: Drift | None
    cost: Decimal | None

    def to_dict(self, *, show_text: bool) -> dict[str, Any]:
        """Return it as JSON values; the prompt's text only if told."""
        drift = self.drift
        return {
            "request": self.request,
            "earlier": self.earlier,
            "drift": None if drift is None else drift.to_dict(show_text=show_text),
            "cost": None if self.cost is None else plain(self.cost),
        }


@dataclass(frozen=True, slots=True)
class Findings:
    """All comparisons of a series.

    Attributes:
        findings: One for each request but the first.
        currency: Of all costs.
    """

    findings: list[Finding]
    currency: str

    @property
    def lost_tokens(self) -> int:
        """Estimated tokens that a cache could have given, had nothing moved."""
        drifts = (finding.drift for finding in self.findings)
        return sum(map(_lost, drifts))

    @property
    def cost(self) -> Decimal:
        """What they cost, as far as prices are known."""
        costs = (finding.cost for finding in self.findings)
        return sum((cost for cost in costs if cost is not None), Decimal(0))

    @property
    def cost_unknown(self) -> int:
        """How many of the comparisons have a cost that is not known."""
        return sum(finding.cost is None for finding in self.findings)

    def to_dict(self, *, show_text: bool) -> dict[str, Any]:
        """Return them as JSON values; the prompts' texts only if told."""
        return {
            "findings": [each.to_dict(show_text=show_text) for each in self.findings],
            "lost_tokens": self.lost_tokens,
            "cost": plain(self.cost),
            "cost_unknown": self.cost_unknown,
            "currency": self.currency,
        }


def findings(
    requests: Sequence[Request], *, prices: PriceBook, currency: str | None
) -> Findings:
    """Compare each request with the earlier one that it most likely carries on.

    Args:
        requests: The oldest first.
        prices: What the lost tokens are priced by.
        currency: Whose prices to take; None for that of the environment's endpoint.
    """
    if currency is None:
        base_url = os.environ.get("MOONSHOT_API_BASE") or DEFAULT_BASE_URL
        currency = prices.currency(base_url)
    found = []
    for place in range(1, len(requests)):
        first = max(place - _LOOK_BACK, 0)
        chosen = first + (nearest(requests[first:place], requests[place]) or 0)
        before, after = requests[chosen], requests[place]
        drift = compare(before, after, lifetime=_kept_for(before))
        cost = _cost(_lost(drift), after, prices=prices, currency=currency)
        found.append(Finding(place + 1, chosen + 1, drift, cost))
    return Findings(found, currency)


def _kept_for(request: Request) -> float | None:
    """Return the seconds for which the provider keeps what a request left behind."""
    if not request.model.startswith("kimi-"):
        return None  # nobody else says so
    return TIERS["1h" if request.tier == "1h" else "5m"]


def _lost(drift: Drift | None) -> int:
    """Count the tokens that need not have been lost."""
    return drift.lost_tokens if drift is not None and drift.matters else 0


def _cost(
    tokens: int, request: Request, *, prices: PriceBook, currency: str
) -> Decimal | None:
    """Price tokens that are read anew, by the kind of caches that the model has."""
    if not tokens:
        return Decimal(0)
    model, today = request.model, datetime.now(tz=UTC).date()
    automatic = prices.automatic(model, currency=currency, on=today)
    named = prices.named(model, currency=currency, on=today)
    return rereading_cost(
        tokens,
        model=model,
        prices=prices,
        currency=currency,
        on=today,
        named=automatic is None and named is not None,
        tier=request.tier or "5m",
    )
