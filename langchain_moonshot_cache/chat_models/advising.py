"""Calls put before the account's advisor, at list prices."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from langchain_moonshot_cache.chat_models.capabilities import capabilities
from langchain_moonshot_cache.economics import (
    CachePolicy,
    Decision,
    Rental,
    TierPrice,
    Wish,
)
from langchain_moonshot_cache.lifecycle import Bypassed, Ready, Terms

if TYPE_CHECKING:
    from langchain_moonshot_cache.chat_models.call import Call
    from langchain_moonshot_cache.economics import Bill, Tier, Usage
    from langchain_moonshot_cache.lifecycle import Entry
    from langchain_moonshot_cache.manager import Shared
    from langchain_moonshot_cache.prefix import Prefix

__all__ = ["Advice", "Advising", "Wishes"]

_MARGIN = Terms().margin

_ON_ITS_WAY = 1
"""Seconds that a request may take until its renewal counts from then: an end that is a
second late is charged another minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the user said about the cache of a call.

    Attributes:
        policy: What decides.
        ttl: Lifetime in seconds that was asked for.
        wish: How much was asked for it.
        trial: Whether only to say what would be decided.
    """

    policy: CachePolicy
    ttl: int | None = None
    wish: Wish = Wish.TRY
    trial: bool = False

    @property
    def fixed(self) -> bool:
        """Whether the lifetime is given, and prices decide nothing."""
        return self.ttl is not None or self.policy.ttl is not None


class Advice(NamedTuple):
    """Which tier to ask for.

    Attributes:
        key: The prefix whose uses it was decided by; empty if none was.
        tier: The tier; None for the provider's default.
        worth: The decision, if one was made.
        note: What to say about it.
    """

    key: str = ""
    tier: Tier | None = None
    worth: Decision | None = None
    note: str = ""


class Advising:
    """Asks the advisor with what a call is known to cost.

    Args:
        shared: Has the advisor, the prices and their currency.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._advisor = shared.advisor
        # Every call asks, and prices are the same all day.
        self._rental = lru_cache(maxsize=256)(self._priced)
        self._tier = lru_cache(maxsize=64)(self._tier_price)

    def tier_price(self, model: str) -> TierPrice | None:
        """Return what a model bills by tier today, or None if it does not."""
        return self._tier(model, _today())

    def used(
        self, key: str, wishes: Wishes, *, now: float, like: str | None = None
    ) -> None:
        """Note that a prefix is used, unless its lifetime is given anyway.

        Args:
            key: The prefix.
            wishes: What the user said.
            now: The time, in unix seconds.
            like: A shorter prefix of the same conversation.
        """
        if not (wishes.fixed or wishes.trial):
            self._advisor.used(key, now=now, like=like)

    def look_is_due(self, prefix: Prefix, wishes: Wishes) -> bool:
        """Tell whether what others know of a prefix may change a decision."""
        small = prefix.tokens < wishes.policy.least_tokens
        if wishes.fixed or small:
            return False
        return self._advisor.look_is_due(prefix.key, now=time.monotonic())

    def create(
        self, prefix: Prefix, wishes: Wishes, *, model: str, at_once: bool = True
    ) -> Decision:
        """Decide whether a prefix gets a cache, and charge it if so.

        Args:
            prefix: The prefix, noted as used.
            wishes: What the user said.
            model: The model that will use it.
            at_once: Whether this call could still use it.
        """
        if wishes.fixed:
            return wishes.policy.create(tokens=prefix.tokens, ttl=wishes.ttl)
        waits = self._shared.wait > 0 and self._advisor.at_once
        return self._advisor.create(
            prefix.key,
            tokens=prefix.tokens,
            rental=self._rental(
                model, prefix.tokens, _today(), at_once=at_once and waits
            ),
            margin=_MARGIN,
            wish=wishes.wish,
            policy=wishes.policy,
            trial=wishes.trial,
        )

    def extend(
        self,
        prefix: Prefix | None,
        wishes: Wishes,
        *,
        model: str,
        tokens: int,
        instead: Entry | None,
    ) -> Decision:
        """Decide whether a conversation is cached further than it is, and charge it.

        Nobody asked for it, so it has to pay at once or out of what was saved.

        Args:
            prefix: What would be cached; None while only its size is known.
            wishes: What the user said.
            model: The model that will use it.
            tokens: Its size, at least.
            instead: The cache that there is of a shorter prefix.
        """
        now = self._shared.wait > 0 and self._advisor.at_once
        shorter = None
        if instead is not None and instead.tokens:
            shorter = self._rental(model, instead.tokens, _today(), at_once=now)
        key = prefix.key if prefix else instead.key if instead else ""
        return self._advisor.create(
            key,
            tokens=tokens,
            rental=self._rental(model, tokens, _today(), at_once=now),
            instead=shorter,
            margin=_MARGIN,
            wish=Wish.NONE,
            policy=wishes.policy,
            trial=wishes.trial or prefix is None,
        )

    def made(self, worth: Decision, outcome: Ready | Bypassed) -> None:
        """Note what came of a decision to create, while the call was waiting."""
        if _created(outcome):
            self._advisor.created(in_time=isinstance(outcome, Ready))
        else:
            self._advisor.spared(worth)

    def made_late(self, worth: Decision, outcome: Ready | Bypassed) -> None:
        """Note what came of a decision to create after the call."""
        if not _created(outcome):
            self._advisor.spared(worth)

    def keep(
        self, entry: Entry, wishes: Wishes, *, model: str, remaining: float
    ) -> Decision:
        """Decide whether a call prolongs the cache that it uses, and charge that.

        Args:
            entry: The cache.
            wishes: What the user said.
            model: The model that uses it.
            remaining: Seconds that it still has.
        """
        if wishes.fixed:
            return wishes.policy.renew(remaining=remaining, ttl=wishes.ttl)
        if not wishes.trial and self._advisor.stays(entry.key, remaining=remaining):
            return Decision.unchanged(remaining)
        rental = None
        if entry.tokens is not None:
            rental = self._rental(model, entry.tokens, _today(), at_once=True)
        decision = self._advisor.keep(
            entry.key,
            remaining=remaining,
            rental=rental,
            margin=_MARGIN,
            wish=wishes.wish,
            policy=wishes.policy,
            trial=wishes.trial,
        )
        if rental is None or decision.seconds is None:
            return decision
        return replace(decision, seconds=int(decision.seconds) - _ON_ITS_WAY)

    def tier(self, prefix: Prefix, wishes: Wishes, *, model: str, now: float) -> Advice:
        """Choose the tier that is worth asking for, and say why if it is the dearer.

        Args:
            prefix: The lasting beginning of the prompt.
            wishes: What the user said.
            model: The model that it is sent to.
            now: The time, in unix seconds.
        """
        price = self.tier_price(model)
        if price is None:
            return Advice()
        self.used(prefix.key, wishes, now=now)
        tier, worth = self._advisor.tier(
            prefix.key,
            tokens=prefix.tokens,
            price=price,
            policy=wishes.policy,
            trial=wishes.trial,
        )
        if tier == "5m":
            # The provider's default. What need not be said cannot be refused.
            return Advice(prefix.key, worth=worth)
        note = f"asked for {tier}" + (f": {worth.reason}" if worth else "")
        return Advice(prefix.key, tier=tier, worth=worth, note=note)

    def settled(self, call: Call, bill: Bill | None, usage: Usage) -> None:
        """Note what an answered call saved, if that was reported."""
        key = call.plan.prefix.key if call.plan else call.habit
        if not key or bill is None:
            return
        automatic = call.mechanism == "prefix"
        self._advisor.earned(
            key,
            float(bill.uncached - bill.total),
            decision=call.worth if automatic else None,
            written=usage.written if automatic else None,
            tier=_tier_got(usage) if automatic else None,
        )

    def _priced(
        self, model: str, tokens: int, day: date, *, at_once: bool
    ) -> Rental | None:
        prices, currency = self._shared.prices, self._shared.currency
        chat = prices.chat(model, currency=currency, on=day)
        named = prices.named(model, currency=currency, on=day)
        if chat is None or named is None:
            return None
        return Rental.of(tokens, chat=chat, named=named, at_once=at_once)

    def _tier_price(self, model: str, day: date) -> TierPrice | None:
        if not capabilities(model).cache_tiers:
            return None
        listed = self._shared.prices.automatic(
            model, currency=self._shared.currency, on=day
        )
        return TierPrice.of(listed) if listed else None


def _today() -> date:
    return datetime.now(tz=UTC).date()


def _created(outcome: Ready | Bypassed) -> bool:
    if isinstance(outcome, Bypassed):
        return outcome.created
    return outcome.how == "created"


def _tier_got(usage: Usage) -> Tier | None:
    if usage.written_1h:
        return "1h"
    return "5m" if usage.written_5m else None
