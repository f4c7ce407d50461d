"""What a ledger shows: rows under the heads that one asks for.

A row is always in one currency. Caches stand in the rows of the head that they fall
under: their family as model, ``named`` as mechanism and ``caches`` as outcome, with
the days on which they were created and each of their spans began.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.economics import Head, Sums, from_units
from langchain_moonshot_cache.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from langchain_moonshot_cache.economics import CacheLife

__all__ = ["HEADS", "Row", "day_of", "iso_day", "rows_of"]

HEADS = Head._fields[:-1]
"""What rows can be grouped by; the currency always is."""

_NOTHING = Decimal(0)
_SECONDS_A_DAY = 86_400
_FIRST = date(1970, 1, 1)
"""The day that unix times count from."""
_CACHES = "caches"
_NO_CALLS = Sums()


def day_of(seconds: float) -> str:
    """Return the day of a time in unix seconds, in UTC, as ``2026-11-30``."""
    return _day(int(seconds // _SECONDS_A_DAY))


def iso_day(day: date | str) -> str:
    """Write a day as ``2026-11-30``.

    Args:
        day: A date, or a text like that. A moment stands for its day in UTC, as days
            are counted here; one without a zone for the day that it names.

    Raises:
        ConfigurationError: It is no day.
    """
    if isinstance(day, datetime):
        day = (day if day.tzinfo is None else day.astimezone(UTC)).date()
    try:
        return (date.fromisoformat(day) if isinstance(day, str) else day).isoformat()
    except (AttributeError, ValueError):
        raise ConfigurationError(
            f"{day!r} is no day: give a date, or write it like '2026-11-30'."
        ) from None


@lru_cache
def _day(days: int) -> str:
    return (_FIRST + timedelta(days=days)).isoformat()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Sums under one combination of heads.

    A head that was not asked for is None; one that the calls did not have is an empty
    string.

    Attributes:
        currency: Currency of all amounts.
        day: The day in UTC, such as ``2026-11-30``.
        model: The model; for caches their family.
        prefix: Digest of the prefix, never its text.
        tag: The user's tag.
        mechanism: ``named``, ``prefix`` or ``off``.
        outcome: ``hit``, ``partial``, ``write``, ``miss``, ``bypassed``, ``unknown``;
            ``unanswered`` for calls whose answer did not arrive; ``caches`` for what
            named caches cost beside the calls.
        calls: How many calls.
        prompt: Input tokens, cached ones included.
        cached: Input tokens that a cache gave.
        written: Input tokens that were written to an automatic cache.
        output: Output tokens.
        cost: What the calls cost, as far as it is known.
        uncached: What the same calls would have cost without a cache.
        creation: What creating named caches cost.
        storage: What storing them has cost so far.
        storage_at_most: What it will have cost if those alive run to their end.
        caches: How many named caches.
        alive: How many of them still cost something.
        usage_unknown: Calls whose usage was not reported in full.
        cost_unknown: Calls whose cost is not known, and is in no amount.
        caches_unknown: Caches whose cost is not known, likewise.
        inferred: Calls and caches in whose cost something was inferred.
        contradictory: Calls whose usage contradicted itself.
        resent: Calls sent again because the server refused a reference.
    """

    currency: str
    day: str | None = None
    model: str | None = None
    prefix: str | None = None
    tag: str | None = None
    mechanism: str | None = None
    outcome: str | None = None
    calls: int = 0
    prompt: int = 0
    cached: int = 0
    written: int = 0
    output: int = 0
    cost: Decimal = _NOTHING
    uncached: Decimal = _NOTHING
    creation: Decimal = _NOTHING
    storage: Decimal = _NOTHING
    storage_at_most: Decimal = _NOTHING
    caches: int = 0
    alive: int = 0
    usage_unknown: int = 0
    cost_unknown: int = 0
    caches_unknown: int = 0
    inferred: int = 0
    contradictory: int = 0
    resent: int = 0

    @property
    def total(self) -> Decimal:
        """Calls and caches together, so far."""
        return self.cost + self.creation + self.storage

    @property
    def saved(self) -> Decimal:
        """What caching saved so far; negative where it cost more than it saved."""
        return self.uncached - self.total

    @property
    def complete(self) -> bool:
        """Whether every cost in it is known; if not, the amounts are a lower bound."""
        return not (self.cost_unknown or self.caches_unknown)


