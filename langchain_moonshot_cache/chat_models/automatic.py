"""What is decided about prefixes that the provider caches by itself."""

from __future__ import annotations

import time
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

from langchain_moonshot_cache.chat_models.advising import Advice, Advising, Wishes
from langchain_moonshot_cache.chat_models.call import Call, Mechanism, Reference
from langchain_moonshot_cache.chat_models.marks import marks_of, tools_of
from langchain_moonshot_cache.chat_models.planning import Plan, Planner
from langchain_moonshot_cache.chat_models.rules import tier_for
from langchain_moonshot_cache.economics import Wish
from langchain_moonshot_cache.errors import ConfigurationError
from langchain_moonshot_cache.lifecycle import Bypassed
from langchain_moonshot_cache.manager.shared import WITHOUT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from langchain_core.messages import BaseMessage

    from langchain_moonshot_cache.chat_models.recall import Recall
    from langchain_moonshot_cache.economics import CachePolicy
    from langchain_moonshot_cache.manager import (
        AsyncContextCacheManager,
        ContextCacheManager,
        Shared,
    )

__all__ = ["REASONS", "Automatic"]

T = TypeVar("T")

_LEAST_WRITTEN = 256
"""Tokens. What is not longer, the provider's automatic cache does not take."""

REASONS = {
    "prefix": "the provider caches prefixes by itself",
    "off": "caching is switched off",
}
"""Why a call uses no named cache, by mechanism."""


