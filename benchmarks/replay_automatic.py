"""Automatic caching in two lifetimes: the provider, the policy, and the optimum.

The provider's rules: five minutes or an hour are fixed when a prompt is first written,
every hit renews them, and what is appended is written for the same time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from langchain_moonshot_cache.economics import TIERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from traffic import Use

    from langchain_moonshot_cache.economics import Advisor, Tier, TierPrice

__all__ = ["Provider", "always", "best_tiers", "by_policy"]


class Served(NamedTuple):
    """What the input of a call cost, and how many tokens of it were written."""

    cost: float
    written: int


@dataclass
class Provider:
    """The automatic cache: which blocks live until when, and for how long at a time."""

    price: TierPrice
    blocks: dict[object, tuple[float, Tier]] = field(default_factory=dict)

    def serve(self, use: Use, *, asked: Tier) -> Served:
        """Serve a call."""
        tier, read = asked, 0
        for name, size in use.blocks:
            end, got = self.blocks.get(name, (-math.inf, asked))
            if end < use.at:
                break
            tier, read = got, read + size
        for name, _ in use.blocks:
            self.blocks[name] = (use.at + TIERS[tier], tier)
        price = self.price.long if tier == "1h" else self.price.short
        written = use.tokens - read
        return Served(read * self.price.read + written * price, written)


def always(uses: Iterable[Use], price: TierPrice, tier: Tier) -> float:
    """Return what it costs to ask for one lifetime always."""
    provider = Provider(price)
    return sum(provider.serve(use, asked=tier).cost for use in uses)


def by_policy(uses: Iterable[Use], price: TierPrice, advisor: Advisor) -> float:
    """Return what it costs to ask for what the policy advises."""
    provider, total = Provider(price), 0.0
    for use in uses:
        advisor.used(use.conversation, now=use.at)
        tier, decision = advisor.tier(use.conversation, tokens=use.tokens, price=price)
        served = provider.serve(use, asked=tier)
        advisor.earned(
            use.conversation,
            use.tokens * price.short - served.cost,
            decision=decision,
            written=served.written,
        )
        total += served.cost
    return total


def best_tiers(uses: Iterable[Use], price: TierPrice) -> float:
    """Return the least that automatic caching can cost, knowing all uses.

    A lifetime can be chosen only where nothing of a conversation lives any more, so the
    uses at which that may be the case are all the states there are.
    """
    conversations: dict[str, list[Use]] = {}
    for use in uses:
        conversations.setdefault(use.conversation, []).append(use)
    return sum(_best_of_one(calls, price) for calls in conversations.values())


def _best_of_one(calls: Sequence[Use], price: TierPrice) -> float:
    least = {0: 0.0}
    while (start := min(least)) < len(calls):
        base = least.pop(start)
        for tier, lifetime in TIERS.items():
            provider, cost, index = Provider(price), base, start
            while True:
                cost += provider.serve(calls[index], asked=tier).cost
                index += 1
                if index == len(calls):
                    break
                if calls[index].at - calls[index - 1].at > lifetime:
                    break
            least[index] = min(cost, least.get(index, math.inf))
    return least[len(calls)]
