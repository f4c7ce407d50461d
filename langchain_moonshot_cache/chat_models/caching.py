"""What happens around a chat call, before and after it, in both colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.chat_models.deciding import Deciding
from langchain_moonshot_cache.chat_models.marks import tools_of
from langchain_moonshot_cache.ledger import Renewal
from langchain_moonshot_cache.lifecycle import Bypassed, Ready
from langchain_moonshot_cache.protocol import server_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_core.messages import BaseMessage

    from langchain_moonshot_cache.chat_models.call import Call
    from langchain_moonshot_cache.chat_models.planning import Plan
    from langchain_moonshot_cache.economics import Bill, Usage

__all__ = ["Caching"]

_UNIX = 1_000_000_000
"""Numbers above are unix times, those below are seconds from now."""
_LONGEST = 11
"""Digits of a unix time that a date can be made of."""


class Caching(Deciding):
    """Prepares and settles the calls of one chat model."""

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
            return broken._replace(brought=None if tools else tools_of(messages))

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
            return broken._replace(brought=None if tools else tools_of(messages))

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
                return full._replace(reason=f"{full.reason}; {again.reason}")
            outcome = self.sync.ensure(
                call.plan.prefix, ttl=self._lifetime(again), wait=0
            )
            self.advising.made_late(again.worth, outcome)
            return full._replace(created=_was_created(outcome))
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
                return full._replace(reason=f"{full.reason}; {again.reason}")
            outcome = await self.aio.ensure(
                call.plan.prefix, ttl=self._lifetime(again), wait=0
            )
            self.advising.made_late(again.worth, outcome)
            return full._replace(created=_was_created(outcome))
        except Exception as error:  # noqa: BLE001 - the answer is there already
            self._broken(call.model, error)
            return full

    def _again(self, call: Call, plan: Plan) -> Call:
        """Decide whether to have a cache made anew that the server does not know."""
        wishes = self._wishes(plan)
        worth = self.advising.create(
            plan.prefix, wishes, model=call.model, at_once=False
        )
        return call._replace(worth=worth if worth.yes else None, reason=worth.reason)

    def settled(self, call: Call, bill: Bill | None, usage: Usage) -> None:
        """Note what an answered call saved. Never raises."""
        try:
            self.advising.settled(call, bill, usage)
        except Exception as error:  # noqa: BLE001 - the answer is there already
            self._broken(call.model, error)

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
        at = int(self._now() if told is None else told)
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
        now = self._now()
        told = headers.get("msh-context-cache-token-exp") or headers.get(
            "msh-context-cache-token-ttl"
        )
        if told and told.isdecimal() and len(told) <= _LONGEST:
            at = int(told)
            return (float(at), True) if at > _UNIX else (now + at, False)
        return now + ttl, False


def _was_created(outcome: Ready | Bypassed) -> bool:
    return outcome.created if isinstance(outcome, Bypassed) else True
