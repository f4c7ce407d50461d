"""What happens around a chat call, before and after it, in both colours."""

from __future__ import annotations

import time
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

from langchain_moonshot_cache.chat_models.advising import Advice, Advising, Wishes
from langchain_moonshot_cache.chat_models.answering import Foreseen
from langchain_moonshot_cache.chat_models.call import Call, Mechanism, Reference
from langchain_moonshot_cache.chat_models.marks import marks_of, tools_of
from langchain_moonshot_cache.chat_models.planning import Plan, Planner
from langchain_moonshot_cache.chat_models.rules import tier_for
from langchain_moonshot_cache.economics import Wish
from langchain_moonshot_cache.errors import ConfigurationError
from langchain_moonshot_cache.ledger import Renewal
from langchain_moonshot_cache.lifecycle import Bypassed, Ready
from langchain_moonshot_cache.manager.shared import WITHOUT
from langchain_moonshot_cache.protocol import server_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from langchain_core.messages import BaseMessage

    from langchain_moonshot_cache.chat_models.recall import Recall
    from langchain_moonshot_cache.economics import Bill, CachePolicy, Usage
    from langchain_moonshot_cache.lifecycle import Outlook
    from langchain_moonshot_cache.manager import (
        AsyncContextCacheManager,
        ContextCacheManager,
        Shared,
    )

__all__ = ["Caching"]

T = TypeVar("T")

_LEAST_WRITTEN = 256
"""Tokens. What is not longer, the provider's automatic cache does not take."""

_THERE = {"use", "wait"}
"""What is to be done about a cache that somebody else has paid for."""

_LEAST_TAIL = 1024
"""Tokens of a conversation beyond its cache from which a longer one is thought about: a
call with fewer saves less than a tenth of a yuan, and caches are not made for each."""
_MOST_LETTERS = 4
"""Letters of a token, in English; a Chinese token has fewer."""

_UNIX = 1_000_000_000
"""Numbers above are unix times, those below are seconds from now."""
_LONGEST = 11
"""Digits of a unix time that a date can be made of."""


_REASONS = {
    "prefix": "the provider caches prefixes by itself",
    "off": "caching is switched off",
}


