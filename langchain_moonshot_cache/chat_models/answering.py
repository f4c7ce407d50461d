"""From what is known about a call to its explanation. Plain functions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.chat_models.explanation import Explanation
from langchain_moonshot_cache.chat_models.recall import compared, difference, kept_for
from langchain_moonshot_cache.prefix.drift import BLOCK, Cause, Drift

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_moonshot_cache.chat_models.call import Call
    from langchain_moonshot_cache.chat_models.planning import Plan
    from langchain_moonshot_cache.chat_models.recall import Asked
    from langchain_moonshot_cache.lifecycle import Entry, Outlook
    from langchain_moonshot_cache.prefix import Prefix
    from langchain_moonshot_cache.prefix.drift import Request

__all__ = ["Foreseen", "Question", "answer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """What is decided about a call without asking anybody.

    Attributes:
        call: The call. It is undecided if it has a plan and no cache.
        refused: The prefix that the policy found not to be worth a cache.
        least_tokens: The policy's least size.
        ttl: Lifetime in seconds that a named cache would be asked to have.
        now: Unix seconds by the server's clock.
    """

    call: Call
    refused: Plan | None = None
    least_tokens: int = 0
    ttl: int = 0
    now: float = 0.0

    @property
    def plan(self) -> Plan | None:
        """The prefix, whether or not it gets a cache."""
        return self.call.plan or self.refused

    @property
    def undecided(self) -> Prefix | None:
        """The prefix whose cache the registry has to be asked for."""
        return self.call.plan.prefix if self.call.plan and not self.call.ready else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A call that somebody asks about.

    Attributes:
        foreseen: What is decided about it.
        asked: The call itself.
        earlier: Calls that it may carry on, oldest first.
        other: What it is to be compared with instead.
        outlook: What the registry says of its cache, if it was asked.
    """

    foreseen: Foreseen
    asked: Asked
    earlier: Sequence[Asked]
    other: Request | None = None
    outlook: Outlook | None = None


def answer(question: Question) -> Explanation:
    """Explain a call; what a drift costs is left to who knows the prices."""
    before, drift = _drift(question)
    told = replace(_decision(question), request=question.asked.request)
    if before is not None:
        age = question.asked.began - before.began
        told = replace(told, compared_with=age)
        if told.mechanism == "prefix" and before.lifetime is not None and not drift:
            told = replace(told, seconds_left=before.lifetime - age)
    if told.action == "use" or question.foreseen.call.grown:
        # Whatever moved: there is a cache of this one, too, or one of less of it.
        return told
    trouble = _own_trouble(question)
    if question.foreseen.refused:
        return replace(told, drift=trouble or drift)
    return replace(told, drift=drift or trouble)


def _decision(question: Question) -> Explanation:
    """Say what would be done, and with which prefix."""
    foreseen, outlook = question.foreseen, question.outlook
    call, request = foreseen.call, question.asked.request
    known: dict[str, Any] = {
        "model": call.model,
        "mechanism": call.mechanism,
        "reason": call.reason,
        "tier": call.tier,
        "action": {"prefix": "automatic", "off": "off"}.get(call.mechanism, "leave"),
    }
    if call.mechanism == "off" or (call.mechanism == "named" and not foreseen.plan):
        return Explanation(**known)
    known["prefix_messages"] = question.asked.length
    known["prefix_tools"] = len(request.tools)
    known["prefix_tokens"] = request.tokens
    if foreseen.plan and call.mechanism == "named":
        known["prefix_tokens"] = foreseen.plan.prefix.tokens
        known["ttl"] = foreseen.ttl
    if call.ready:
        known["action"] = "use"
        known |= _cache(call.ready.entry, now=foreseen.now)
    elif outlook:
        known["action"], known["reason"] = outlook.step, outlook.reason
        known |= _cache(outlook.entry, now=outlook.now)
    return Explanation(**known)


def _cache(entry: Entry | None, *, now: float) -> dict[str, Any]:
    if entry is None or entry.cache_id is None or entry.expires_at <= now:
        return {}
    return {
        "cache_id": entry.cache_id,
        "cache_tokens": entry.tokens,
        "seconds_left": entry.expires_at - now,
    }


def _drift(question: Question) -> tuple[Asked | None, Drift | None]:
    """Compare the call with the one that it carries on."""
    asked, foreseen = question.asked, question.foreseen
    call = foreseen.call
    if call.mechanism == "off" or (call.mechanism == "named" and not foreseen.plan):
        return None, None
    if question.other is not None:
        lifetime = kept_for(call)
        return None, difference(question.other, asked, lifetime=lifetime)
    return compared(asked, question.earlier) if question.earlier else (None, None)


def _own_trouble(question: Question) -> Drift | None:
    """Look for what keeps the call from a cache if it is nothing that moved."""
    foreseen, outlook = question.foreseen, question.outlook
    if foreseen.call.mechanism == "prefix":
        tokens, least = question.asked.request.tokens, BLOCK
        if tokens > least:
            return None
    elif foreseen.refused:
        tokens, least = foreseen.refused.prefix.tokens, foreseen.least_tokens
        if tokens >= least:
            return None
    else:
        return _expired(outlook)
    detail = f"about {tokens} tokens; caching begins at {least}"
    return Drift(cause=Cause.TOO_SHORT, detail=detail)


def _expired(outlook: Outlook | None) -> Drift | None:
    if outlook is None or outlook.step != "create" or outlook.expired_for is None:
        return None
    tokens = (outlook.entry.tokens if outlook.entry else None) or 0
    detail = f"it ended {outlook.expired_for:.0f} s ago"
    return Drift(cause=Cause.EXPIRED, detail=detail, lost_tokens=tokens)
