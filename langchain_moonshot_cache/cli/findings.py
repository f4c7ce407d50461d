"""What a series of requests lost on the way, request by request."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.cli.printing import plain
from langchain_moonshot_cache.economics import (
    PriceBook,
    currency_of,
    rereading_cost,
)
from langchain_moonshot_cache.prefix.drift import compare, nearest
from langchain_moonshot_cache.protocol import DEFAULT_BASE_URL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_moonshot_cache.prefix.drift import Drift, Request

__all__ = ["Finding", "Findings", "findings"]

_LOOK_BACK = 100
"""Requests among which the one is looked for that a request carries on. Conversations
that run side by side are fewer, and each comparison reads both requests."""

_MILLION = 1_000_000


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


def findings(requests: Sequence[Request], *, currency: str | None) -> Findings:
    """Compare each request with the earlier one that it most likely carries on.

    Args:
        requests: The oldest first.
        currency: Whose prices to take; None for that of the environment's endpoint.
    """
    if currency is None:
        base_url = os.environ.get("MOONSHOT_API_BASE") or DEFAULT_BASE_URL
        currency = currency_of(base_url)
    found = []
    for place in range(1, len(requests)):
        first = max(place - _LOOK_BACK, 0)
        earlier = requests[first:place]
        chosen = nearest(earlier, requests[place]) or 0
        drift = compare(earlier[chosen], requests[place])
        model = requests[place].model
        cost = _cost(_lost(drift), model=model, currency=currency)
        found.append(Finding(place + 1, first + chosen + 1, drift, cost))
    return Findings(found, currency)


def _lost(drift: Drift | None) -> int:
    """Count the tokens that need not have been lost."""
    return drift.lost_tokens if drift is not None and drift.matters else 0


def _cost(tokens: int, *, model: str, currency: str) -> Decimal | None:
    """Price tokens that are read anew. A named cache would give them for nothing."""
    if not tokens:
        return Decimal(0)
    prices, today = PriceBook.builtin(), datetime.now(tz=UTC).date()
    chat = prices.chat(model, currency=currency)
    automatic = prices.automatic(model, currency=currency)
    if chat is None:
        return None
    if automatic is not None:
        return rereading_cost(tokens, chat=chat, automatic=automatic)
    if prices.named(model, currency=currency, on=today) is None:
        return None
    return tokens * chat.input / _MILLION