class Caching:
    """Prepares and settles the calls of one chat model.

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
        self._origin: Caching | None = None

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
        return None if mechanism == "named" else Bypassed(_REASONS[mechanism])

    # Before the call ----------------------------------------------------------

    def before(
        self,
        messages: Sequence[BaseMessage],
        *,
        model: str,
        tools: Sequence[Mapping[str, Any]] | None,
    ) -> Call:
        """Decide what a call references. Never raises: it goes without, then."""
        try:
            call = self._planned(messages, model=model, tools=tools)
            longer = self._extended(call, messages, tools=tools or call.brought)
            if longer and longer.plan:
                ttl = self._lifetime(longer)
                outcome = self.sync.ensure(longer.plan.prefix, ttl=ttl)
                return self._either(longer, outcome, otherwise=call)
            if not call.plan or call.ready:
                return call
            seen = None
            if self.advising.look_is_due(call.plan.prefix, self._wishes(call.plan)):
                seen = self.sync.foresee(call.plan.prefix)
            call = self._weighed(call, seen=seen)
            if not call.plan:
                return call
            outcome = self.sync.ensure(call.plan.prefix, ttl=self._lifetime(call))
            return self._decided(call, outcome)
        except Exception as error:  # noqa: BLE001 - caching never fails a call
            broken = self._broken(model, error)
            return replace(broken, brought=None if tools else tools_of(messages))

    async def abefore(
        self,
        messages: Sequence[BaseMessage],
        *,
        model: str,
        tools: Sequence[Mapping[str, Any]] | None,
    ) -> Call:
        """Decide what a call references. Never raises: it goes without, then."""
        try:
            call = self._planned(messages, model=model, tools=tools)
            longer = self._extended(call, messages, tools=tools or call.brought)
            if longer and longer.plan:
                ttl = self._lifetime(longer)
                outcome = await self.aio.ensure(longer.plan.prefix, ttl=ttl)
                return self._either(longer, outcome, otherwise=call)
            if not call.plan or call.ready:
                return call
            seen = None
            if self.advising.look_is_due(call.plan.prefix, self._wishes(call.plan)):
                seen = await self.aio.foresee(call.plan.prefix)
            call = self._weighed(call, seen=seen)
            if not call.plan:
                return call
            outcome = await self.aio.ensure(call.plan.prefix, ttl=self._lifetime(call))
            return self._decided(call, outcome)
        except Exception as error:  # noqa: BLE001 - caching never fails a call
            broken = self._broken(model, error)
            return replace(broken, brought=None if tools else tools_of(messages))

    def foreseen(
        self,
        messages: Sequence[BaseMessage],
        *,
        model: str,
        tools: Sequence[Mapping[str, Any]] | None,
    ) -> Foreseen:
        """Decide about a call as far as that goes without asking anybody.

        Never raises: it would go without a cache, then.
        """
        try:
            call = self._planned(messages, model=model, tools=tools, trial=True)
            call = self._weighed(call, trial=True)
            refused = None
            if call.mechanism == "named" and not call.plan:
                tools = tools or call.brought
                offset = self.offset()
                plan = self.planner.plan(
                    messages, model=model, tools=tools, offset=offset
                )
                refused = None if isinstance(plan, Bypassed) else plan
        except Exception as error:  # noqa: BLE001 - caching never fails a call
            return Foreseen(call=self._broken(model, error))
        return Foreseen(
            call=call,
            refused=refused,
            least_tokens=self.policy.least_tokens,
            ttl=self._lifetime(call),
            now=self._now(),
        )

    def _planned(
        self,
        messages: Sequence[BaseMessage],
        *,
        model: str,
        tools: Sequence[Mapping[str, Any]] | None,
        trial: bool = False,
    ) -> Call:
        """Plan a call; it is complete unless it has a plan and no cache.

        Args:
            messages: Its messages.
            model: The model it goes to.
            tools: The tools it brings.
            trial: Whether only to say what would be decided.
        """
        call = Call(
            model=model,
            mechanism=self.mechanism(model),
            reason="",
            reference=self._reference,
            brought=None if tools else tools_of(messages),
        )
        if call.mechanism == "prefix":
            return self._automatic(
                call, messages, tools=tools or call.brought, trial=trial
            )
        if call.mechanism == "off":
            return replace(call, reason=_REASONS["off"])
        offset = self.offset()
        plan = self.planner.plan(
            messages, model=model, tools=tools or call.brought, offset=offset
        )
        if isinstance(plan, Bypassed):
            return replace(call, reason=plan.reason)
        wishes = self._wishes(plan, trial=trial)
        self.advising.used(plan.prefix.key, wishes, now=self._now())
        known = self.shared.known(plan.prefix.key, offset=offset)
        if known is not None:
            return self._decided(replace(call, plan=plan), known, trial=trial)
        return replace(call, plan=plan)

    def _extended(
        self,
        call: Call,
        messages: Sequence[BaseMessage],
        *,
        tools: Sequence[Mapping[str, Any]] | None,
    ) -> Call | None:
        """Decide whether to cache a conversation further than its beginning.

        Whoever marks a prefix says where it ends, and whoever fixes a lifetime leaves
        nothing to prices. Otherwise it is done where it pays: see the advisor.
        """
        wishes = Wishes(policy=self.policy, ttl=self._ttl)
        if call.mechanism != "named" or wishes.fixed or marks_of(messages):
            return None
        begun = call.plan.length if call.plan else 0
        tail = _at_least(messages[begun:-1])
        if tail < _LEAST_TAIL:
            return None
        known = call.plan.prefix.tokens if call.plan else 0
        entry = call.ready.entry if call.ready else None
        about = self.advising.extend(
            None, wishes, model=call.model, tokens=known + tail, instead=entry
        )
        if not about.yes:
            return None
        plan = self.planner.longest(messages, model=call.model, tools=tools)
        if isinstance(plan, Bypassed) or plan.length <= begun:
            return None
        key = call.plan.prefix.key if call.plan else None
        self.advising.used(plan.prefix.key, wishes, now=self._now(), like=key)
        worth = self.advising.extend(
            plan.prefix,
            wishes,
            model=call.model,
            tokens=plan.prefix.tokens,
            instead=entry,
        )
        if not worth.yes:
            return None
        return replace(call, plan=plan, worth=worth, ready=None, reset_ttl=None)

    def _either(
        self, longer: Call, outcome: Ready | Bypassed, *, otherwise: Call
    ) -> Call:
        """Use the longer cache if there is one by now, and else what there was."""
        decided = self._decided(longer, outcome)
        if decided.ready:
            return decided
        reason = "; ".join(filter(None, [otherwise.reason, decided.reason]))
        return replace(otherwise, reason=reason)

    def _weighed(
        self, call: Call, *, seen: Outlook | None = None, trial: bool = False
    ) -> Call:
        """Decide whether a planned call has its cache created; if not, it has no plan.

        Args:
            call: The call.
            seen: What the registry says of the cache, if it was asked.
            trial: Whether only to say what would be decided.
        """
        if call.plan is None or call.ready is not None:
            return call
        if seen is not None:
            self.shared.look(seen.entry)
            if seen.step in _THERE:
                return call
        wishes = self._wishes(call.plan, trial=trial)
        worth = self.advising.create(call.plan.prefix, wishes, model=call.model)
        if worth.yes:
            return replace(call, worth=worth)
        return replace(call, plan=None, reason=worth.reason)

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
        reason = "; ".join(filter(None, [_REASONS["prefix"], note]))
        return replace(
            call, tier=tier, reason=reason, habit=advice.key, worth=advice.worth
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

    def harmlessly(
        self, work: Callable[[], T], *, otherwise: T, what: str = WITHOUT
    ) -> T:
        """Do something for the sake of caching only; if it fails, go on without.

        Args:
            work: What to do.
            otherwise: What to go on with if it fails.
            what: What is then said in the log, before the reason.
        """
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - caching never fails a call
            self.shared.say_once(_out_of_order(error), what=what)
            return otherwise

    def _lifetime(self, call: Call) -> int:
        """Return the seconds that the cache of a call shall live."""
        asked = call.plan.ttl if call.plan else None
        decided = call.worth.seconds if call.worth else None
        return asked or self._ttl or int(decided or self.shared.ttl)

    def _decided(
        self, call: Call, outcome: Ready | Bypassed, *, trial: bool = False
    ) -> Call:
        if call.worth is not None:
            self.advising.made(call.worth, outcome)
        if isinstance(outcome, Bypassed):
            return replace(call, reason=outcome.reason, created=outcome.created)
        created = outcome.how == "created"
        if created and call.worth is not None and call.worth.charged:
            # How long to keep it has just been decided.
            reason = f"cache created; {call.worth.reason}"
            return replace(call, ready=outcome, created=True, reason=reason)
        assert call.plan is not None  # noqa: S101 - without it nothing was looked for
        renew = self.advising.keep(
            outcome.entry,
            self._wishes(call.plan, trial=trial),
            model=call.model,
            remaining=outcome.entry.expires_at - self._now(),
        )
        return replace(
            call,
            ready=outcome,
            created=created,
            reset_ttl=int(renew.seconds) if renew.yes and renew.seconds else None,
            reason=f"cache {outcome.how}; {'renewed' if renew.yes else 'kept'}, "
            f"{renew.reason}",
        )

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

    # After the call -----------------------------------------------------------

    def after(self, call: Call, headers: Mapping[str, str]) -> None:
        """Note what the answer says about the cache. Never raises."""
        if call.ready is None:
            return
        try:
            self.sync.used(call.ready)
            renewal = self._renewal(call, headers)
            if renewal is not None:
                self.sync.renewed(call.ready, expires_at=renewal)
        except Exception as error:  # noqa: BLE001 - the answer is there already
            self._broken(call.model, error)

    async def aafter(self, call: Call, headers: Mapping[str, str]) -> None:
        """Note what the answer says about the cache. Never raises."""
        if call.ready is None:
            return
        try:
            await self.aio.used(call.ready)
            renewal = self._renewal(call, headers)
            if renewal is not None:
                await self.aio.renewed(call.ready, expires_at=renewal)
        except Exception as error:  # noqa: BLE001 - the answer is there already
            self._broken(call.model, error)

    def refused(self, call: Call, headers: Mapping[str, str]) -> Call:
        """Forget a cache that the server does not know, and have it made anew.

        Args:
            call: The call that was refused.
            headers: Headers of the refusal.
        """
        full = call.in_full()
        try:
            if call.ready is None or call.plan is None:
                return full
            self.sync.refused(call.ready, attempt=self.attempt(call, headers))
            again = self._again(call, call.plan)
            if again.worth is None:
                return replace(full, reason=f"{full.reason}; {again.reason}")
            outcome = self.sync.ensure(
                call.plan.prefix, ttl=self._lifetime(again), wait=0
            )
            self.advising.made_late(again.worth, outcome)
            return replace(full, created=_was_created(outcome))
        except Exception as error:  # noqa: BLE001 - the answer is there already
            self._broken(call.model, error)
            return full

    async def arefused(self, call: Call, headers: Mapping[str, str]) -> Call:
        """Do what :meth:`refused` does, without blocking the event loop."""
        full = call.in_full()
        try:
            if call.ready is None or call.plan is None:
                return full
            await self.aio.refused(call.ready, attempt=self.attempt(call, headers))
            again = self._again(call, call.plan)
            if again.worth is None:
                return replace(full, reason=f"{full.reason}; {again.reason}")
            outcome = await self.aio.ensure(
                call.plan.prefix, ttl=self._lifetime(again), wait=0
            )
            self.advising.made_late(again.worth, outcome)
            return replace(full, created=_was_created(outcome))
        except Exception as error:  # noqa: BLE001 - the answer is there already
            self._broken(call.model, error)
            return full

    def _again(self, call: Call, plan: Plan) -> Call:
        """Decide whether to have a cache made anew that the server does not know."""
        wishes = self._wishes(plan)
        worth = self.advising.create(
            plan.prefix, wishes, model=call.model, at_once=False
        )
        return replace(call, worth=worth if worth.yes else None, reason=worth.reason)

    def settled(self, call: Call, bill: Bill | None, usage: Usage) -> None:
        """Note what an answered call saved. Never raises."""
        self.harmlessly(
            lambda: self.advising.settled(call, bill, usage), otherwise=None
        )

    def renewal(self, call: Call, headers: Mapping[str, str]) -> Renewal | None:
        """Describe for the ledger how an answered call moved the end of its cache."""
        if call.ready is None or call.reset_ttl is None:
            return None
        end, reported = self._told_end(call.reset_ttl, headers)
        return Renewal(
            account=self.shared.endpoint,
            cache_id=str(call.cache_id),
            since=int(end) - call.reset_ttl,
            until=int(end),
            inferred=not reported,
        )

    def attempt(self, call: Call, headers: Mapping[str, str]) -> Renewal | None:
        """Describe a renewal that was sent and whose outcome was not told.

        Args:
            call: The call that carried it.
            headers: Headers of its refusal; none where there was no answer.
        """
        if call.ready is None or call.reset_ttl is None:
            return None
        told = server_time(headers)
        at = int(time.time() + (self.offset() or 0.0) if told is None else told)
        return Renewal(
            account=self.shared.endpoint,
            cache_id=str(call.cache_id),
            since=at,
            until=at + call.reset_ttl,
            told=False,
        )

    def _renewal(self, call: Call, headers: Mapping[str, str]) -> float | None:
        """Return the cache's new end if it is worth noting."""
        if call.ready is None or call.reset_ttl is None:
            return None
        expires_at, _ = self._told_end(call.reset_ttl, headers)
        due = self.shared.telling_is_due(
            call.ready.entry, expires_at=expires_at, ttl=call.reset_ttl
        )
        return expires_at if due else None

    def _told_end(self, ttl: int, headers: Mapping[str, str]) -> tuple[float, bool]:
        """Return when a renewed cache ends, and whether the server said so."""
        now = time.time() + (self.offset() or 0.0)
        told = headers.get("msh-context-cache-token-exp") or headers.get(
            "msh-context-cache-token-ttl"
        )
        if told and told.isdecimal() and len(told) <= _LONGEST:
            at = int(told)
            return (float(at), True) if at > _UNIX else (now + at, False)
        return now + ttl, False


def _at_least(messages: Sequence[BaseMessage]) -> int:
    """Return how many tokens messages have at the least, at the cost of a glance."""
    texts = (message.content for message in messages)
    return sum(len(text) for text in texts if isinstance(text, str)) // _MOST_LETTERS


def _out_of_order(error: Exception) -> str:
    return f"caching is out of order: {type(error).__name__}"


def _was_created(outcome: Ready | Bypassed) -> bool:
    return outcome.created if isinstance(outcome, Bypassed) else True
