"""Whether a prefix is worth a cache, for how long, and of which lifetime."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from langchain_moonshot_cache.economics.rental import best_keep
from langchain_moonshot_cache.economics.tiers import hour_gains
from langchain_moonshot_cache.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from langchain_moonshot_cache.economics.gaps import Gaps
    from langchain_moonshot_cache.economics.rental import Rental
    from langchain_moonshot_cache.economics.tiers import TierPrice

__all__ = ["CachePolicy", "Decision", "Outlook", "Wish"]

_LEAST_TOKENS = 2048
"""A call that uses a named cache costs a fee of 0.02 yuan, which is what 1,667 input
tokens of the cheapest model cost: below that even a cache that is free to create and
to keep loses money. The next power of two leaves room for creating it."""

_ECONOMIC_TTL = 600
"""Where no price is known. Ten minutes of storage cost about twice what creating the
cache costs (50 against 24 yuan per million tokens); calls that come meanwhile prolong
it."""

_ALWAYS_TTL = 3600
"""The longest lifetime that the API grants, and its default."""

_MINUTE = 60
_MOST_MINUTES = _ALWAYS_TTL // _MINUTE
_NO_NUMBERS: Mapping[str, float] = MappingProxyType({})


class Wish(StrEnum):
    """How much the user asked for a cache."""

    NONE = "none"
    """Nobody did: it has to be earned first."""
    TRY = "try"
    """It is of the kind that caching is for: it may be tried on credit, while nothing
    is owed. So there is never more than one cache that is yet to be earned."""
    MARK = "mark"
    """The prefix is marked: its cache need not be earned, only be expected to pay."""
    SIZE = "size"
    """A least size was given: nothing else decides."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision, its reason in words, and the numbers behind it.

    Attributes:
        yes: What was decided.
        reason: Why, for people.
        seconds: The lifetime to ask for, where one was decided on.
        numbers: Money in the account's currency, times in seconds, shares from 0 to 1.
        charged: Money that an advisor set aside for it.
        enough: Seconds left from which a cache is not prolonged; infinite if that
            cannot be said.
    """

    yes: bool
    reason: str
    seconds: float | None = None
    numbers: Mapping[str, float] = field(default_factory=lambda: _NO_NUMBERS)
    charged: float = 0.0
    enough: float = math.inf

    @classmethod
    def unchanged(cls, remaining: float) -> Self:
        """Decide to leave a cache the seconds that it still has."""
        return cls(yes=False, reason=f"{remaining:.0f} s are left")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What is known when a decision is made about a named cache.

    Attributes:
        rental: What the cache costs and saves.
        gaps: The gaps to be expected between uses of the prefix.
        purse: Money that caching has earned so far and that may be spent on it.
        slack: Money by which keeping may depart from the break-even rule.
        wish: How much the user asked for it.
        margin: Seconds before its end from which a cache is used no more.
        instead: The cache of a shorter prefix that the call could use as well.
    """

    rental: Rental
    gaps: Gaps
    purse: float = 0.0
    slack: float = math.inf
    wish: Wish = Wish.NONE
    margin: float = 0.0
    instead: Rental | None = None

    @property
    def unlimited(self) -> bool:
        """Whether it need not be earned first."""
        if self.wish is Wish.TRY:
            return self.purse >= 0
        return self.wish in {Wish.MARK, Wish.SIZE}

    @property
    def saves_now(self) -> float:
        """What the call saves that has the cache created, beyond what it would."""
        otherwise = self.instead.saving if self.instead else 0.0
        return self.rental.saves_now - (otherwise if self.rental.at_once else 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePolicy:
    """Decides about caches.

    Without an :class:`Outlook`, which an
    :class:`~langchain_moonshot_cache.economics.Advisor` puts together from prices and
    observed gaps, sizes and fixed times decide alone.

    Raises:
        ConfigurationError: ``least_tokens`` or ``renew_below`` is out of range.

    Attributes:
        least_tokens: Prefixes with fewer tokens are not cached.
        ttl: Lifetime to ask for, in seconds, where the user set none; None to have it
            decided from prices and observed gaps.
        renew_below: With a fixed lifetime, a call renews it once the share of it that
            remains has fallen below this: 1 renews with every call, 0 never.
    """

    least_tokens: int = _LEAST_TOKENS
    ttl: int | None = None
    renew_below: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what is no size and no share, before a call is decided by it.

        Raises:
            ConfigurationError: A field is out of its range. The lifetime is checked
                where it is asked for.
        """
        if type(self.least_tokens) is not int or self.least_tokens < 0:
            raise ConfigurationError(
                f"least_tokens is {self.least_tokens!r}; it is a whole number of "
                "tokens, 0 for every prefix."
            )
        share = self.renew_below
        if not (isinstance(share, int | float) and 0 <= share <= 1):
            raise ConfigurationError(
                f"renew_below is {share!r}; it is a share of the lifetime, from 0 to 1."
            )

    @classmethod
    def economic(cls) -> Self:
        """Cache what pays, and spend on it only what caching has saved before.

        Where prices are known, all that calls and caches cost does not exceed what the
        calls would have cost without caches, at any time, whatever the calls to come: a
        cache is created if the call that has it created saves its cost at once, or out
        of what others saved. What the user asked for is exempt, see :class:`Wish`.
        """
        return cls()

    @classmethod
    def always(cls) -> Self:
        """Cache every prefix, for as long as the API grants, prolonged by each call."""
        return cls(least_tokens=0, ttl=_ALWAYS_TTL, renew_below=1.0)

    @property
    def lifetime(self) -> int:
        """The lifetime to ask for, in seconds, where nothing else is known."""
        return _ECONOMIC_TTL if self.ttl is None else self.ttl

    def create(
        self, *, tokens: int, outlook: Outlook | None = None, ttl: int | None = None
    ) -> Decision:
        """Decide whether a prefix of so many (estimated) tokens gets a cache.

        Args:
            tokens: Its size.
            outlook: Prices, gaps and means; None if no price is known.
            ttl: Lifetime in seconds that the user asked for.
        """
        if tokens < self.least_tokens:
            return Decision(
                yes=False,
                reason=f"the prefix has about {tokens} tokens; a cache pays from "
                f"{self.least_tokens}",
            )
        fixed = self.ttl if ttl is None else ttl
        if outlook is None or fixed is not None:
            return Decision(
                yes=True,
                reason=f"the prefix has about {tokens} tokens",
                seconds=self.lifetime if fixed is None else fixed,
            )
        return _worth(outlook, tokens=tokens)

    def renew(
        self,
        *,
        remaining: float,
        ttl: int | None = None,
        outlook: Outlook | None = None,
    ) -> Decision:
        """Decide whether a call prolongs the cache that it uses.

        Args:
            remaining: Seconds that the cache still has.
            ttl: Lifetime in seconds that the user asked for.
            outlook: Prices, gaps and means; None if no price is known.
        """
        fixed = self.ttl if ttl is None else ttl
        if outlook is not None and fixed is None:
            return _prolonged(outlook, remaining=remaining)
        ttl = self.lifetime if fixed is None else fixed
        if remaining > self.renew_below * ttl:
            return Decision.unchanged(remaining)
        return Decision(
            yes=True, reason=f"{remaining:.0f} s of {ttl} s were left", seconds=ttl
        )

    def hour(
        self,
        *,
        tokens: int,
        price: TierPrice,
        gaps: Gaps,
        purse: float,
        growth: float = 0.0,
    ) -> Decision:
        """Decide whether the provider is asked to keep a prompt for an hour.

        The hour has to be expected to gain what it costs once more: of many prefixes
        judged by a few pauses each, those that seem to gain a little mostly do not.

        Args:
            tokens: Length of the prompt.
            price: What the model's tokens cost.
            gaps: The gaps to be expected between its uses.
            purse: Money that caching has saved so far. One hour may be tried on
                credit, as nothing is ever saved where all gaps exceed five minutes.
            growth: Tokens that a use appends on average.
        """
        gain = hour_gains(gaps, price, tokens=tokens, growth=growth)
        extra = price.surcharge(tokens)
        numbers = {"expected_gain": gain, "surcharge": extra, "purse": purse}
        if tokens < self.least_tokens:
            reason = f"{tokens} tokens are too few to pay for an hour"
        elif gain < extra:
            reason = "5m suits the pauses seen so far"
        elif purse < 0:
            reason = f"an hour has to be earned first: {-purse:.4f} short"
        else:
            reason = f"1h is expected to save {gain:.4f} by the pauses seen so far"
            return Decision(yes=True, reason=reason, numbers=numbers)
        return Decision(yes=False, reason=reason, numbers=numbers)


def _worth(outlook: Outlook, *, tokens: int) -> Decision:
    """Decide by the prices whether to create a cache, and for how long."""
    rental = outlook.rental
    if rental.saving <= 0 and outlook.wish is not Wish.SIZE:
        return Decision(
            yes=False,
            reason=f"the fee of a call exceeds what {tokens} cached tokens save",
            numbers={"saving": rental.saving},
        )
    keep = best_keep(outlook.gaps, rental)
    gain = outlook.saves_now - rental.create + keep.value(rental)
    if outlook.instead is not None:
        gain -= best_keep(outlook.gaps, outlook.instead).value(outlook.instead)
    numbers = {
        "saving": rental.saving,
        "create": rental.create,
        "minute": rental.minute,
        "hits": keep.hits,
        "expected_gain": gain,
        "purse": outlook.purse,
    }
    if gain <= 0 and outlook.wish is not Wish.SIZE:
        reason = f"too few uses are expected: {-gain:.4f} would be lost"
        return Decision(yes=False, reason=reason, numbers=numbers)
    minutes = _minutes(outlook, keep=keep.seconds, remaining=0.0)
    afforded = _afforded(outlook, spent=rental.create, saved=outlook.saves_now)
    minutes = max(minutes, 1)
    if not outlook.unlimited:
        minutes = min(minutes, afforded)
    if minutes < 1:
        short = rental.create + rental.minute - outlook.saves_now - outlook.purse
        reason = f"caching has yet to earn it: {short:.4f} short; mark the prefix if "
        return Decision(
            yes=False, reason=f"{reason}it will be used again", numbers=numbers
        )
    return Decision(
        yes=True,
        reason=f"expected to save {gain:.4f} on about {tokens} tokens, kept for "
        f"{minutes} min",
        seconds=minutes * _MINUTE,
        numbers=numbers,
    )


def _prolonged(outlook: Outlook, *, remaining: float) -> Decision:
    """Decide by the prices how long a cache shall outlive the use that is made of it.

    Lifetimes are prolonged by whole minutes: a started one is paid for in any case.
    """
    keep = best_keep(outlook.gaps, outlook.rental)
    minutes = _minutes(outlook, keep=keep.seconds, remaining=remaining)
    if outlook.wish not in {Wish.MARK, Wish.SIZE}:
        saved = outlook.rental.saving
        minutes = min(minutes, _afforded(outlook, spent=0.0, saved=saved))
    numbers = {"keep": keep.seconds, "hits": keep.hits, "minute": outlook.rental.minute}
    enough = _wanted(outlook, keep=keep.seconds) if outlook.rental.rent else math.inf
    if minutes < 1:
        return replace(Decision.unchanged(remaining), numbers=numbers, enough=enough)
    return Decision(
        yes=True,
        reason=f"{remaining:.0f} s were left; {keep.hits:.0%} of the uses are expected "
        f"within {keep.seconds:.0f} s",
        seconds=remaining + minutes * _MINUTE,
        numbers=numbers,
        enough=enough,
    )


def _minutes(outlook: Outlook, *, keep: float, remaining: float) -> int:
    """Return by how many minutes to prolong what remains, within the slack.

    Where no whole number of minutes lies within it, the next higher one is taken: an
    optimum that lets go pays for started minutes, too.
    """
    rental = outlook.rental
    longest = _MOST_MINUTES - math.ceil(remaining / _MINUTE)
    if not rental.rent:
        return max(longest, 0)
    most = (rental.stake + outlook.slack) / rental.rent
    minutes = math.ceil((_wanted(outlook, keep=keep) - remaining) / _MINUTE)
    if most < math.inf:
        fewest = math.ceil((_least(outlook) - remaining) / _MINUTE)
        minutes = min(minutes, max(math.floor((most - remaining) / _MINUTE), fewest))
    return max(min(minutes, longest), 0)


def _wanted(outlook: Outlook, *, keep: float) -> float:
    """Return the seconds of life that a cache is to have after a use."""
    return max(keep + outlook.margin if keep else 0.0, _least(outlook))


def _least(outlook: Outlook) -> float:
    """Return the seconds of life below which the slack would be overdrawn."""
    rental = outlook.rental
    late = 2 * outlook.margin  # of what is paid for, the last seconds serve nobody
    return (rental.stake - outlook.slack) / rental.rent + late


def _afforded(outlook: Outlook, *, spent: float, saved: float) -> int:
    """Return how many minutes of storage are paid by what has been saved."""
    left = max(outlook.purse, 0.0) + saved - spent
    minute = outlook.rental.minute
    if left < minute:
        return 0
    return math.floor(left / minute) if minute else _MOST_MINUTES
