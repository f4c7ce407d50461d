"""What an answer says about its caching."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from langchain_moonshot_cache.economics import (
    Bill,
    PriceBook,
    Unpriced,
    Usage,
    call_bill,
)
from langchain_moonshot_cache.ledger import CallEntry

if TYPE_CHECKING:
    from datetime import date

    from langchain_moonshot_cache.chat_models.call import Call
    from langchain_moonshot_cache.economics import (
        AutomaticPrice,
        ChatPrice,
        NamedPrice,
    )
    from langchain_moonshot_cache.ledger import Renewal

__all__ = ["DRIFT", "METADATA", "Outcome", "Reporter"]

_DEFAULT_TIER = "5m"
"""What the provider writes for when nothing else is asked for."""

_OPEN_END = 272
"""Tokens at the end of a cache that a call need not match. An engine behind a gateway
holds whole blocks, of up to 256 tokens, and counts the opening of an answer that its
own run ended with."""

METADATA = "moonshot_cache"
"""Key in an answer's ``response_metadata``."""

DRIFT = "moonshot_drift"
"""Key beside it of what kept a call from a cache that was due, as ``Drift.to_dict``
gives it. Answers to other calls do not have it."""

_UNREPORTED = "the cost is not known, since the usage was not reported in full"

_NO_USAGE = Usage(prompt=None, output=None, cached=None, written=None)

Outcome = Literal["hit", "partial", "write", "miss", "bypassed", "unknown"]


class _Prices(NamedTuple):
    """What a model costs on a day, or why that is not known."""

    chat: ChatPrice | None
    named: NamedPrice | None
    automatic: AutomaticPrice | None
    unpriced: Unpriced | None


class Reporter:
    """Turns reported usage into the answer's metadata and a line of the ledger.

    Args:
        prices: List prices.
        currency: Currency of the account.
    """

    def __init__(self, *, prices: PriceBook, currency: str) -> None:
        # Every call asks for its prices, and they are the same all day.
        self._prices_on = lru_cache(self._look_up)
        self._book = prices
        self._currency = currency

    def report(
        self, call: Call, usage: Usage, *, renewal: Renewal | None = None
    ) -> tuple[dict[str, Any], CallEntry]:
        """Describe one answered call.

        Args:
            call: The call.
            usage: What the provider reported.
            renewal: How it moved the end of its cache, if it did.

        Returns:
            The value of ``response_metadata["moonshot_cache"]``, where what was not
            reported is None, and what the ledger is to be told.
        """
        outcome = _outcome(call, usage)
        prices = self._prices_on(call.model, datetime.now(tz=UTC).date())
        bill = self._bill(call, usage, prices)
        entry = CallEntry(
            model=call.model,
            outcome=outcome,
            usage=usage,
            bill=bill,
            currency=self._currency,
            mechanism=call.mechanism,
            prefix=call.plan.prefix.key if call.plan else "",
            inferred=bool(bill and bill.cache_write and not _tier_reported(usage)),
            resent=call.resent,
            renewal=renewal,
        )
        metadata = {
            "mechanism": call.mechanism,
            "outcome": outcome,
            "reason": _reason(call, usage, bill, prices),
            "cache_id": call.cache_id,
            "tokens_cached": usage.cached,
            "tokens_written": _written(call, usage),
            "cost": None if bill is None else _money(bill.total),
            "cost_uncached": None if bill is None else _money(bill.uncached),
            "currency": None if bill is None else self._currency,
        }
        return metadata, entry

    def unanswered(self, call: Call) -> CallEntry:
        """Describe a call that may have been charged and whose answer never came."""
        return CallEntry(
            model=call.model,
            outcome="unanswered",
            usage=_NO_USAGE,
            bill=None,
            currency=self._currency,
            mechanism=call.mechanism,
            prefix=call.plan.prefix.key if call.plan else "",
        )

    def _look_up(self, model: str, day: date) -> _Prices:
        book, currency = self._book, self._currency
        book.warn_when_stale(day)
        return _Prices(
            book.chat(model, currency=currency, on=day),
            book.named(model, currency=currency, on=day),
            book.automatic(model, currency=currency, on=day),
            book.unpriced(model, currency=currency, on=day),
        )

    def _bill(self, call: Call, usage: Usage, prices: _Prices) -> Bill | None:
        if prices.chat is None or (call.ready and usage.cached is None):
            # Whether the cache was used, and so the fee, was not reported.
            return None
        named = automatic = None
        if call.mechanism != "named":
            automatic = prices.automatic
        elif call.ready and usage.cached:
            named = prices.named
            if named is None:
                return None
        return call_bill(
            usage,
            currency=self._currency,
            chat=prices.chat,
            named=named,
            automatic=automatic,
            tier=call.tier or _DEFAULT_TIER,
        )


def _reason(call: Call, usage: Usage, bill: Bill | None, prices: _Prices) -> str:
    """Say all there is to say about a call."""
    unpriced = _unpriced(call, usage, prices) if bill is None else None
    parts = (call.reason, call.note, _tier_written(call, usage), unpriced)
    return "; ".join(filter(None, parts))


def _unpriced(call: Call, usage: Usage, prices: _Prices) -> str:
    """Say why the cost of a call is not known."""
    if prices.unpriced:
        return prices.unpriced
    used = call.mechanism == "named" and call.ready and usage.cached
    return Unpriced.CACHE if used and prices.named is None else _UNREPORTED


def _tier_written(call: Call, usage: Usage) -> str:
    """Say of written tokens whether their tier was reported or only asked for."""
    if not usage.written or call.mechanism == "named":
        return ""
    if _tier_reported(usage):
        tier = f"{'1h' if usage.written_1h else '5m'} (reported)"
    else:
        tier = f"{call.tier or _DEFAULT_TIER} (inferred)"
    return f"{usage.written} tokens written for {tier}"


def _tier_reported(usage: Usage) -> bool:
    return usage.written_5m is not None or usage.written_1h is not None


def _money(amount: Any) -> str:
    """Write money without exponent and without trailing zeros."""
    return f"{amount.normalize():f}"


def _written(call: Call, usage: Usage) -> int | None:
    if call.created and call.plan is not None:
        return call.ready.entry.tokens if call.ready else None
    return 0 if call.mechanism == "named" else usage.written


def _outcome(call: Call, usage: Usage) -> Outcome:
    """Name what caching came to, from what the provider reported."""
    if call.created:
        return "write"
    if call.mechanism == "named":
        return _outcome_of_reference(call, usage)
    if call.mechanism == "off" and not usage.cached:
        return "bypassed"
    if usage.cached is None:
        return "unknown"
    if usage.cached:
        return "hit"
    return "write" if usage.written else "miss"


def _outcome_of_reference(call: Call, usage: Usage) -> Outcome:
    if call.ready is None:
        return "bypassed"
    if usage.cached is None:
        return "unknown"
    if usage.cached == 0:
        return "miss"
    whole = call.ready.entry.tokens
    if whole is None or whole - usage.cached <= min(_OPEN_END, whole / 2):
        return "hit"
    return "partial"