@dataclass(slots=True)
class _Account:
    """What falls under one combination of heads, while it is being added up."""

    sums: Sums = _NO_CALLS
    creation: Decimal = _NOTHING
    storage: Decimal = _NOTHING
    storage_at_most: Decimal = _NOTHING
    caches: set[tuple[str, str]] = field(default_factory=set)
    alive: set[tuple[str, str]] = field(default_factory=set)
    unknown: set[tuple[str, str]] = field(default_factory=set)
    inferred: set[tuple[str, str]] = field(default_factory=set)

    def add(self, sums: Sums) -> None:
        self.sums = self.sums.plus(sums)

    def row(self, heads: dict[str, Any]) -> Row:
        sums = self.sums
        return Row(
            **heads,
            calls=sums.calls,
            prompt=sums.prompt,
            cached=sums.cached,
            written=sums.written,
            output=sums.output,
            cost=from_units(sums.cost),
            uncached=from_units(sums.uncached),
            creation=self.creation,
            storage=self.storage,
            storage_at_most=self.storage_at_most,
            caches=len(self.caches),
            alive=len(self.alive),
            usage_unknown=sums.usage_unknown,
            cost_unknown=sums.cost_unknown,
            caches_unknown=len(self.unknown),
            inferred=sums.inferred + len(self.inferred),
            contradictory=sums.contradictory,
            resent=sums.resent,
        )


def rows_of(
    calls: Iterable[tuple[Head, Sums]],
    lives: Iterable[CacheLife],
    *,
    by: Sequence[str],
    now: float,
    since: str,
    until: str,
) -> list[Row]:
    """Group what a store holds.

    Args:
        calls: The sums of calls, of the days asked for.
        lives: The lives of caches.
        by: Some of :data:`HEADS`.
        now: Unix seconds up to which living caches have cost something.
        since: The first day.
        until: The last day.

    Returns:
        One row for each combination and currency, in their order.

    Raises:
        ConfigurationError: A name in ``by`` is no head.
    """
    if unknown := set(by) - set(HEADS):
        raise ConfigurationError(
            f"a ledger has no rows by {min(unknown)!r}: use some of {', '.join(HEADS)}."
        )
    accounts: dict[tuple[str, ...], _Account] = {}

    def account(head: Head) -> _Account:
        key = (*(getattr(head, name) for name in by), head.currency)
        return accounts.setdefault(key, _Account())

    for head, sums in calls:
        account(head).add(sums)
    for life in lives:
        for head, part in _parts(life):
            if since <= head.day <= until:
                _add_part(account(head), part, now=now)
    names = (*by, "currency")
    return [
        found.row(dict(zip(names, key, strict=True)))
        for key, found in sorted(accounts.items(), key=lambda item: item[0])
    ]


def _parts(life: CacheLife) -> list[tuple[Head, CacheLife]]:
    """Cut a life into what belongs to different days: one part for each span.

    The creation is charged with the first one.
    """
    free = None if life.create is None else _NOTHING
    return [
        (
            Head(
                day=day_of(span.begin),
                model=life.model,
                prefix=life.prefix,
                tag=life.tag,
                mechanism="named",
                outcome=_CACHES,
                currency=life.currency,
            ),
            replace(life, spans=(span,), create=life.create if first else free),
        )
        for first, span in ((i == 0, span) for i, span in enumerate(life.spans))
    ]


def _add_part(account: _Account, part: CacheLife, *, now: float) -> None:
    name = (part.account, part.cache_id)
    account.caches.add(name)
    if part.alive(now):
        account.alive.add(name)
    if part.inferred:
        account.inferred.add(name)
    so_far, at_most = part.bill(now=now), part.bill()
    if so_far is None or at_most is None:
        account.unknown.add(name)
        return
    account.creation += so_far.creation
    account.storage += so_far.storage
    account.storage_at_most += at_most.storage
