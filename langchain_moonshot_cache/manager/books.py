"""What each answer of the caching API means for the bill.

Times are the server's, as far as it told them: a cache begins when the server says that
it was created, and a renewal took effect its lifetime before the end that it led to.
What has to be taken from a clock instead is marked as inferred.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.economics import CacheLife, PriceBook, Span
from langchain_moonshot_cache.lifecycle.effects import (
    Create,
    Delete,
    Find,
    Poll,
    Renew,
    Seen,
)
from langchain_moonshot_cache.manager.options import LONGEST_TTL

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_moonshot_cache.ledger import Ledger, Renewal
    from langchain_moonshot_cache.lifecycle.effects import Effect

__all__ = ["Books"]

logger = logging.getLogger("langchain_moonshot_cache")


@dataclass(frozen=True, slots=True)
class Books:
    """Writes down what caches cost.

    Attributes:
        ledger: Where.
        prices: What they are priced by.
        currency: The account's currency.
        account: Stands for the account and its endpoint.
    """

    ledger: Ledger
    prices: PriceBook
    currency: str
    account: str

    def note(  # noqa: PLR0911 - a table, one line an effect
        self, effect: Effect[Any], outcome: Any, *, now: float
    ) -> Callable[[], None] | None:
        """Return what is to be written down about a request, if anything.

        Args:
            effect: The request.
            outcome: What it came to; None if there is no such cache.
            now: Unix seconds as the server counts them.
        """
        match effect, outcome:
            case Create(prefix, ttl), Seen() as seen:
                life = self._life(prefix.key, prefix.model, seen, ttl=ttl, now=now)
                return lambda: self._safely(self.ledger.made, life)
            case Find(key), Seen() as seen:
                model = seen.model or ""
                # The longest one stands in where no end was told.
                life = self._life(key, model, seen, ttl=LONGEST_TTL, now=now)
                return lambda: self._safely(self.ledger.made, life)
            case Renew(cache_id, ttl), Seen(expires_at=float() as until):
                return self._change(cache_id, _moved(int(until), ttl))
            case Poll(cache_id), Seen() as seen:
                return self._change(cache_id, _polled(seen, now=now))
            case ((Poll(cache_id) | Renew(cache_id)), None):
                return self._change(cache_id, _ended(now, inferred=True))
            case Delete(cache_id), bool() as there:
                return self._change(cache_id, _ended(now, inferred=not there))
        return None

    def refusal(self, attempt: Renewal | None) -> Callable[[], None] | None:
        """Return what is to be written down about a call that was refused.

        Args:
            attempt: The renewal that it carried, if it did.
        """
        if attempt is None:
            return None
        return self._change(attempt.cache_id, attempt.apply)

    def _change(
        self, cache_id: str, apply: Callable[[CacheLife], CacheLife]
    ) -> Callable[[], None]:
        return lambda: self._safely(self.ledger.changed, self.account, cache_id, apply)

    def _safely(self, write: Callable[..., None], *args: Any) -> None:
        """Write; what goes wrong is logged, for the cache is there in any case."""
        try:
            write(*args)
        except Exception:
            logger.exception("the ledger lacks something about a cache")

    def _life(
        self, key: str, model: str, seen: Seen, *, ttl: int, now: float
    ) -> CacheLife:
        created = int(now if seen.created_at is None else seen.created_at)
        ends = created + ttl if seen.expires_at is None else int(seen.expires_at)
        price = self.prices.named(
            model,
            currency=self.currency,
            on=datetime.fromtimestamp(created, tz=UTC).date(),
        )
        return CacheLife(
            account=self.account,
            cache_id=seen.cache_id,
            prefix=key,
            model=model,
            tag=self.ledger.tag(),
            currency=self.currency,
            tokens=seen.tokens,
            create=None if price is None else price.create,
            storage_minute=None if price is None else price.storage_minute,
            created_at=created,
            spans=(Span(begin=created, end=max(ends, created), set_at=created),),
            void=seen.status == "error",
            inferred=None in (seen.created_at, seen.expires_at),
        )


def _moved(until: int, ttl: int) -> Callable[[CacheLife], CacheLife]:
    return lambda life: life.moved(since=until - ttl, until=until)


def _ended(now: float, *, inferred: bool) -> Callable[[CacheLife], CacheLife]:
    return lambda life: life.ended(at=int(now), inferred=inferred)


def _polled(seen: Seen, *, now: float) -> Callable[[CacheLife], CacheLife]:
    def learn(life: CacheLife) -> CacheLife:
        if seen.status == "error":
            return life.voided()
        if life.tokens is None and seen.tokens is not None:
            life = replace(life, tokens=seen.tokens)
        if seen.expires_at is None:
            return life
        return life.confirmed(at=int(now), until=int(seen.expires_at))

    return learn
