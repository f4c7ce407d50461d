"""What a named cache cost over its life: creation, and the spans it was stored for.

Each thing that is learned of a cache is one statement: at this moment of the server's
clock its end was set to that one. Statements may arrive late and out of order, from
calls that ran at the same time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

from langchain_moonshot_cache.economics.bill import Bill, started_minutes

__all__ = ["CacheLife", "Span"]

_MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Span:
    """A time for which a cache was stored without interruption.

    Attributes:
        begin: Unix seconds of the server's clock.
        end: The same; a time to come if the cache is alive.
        set_at: When this end was set, by the same clock.
    """

    begin: int
    end: int
    set_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheLife:
    """The life of one cache, as far as it costs something.

    Attributes:
        account: Digest that stands for the account and the endpoint.
        cache_id: Its id on the server.
        prefix: Digest of its prefix.
        model: The family it was made for.
        tag: The tag under which it was made; empty for none.
        currency: The account's currency.
        tokens: Tokens that it holds; None if the server did not say.
        create: Price of creation per million tokens; None if no price is known.
        storage_minute: Price per million tokens and started minute, likewise.
        created_at: Unix seconds of the server's clock.
        spans: When it was stored, in order and without overlap.
        deleted_at: When it was deleted, None if it was not.
        void: Whether the server gave up building it, which is not charged.
        inferred: Whether a time in it was not reported, but taken from a clock, or
            from what a renewal would have led to whose answer was lost.
        asked: Seconds of a renewal that was sent and whose outcome was not told.
    """

    account: str
    cache_id: str
    prefix: str
    model: str
    tag: str
    currency: str
    tokens: int | None
    create: Decimal | None
    storage_minute: Decimal | None
    created_at: int
    spans: tuple[Span, ...]
    deleted_at: int | None = None
    void: bool = False
    inferred: bool = False
    asked: int | None = None

    def alive(self, now: float) -> bool:
        """Tell whether it goes on costing something at ``now`` (unix seconds)."""
        return not self.void and self.deleted_at is None and self.spans[-1].end > now

    def last_day(self) -> str:
        """Return the day in UTC on which it ends by what is known, as in ISO 8601."""
        return datetime.fromtimestamp(self.spans[-1].end, tz=UTC).date().isoformat()

    def moved(self, *, since: int, until: int, inferred: bool = False) -> CacheLife:
        """Note that at ``since`` the cache's end was set to ``until``.

        A cache that had ended by then came back: its storage is counted anew, and its
        creation is not.
        """
        if self.deleted_at is not None and since >= self.deleted_at:
            return self
        spans = _set(self.spans, since=since, until=until)
        inferred = self.inferred or inferred
        moved = replace(self, spans=spans, inferred=inferred, asked=None)
        return moved if self.deleted_at is None else moved.ended(at=self.deleted_at)

    def attempted(self, *, at: int, until: int) -> CacheLife:
        """Note that a renewal was sent at ``at``, and its outcome not told.

        An expired cache comes back by it, even if the call that brought it is refused;
        that is a documented rule, and is noted as inferred. Of one that was alive the
        server may tell more later.
        """
        if self.spans[-1].end <= at:
            return self.moved(since=at, until=until, inferred=True)
        return replace(self, asked=until - at, inferred=True)

    def confirmed(self, *, at: int, until: int) -> CacheLife:
        """Note that at ``at`` the server said that the cache ends at ``until``.

        Where that is not what was known, somebody else moved the end, or the answer to
        a renewal was lost. When that happened follows from the lifetime that was asked
        for, or from the last one that is known; it counts as inferred.
        """
        *before, last = self.spans
        if self.deleted_at is not None or until == last.end or at < last.set_at:
            return self
        if until > last.end:
            seconds = self.asked or last.end - last.set_at
            return self.moved(
                since=min(until - seconds, at), until=until, inferred=True
            )
        if at == last.set_at:
            return self  # within one second nothing tells which of them came first
        if before and until <= last.begin:
            return replace(self, spans=tuple(before), inferred=True, asked=None)
        last = replace(last, end=max(until, last.begin), set_at=at)
        return replace(self, spans=(*before, last), inferred=True, asked=None)

    def ended(self, *, at: int, inferred: bool = False) -> CacheLife:
        """Note that the cache was deleted at ``at``; its storage stops counting.

        With ``inferred`` it was found to be gone, and so never came back just now.
        """
        *before, last = self.spans
        if inferred and before and last.begin >= at:
            *before, last = before
        last = replace(last, end=max(min(last.end, at), last.begin))
        return replace(
            self,
            spans=(*before, last),
            deleted_at=at,
            inferred=self.inferred or inferred,
        )

    def voided(self) -> CacheLife:
        """Note that the server gave up building the cache."""
        return replace(self, void=True)

    def bill(self, *, now: float | None = None) -> Bill | None:
        """Price the life: up to ``now``, or up to its planned end.

        Returns:
            The bill; None if no price or size is known.
        """
        if self.void:
            return Bill(currency=self.currency)
        if self.tokens is None or self.create is None or self.storage_minute is None:
            return None
        minutes = sum(self._minutes(now))
        return Bill(
            currency=self.currency,
            creation=self.tokens * self.create / _MILLION,
            storage=self.tokens * minutes * self.storage_minute / _MILLION,
        )

    def _minutes(self, now: float | None) -> list[int]:
        ends = [span.end if now is None else min(span.end, now) for span in self.spans]
        return [
            started_minutes(end - span.begin)
            for span, end in zip(self.spans, ends, strict=True)
        ]


def _set(spans: tuple[Span, ...], *, since: int, until: int) -> tuple[Span, ...]:
    """Work a statement into the spans, wherever in time it belongs."""
    index = max((i for i, span in enumerate(spans) if span.begin <= since), default=0)
    span = spans[index]
    if since >= span.end:
        changed = [span, Span(begin=since, end=until, set_at=since)]
    elif since >= span.set_at:
        changed = [replace(span, end=until, set_at=since)]
    else:
        changed = [span]
    return _joined([*spans[:index], *changed, *spans[index + 1 :]])


def _joined(spans: list[Span]) -> tuple[Span, ...]:
    """Join spans that touch in more than a moment: a renewal looked like a return."""
    joined = spans[:1]
    for span in spans[1:]:
        last = joined[-1]
        if span.begin < last.end:
            later = max(last, span, key=lambda each: each.set_at)
            joined[-1] = Span(begin=last.begin, end=later.end, set_at=later.set_at)
        else:
            joined.append(span)
    return tuple(joined)
