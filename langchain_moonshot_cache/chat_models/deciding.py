"""What is decided about a chat call before anybody is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.chat_models.advising import Wishes
from langchain_moonshot_cache.chat_models.answering import Foreseen
from langchain_moonshot_cache.chat_models.automatic import REASONS, Automatic
from langchain_moonshot_cache.chat_models.call import Call
from langchain_moonshot_cache.chat_models.marks import marks_of, tools_of
from langchain_moonshot_cache.lifecycle import Bypassed, Ready

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_core.messages import BaseMessage

    from langchain_moonshot_cache.lifecycle import Outlook

__all__ = ["Deciding"]

_THERE = {"use", "wait"}
"""What is to be done about a cache that somebody else has paid for."""

_LEAST_TAIL = 1024
"""Tokens of a conversation beyond its cache from which a longer one is thought about: a
call with fewer saves less than a tenth of a yuan, and caches are not made for each."""

_MOST_LETTERS = 4
"""Letters of a token, in English; a Chinese token has fewer."""


class Deciding(Automatic):
    """Decides about the calls of one chat model."""

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
            call = self._extended(
                call, messages, tools=tools or call.brought, trial=True
            ) or self._weighed(call, trial=True)
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
            return call._replace(reason=REASONS["off"])
        offset = self.offset()
        plan = self.planner.plan(
            messages, model=model, tools=tools or call.brought, offset=offset
        )
        if isinstance(plan, Bypassed):
            return call._replace(reason=plan.reason)
        wishes = self._wishes(plan, trial=trial)
        self.advising.used(plan.prefix.key, wishes, now=self._now())
        known = self.shared.known(plan.prefix.key, offset=offset)
        if known is not None:
            return self._decided(call._replace(plan=plan), known, wishes=wishes)
        return call._replace(plan=plan)

    def _extended(
        self,
        call: Call,
        messages: Sequence[BaseMessage],
        *,
        tools: Sequence[Mapping[str, Any]] | None,
        trial: bool = False,
    ) -> Call | None:
        """Decide whether to cache a conversation further than its beginning.

        Whoever marks a prefix says where it ends, and whoever fixes a lifetime leaves
        nothing to prices. Otherwise it is done where it pays: see the advisor.
        """
        begun = call.plan.length if call.plan else 0
        if call.mechanism != "named" or begun >= len(messages) - 1:
            return None
        tail = _at_least(messages[begun:-1])
        wishes = Wishes(policy=self.policy, ttl=self._ttl, trial=trial)
        if tail < _LEAST_TAIL or wishes.fixed or marks_of(messages):
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
        return call._replace(
            plan=plan, worth=worth, ready=None, reset_ttl=None, grown=True
        )

    def _either(
        self, longer: Call, outcome: Ready | Bypassed, *, otherwise: Call
    ) -> Call:
        """Use the longer cache if there is one by now, and else what there was."""
        decided = self._decided(longer, outcome)
        if decided.ready:
            return decided
        reason = "; ".join(filter(None, [otherwise.reason, decided.reason]))
        return otherwise._replace(reason=reason)

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
            return call._replace(worth=worth)
        return call._replace(plan=None, reason=worth.reason)

    def _lifetime(self, call: Call) -> int:
        """Return the seconds that the cache of a call shall live."""
        asked = call.plan.ttl if call.plan else None
        decided = call.worth.seconds if call.worth else None
        return asked or self._ttl or int(decided or self.shared.ttl)

    def _decided(
        self, call: Call, outcome: Ready | Bypassed, *, wishes: Wishes | None = None
    ) -> Call:
        if call.worth is not None:
            self.advising.made(call.worth, outcome)
        if isinstance(outcome, Bypassed):
            return call._replace(reason=outcome.reason, created=outcome.created)
        created = outcome.how == "created"
        if created and call.worth is not None and call.worth.charged:
            # How long to keep it has just been decided.
            reason = f"cache created; {call.worth.reason}"
            return call._replace(ready=outcome, created=True, reason=reason)
        assert call.plan is not None  # noqa: S101 - without it nothing was looked for
        renew = self.advising.keep(
            outcome.entry,
            wishes or self._wishes(call.plan),
            model=call.model,
            remaining=outcome.entry.expires_at - self._now(),
        )
        return call._replace(
            ready=outcome,
            created=created,
            reset_ttl=int(renew.seconds) if renew.yes and renew.seconds else None,
            reason=f"cache {outcome.how}; {'renewed' if renew.yes else 'kept'}, "
            f"{renew.reason}",
        )


def _at_least(messages: Sequence[BaseMessage]) -> int:
    """Return how many tokens messages have at the least, at the cost of a glance."""
    texts = (message.content for message in messages)
    return sum(len(text) for text in texts if isinstance(text, str)) // _MOST_LETTERS
