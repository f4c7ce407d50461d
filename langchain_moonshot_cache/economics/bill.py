"""The bill of one call, of one cache's life, and of several together.

The formulas are those of the published price lists: a call costs its fee, the input
that no cache gave, what was read from and written to an automatic cache, and its
output; a cache costs its creation once and its storage by the started minute.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal
from typing import TYPE_CHECKING

from langchain_moonshot_cache.economics.prices import ChatPrice
from langchain_moonshot_cache.errors import MixedCurrenciesError

if TYPE_CHECKING:
    from typing import Self

    from langchain_moonshot_cache.economics.prices import AutomaticPrice, NamedPrice
    from langchain_moonshot_cache.economics.usage import Usage

__all__ = ["Bill", "cache_bill", "cache_cost", "call_bill", "started_minutes"]

_MILLION = Decimal(1_000_000)
_MINUTE = 60
_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """Amounts of one currency, by what they are for; bills can be added.

    Attributes:
        currency: Such as ``"CNY"``.
        fees: Fees per call for using a named cache.
        input: Input at the ordinary price.
        cache_read: Input that an automatic cache gave.
        cache_write: Input that was written to an automatic cache.
        output: Output.
        creation: Creating named caches.
        storage: Storing named caches.
        uncached: What the same calls would have cost without any cache.
    """

    currency: str
    fees: Decimal = _NOTHING
    input: Decimal = _NOTHING
    cache_read: Decimal = _NOTHING
    cache_write: Decimal = _NOTHING
    output: Decimal = _NOTHING
    creation: Decimal = _NOTHING
    storage: Decimal = _NOTHING
    uncached: Decimal = _NOTHING

    @property
    def total(self) -> Decimal:
        """All that is to be paid."""
        return (
            self.fees
            + self.input
            + self.cache_read
            + self.cache_write
            + self.output
            + self.creation
            + self.storage
        )

    @property
    def saved(self) -> Decimal:
        """What the caches saved; negative where they cost more than they saved."""
        return self.uncached - self.total

    @property
    def saved_share(self) -> Decimal | None:
        """The saving as a share of the cost without caches; None if that was zero."""
        return self.saved / self.uncached if self.uncached else None

    def __add__(self, other: Bill) -> Self:
        """Add another bill.

        Raises:
            MixedCurrenciesError: It is in another currency.
        """
        if self.currency != other.currency:
            raise MixedCurrenciesError(
                f"bills in {self.currency} and {other.currency} are not added: keep "
                "one sum for each currency."
            )
        amounts = {
            name: getattr(self, name) + getattr(other, name) for name in _AMOUNTS
        }
        return type(self)(currency=self.currency, **amounts)


_AMOUNTS = [field.name for field in fields(Bill) if field.name != "currency"]


def call_bill(
    usage: Usage,
    *,
    currency: str,
    chat: ChatPrice,
    named: NamedPrice | None = None,
    automatic: AutomaticPrice | None = None,
    tier: str = "5m",
    batch: bool = False,
) -> Bill | None:
    """Price one call from what the provider reported about it.

    With a named cache the price is the fee per call, the input that the cache did not
    give, and the output. With automatic caching, input that was read from the cache
    and input that was written to it have prices of their own.

    Args:
        usage: The reported tokens.
        currency: The currency of the prices.
        chat: Price of input and output.
        named: Price of the named cache if the call used one.
        automatic: Price of cached input if the provider caches by itself.
        tier: What written tokens count as where their tier was not reported.
        batch: Whether it went through the batch API, which has prices of its own and
            no caches.

    Returns:
        The bill, or None where a figure or a price that it needs is not known.
    """
    if usage.prompt is None or usage.output is None:
        return None
    if batch:
        if chat.batch_input is None or chat.batch_output is None:
            return None
        chat = ChatPrice(chat.batch_input, chat.batch_output)
        named = automatic = None
    output = usage.output * chat.output / _MILLION
    full = usage.prompt * chat.input / _MILLION
    if named is None and automatic is None:
        whole = full + output
        return Bill(currency=currency, input=full, output=output, uncached=whole)
    if usage.uncached is None or usage.cached is None:
        return None
    fees = read = write = _NOTHING
    plain = usage.uncached
    if named is not None:
        fees = named.call
    elif automatic is not None:
        read = usage.cached * automatic.cache_read / _MILLION
        billed, write = _writes(usage, automatic=automatic, tier=tier)
        plain -= billed
    return Bill(
        currency=currency,
        fees=fees,
        input=plain * chat.input / _MILLION,
        cache_read=read,
        cache_write=write,
        output=output,
        uncached=full + output,
    )


def _writes(
    usage: Usage, *, automatic: AutomaticPrice, tier: str
) -> tuple[int, Decimal]:
    """Return the tokens whose writing is billed, and what it costs, if it is."""
    five, hour = automatic.cache_write_5m, automatic.cache_write_1h
    if five is None or hour is None or not usage.written:
        return 0, _NOTHING
    at_hour = usage.written_1h
    if at_hour is None:
        # Only the other tier may be reported, or none: then the one asked for counts.
        rest = usage.written - (usage.written_5m or 0)
        at_hour = rest if tier == "1h" or usage.written_5m is not None else 0
    at_five = usage.written - at_hour
    return usage.written, (at_five * five + at_hour * hour) / _MILLION


def started_minutes(seconds: float) -> int:
    """Count the minutes of a life of some seconds: a started minute counts whole.

    Even a cache that is deleted at once is stored for one.
    """
    return max(-(-int(seconds) // _MINUTE), 1)


def cache_bill(
    tokens: int, *, seconds: float, price: NamedPrice, currency: str
) -> Bill:
    """Price a named cache: creation once, and storage by the started minute.

    Args:
        tokens: Tokens that the cache holds.
        seconds: How long it lived, without interruption.
        price: The prices of the day it was created.
        currency: The currency of the prices.
    """
    minutes = started_minutes(seconds)
    return Bill(
        currency=currency,
        creation=tokens * price.create / _MILLION,
        storage=tokens * minutes * price.storage_minute / _MILLION,
    )


def cache_cost(tokens: int, *, seconds: float, price: NamedPrice) -> Decimal:
    """Return the total of :func:`cache_bill`, in the currency of the price."""
    return cache_bill(tokens, seconds=seconds, price=price, currency="").total