class Automatic:
    """Knows the options of a chat model, and decides about automatic caching.

    Args:
        setting: The model's ``caching`` option.
        reference: The model's ``cache_reference`` option.
        ttl: The model's ``cache_ttl`` option in seconds.
        shared: What both managers know.
        sync: Manager for threads.
        aio: Manager for event loops.
        convert: Turns messages into their wire form.
        recall: Remembers the last calls.
    """

    def __init__(
        self,
        *,
        setting: str,
        reference: Reference,
        ttl: int | None,
        shared: Shared,
        sync: ContextCacheManager,
        aio: AsyncContextCacheManager,
        convert: Callable[[Sequence[BaseMessage]], list[dict[str, Any]]],
        recall: Recall,
    ) -> None:
        self._setting = setting
        self._reference = reference
        self._ttl = ttl
        self.shared = shared
        self.sync = sync
        self.aio = aio
        self.planner = Planner(shared, convert=convert)
        self.advising = Advising(shared)
        self.recall = recall
        self._least_tokens: int | None = None
        self._origin: Automatic | None = None

    def adjusted(self, *, ttl: int | None, least_tokens: int | None) -> Self:
        """Return the same with other wishes; caches and connections are shared.

        Args:
            ttl: Lifetime in seconds; None leaves it as it is.
            least_tokens: Prefixes with fewer tokens are left alone; None leaves the
                limit as it is.
        """
        other = copy(self)
        # The connections close with the first of these objects, so it has to stay.
        other._origin = self._origin or self  # noqa: SLF001 - of the same class
        if ttl is not None:
            other._ttl = ttl  # noqa: SLF001 - the same
        if least_tokens is not None:
            other._least_tokens = least_tokens  # noqa: SLF001 - the same
        return other

    @property
    def policy(self) -> CachePolicy:
        """What decides about caches here: the shared policy, least size aside."""
        policy = self.shared.policy
        if self._least_tokens is None:
            return policy
        return replace(policy, least_tokens=self._least_tokens)

    def mechanism(self, model: str) -> Mechanism:
        """Choose how the prefixes of a model's calls are cached."""
        if self._setting == "off":
            return "off"
        if self._setting in {"named", "prefix"}:
            return "named" if self._setting == "named" else "prefix"
        return "named" if model.startswith("moonshot-v1") else "prefix"

    def unnamed(self, model: str) -> Bypassed | None:
        """Say why a model's calls use no named caches; None if they do."""
        mechanism = self.mechanism(model)
        return None if mechanism == "named" else Bypassed(REASONS[mechanism])

    def _wishes(self, plan: Plan, *, trial: bool = False) -> Wishes:
        wish = Wish.MARK if plan.marked else Wish.TRY
        if self._least_tokens is not None:
            wish = Wish.SIZE
        return Wishes(
            policy=self.policy, ttl=plan.ttl or self._ttl, wish=wish, trial=trial
        )

    def _now(self) -> float:
        """Return the server's time, as far as it is known."""
        return time.time() + (self.offset() or 0.0)

    def _automatic(
        self,
        call: Call,
        messages: Sequence[BaseMessage],
        *,
        tools: Sequence[Mapping[str, Any]] | None,
        trial: bool,
    ) -> Call:
        """Choose the tier that the provider is asked for."""
        asked = [mark.ttl for mark in marks_of(messages) if mark.ttl is not None]
        advice = Advice()
        if asked:
            tier, note = tier_for(call.model, asked[-1])
        elif self._ttl is None:
            advice = self._advised(messages, call.model, tools=tools, trial=trial)
            tier, note = advice.tier, advice.note
        elif small := self._too_small(call, messages, tools=tools):
            tier, note = None, small
        else:
            tier, note = tier_for(call.model, self._ttl)
        reason = "; ".join(filter(None, [REASONS["prefix"], note]))
        return call._replace(
            tier=tier, reason=reason, habit=advice.key, worth=advice.worth
        )

    def _advised(
        self,
        messages: Sequence[BaseMessage],
        model: str,
        *,
        tools: Sequence[Mapping[str, Any]] | None,
        trial: bool,
    ) -> Advice:
        """Ask the policy for the tier, where the model bills by tier."""
        if self.advising.tier_price(model) is None or self.policy.ttl is not None:
            return Advice()
        plan = self.planner.plan(
            messages, model=model, tools=tools, offset=self.offset()
        )
        if isinstance(plan, Bypassed):
            return Advice()
        wishes = self._wishes(plan, trial=trial)
        return self.advising.tier(plan.prefix, wishes, model=model, now=self._now())

    def _too_small(
        self,
        call: Call,
        messages: Sequence[BaseMessage],
        *,
        tools: Sequence[Mapping[str, Any]] | None,
    ) -> str:
        """Say why the lifetime of so small a prefix is not worth a wish, or nothing."""
        if not self._least_tokens:
            return ""
        plan = self.planner.plan(
            messages, model=call.model, tools=tools, offset=self.offset()
        )
        tokens = 0 if isinstance(plan, Bypassed) else plan.prefix.tokens
        if tokens >= self._least_tokens:
            return ""
        return (
            f"its lifetime is asked for from {self._least_tokens} tokens, not {tokens}"
        )

    def automatic_key(
        self,
        messages: Sequence[BaseMessage],
        *,
        model: str,
        tools: Sequence[Mapping[str, Any]] | None,
    ) -> str | None:
        """Name the prefix that the provider caches by itself, if it is worth waiting.

        It is where reading it costs less than sending it anew, by the price lists of
        all ``kimi-*`` models, and where a cache of that size pays by the policy.
        """
        if self.mechanism(model) != "prefix" or not model.startswith("kimi-"):
            return None
        plan = self.planner.plan(
            messages,
            model=model,
            tools=tools or tools_of(messages),
            offset=self.offset(),
        )
        if isinstance(plan, Bypassed) or plan.prefix.tokens <= _LEAST_WRITTEN:
            return None
        worth = self.policy.create(tokens=plan.prefix.tokens)
        return plan.prefix.key if worth.yes else None

    def harmlessly(self, work: Callable[[], T], *, otherwise: T) -> T:
        """Do something for the sake of caching only; if it fails, go on without.

        Args:
            work: What to do.
            otherwise: What to go on with if it fails.
        """
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - caching never fails a call
            self.say_broken(error)
            return otherwise

    def say_broken(self, error: Exception, *, what: str = WITHOUT) -> None:
        """Log once that something for the sake of caching failed.

        Args:
            error: What was raised.
            what: What is said before the reason.
        """
        self.shared.say_once(_out_of_order(error), what=what)

    def _broken(self, model: str, error: Exception) -> Call:
        # Of all texts, only those of our own about options quote no prompt for sure.
        own = isinstance(error, ConfigurationError)
        reason = str(error) if own else _out_of_order(error)
        self.shared.say_once(reason)
        return Call(model=model, mechanism=self.mechanism(model), reason=reason)

    def offset(self) -> float | None:
        """Return the seconds that the server's clock is ahead, if that is known."""
        offset = self.sync.client.server_time_offset
        return self.aio.client.server_time_offset if offset is None else offset


def _out_of_order(error: Exception) -> str:
    return f"caching is out of order: {type(error).__name__}"
