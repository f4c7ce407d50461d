"""Named caches of conversations that grow: the policy, and the optimum."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, NamedTuple

from replay_named import MARGIN, stored
from traffic import BLOCK

from langchain_moonshot_cache.economics import Rental

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from traffic import Use

    from langchain_moonshot_cache.economics import Advisor, ChatPrice, NamedPrice

__all__ = ["Talk", "Tariff", "best_talked", "turns"]


class Turn(NamedTuple):
    """A call of a conversation: how much of its prompt is known, and how much new.

    Attributes:
        at: When.
        tokens: Its prompt.
        shared: Tokens that it begins with and that an earlier prompt began with.
        ahead: Tokens of it that the next prompt begins with.
    """

    at: float
    tokens: int
    shared: int
    ahead: int


def turns(uses: Iterable[Use]) -> Iterator[list[Turn]]:
    """Split a trace into conversations."""
    conversations: dict[str, list[Use]] = {}
    for use in uses:
        conversations.setdefault(use.conversation, []).append(use)
    for calls in conversations.values():
        shared = [0, *(_common(a, b) for a, b in pairwise(calls))]
        ahead = [*shared[1:], 0]
        yield [
            Turn(use.at, use.tokens, before, after)
            for use, before, after in zip(calls, shared, ahead, strict=True)
        ]


def _common(one: Use, other: Use) -> int:
    same = takewhile(
        lambda pair: pair[0] == pair[1], zip(one.blocks, other.blocks, strict=False)
    )
    return sum(block[1] for block, _ in same)


class Tariff(NamedTuple):
    """List prices of named caches, and which call is the first to use one."""

    chat: ChatPrice
    named: NamedPrice
    at_once: bool

    def rental(self, tokens: int) -> Rental:
        """Return what a cache of so many tokens costs and saves."""
        return Rental.of(tokens, chat=self.chat, named=self.named, at_once=self.at_once)

    def full(self, tokens: int) -> float:
        """Return what so many tokens cost without a cache."""
        return tokens * float(self.chat.input) / 1e6

    def boundary(self, turn: Turn) -> int:
        """Return where a cache would end that is created at a turn."""
        return turn.shared if self.at_once else turn.tokens // BLOCK * BLOCK


class Cache(NamedTuple):
    """A cache that grows no more."""

    tokens: int
    born: float


NOTHING = Cache(0, 0.0)


@dataclass
class Talk:
    """A conversation with the caches that the policy advises."""

    key: str
    tariff: Tariff
    advisor: Advisor
    cost: float = 0.0
    cache: Cache = NOTHING
    end: float = -math.inf

    def hear(self, turn: Turn) -> None:
        """Serve one call."""
        self.advisor.used(self.key, now=turn.at)
        self.cost += self.tariff.full(turn.tokens)
        if self.end - MARGIN <= turn.at or self.cache.tokens > turn.shared:
            self.settle()
        instead = None
        if self.cache.tokens:
            instead = self.tariff.rental(self.cache.tokens)
            self._save(instead.saving)
        if not self._extend(turn, instead) and instead:
            decision = self.advisor.keep(
                self.key, remaining=self.end - turn.at, rental=instead, margin=MARGIN
            )
            self.end = turn.at + decision.seconds if decision.seconds else self.end

    def settle(self) -> None:
        """Pay the storage of the cache, and be without."""
        if self.cache.tokens:
            minute = self.tariff.rental(self.cache.tokens).minute
            self.cost += stored(self.end - self.cache.born) * minute
        self.cache, self.end = NOTHING, -math.inf

    def _extend(self, turn: Turn, instead: Rental | None) -> bool:
        tokens = self.tariff.boundary(turn)
        if tokens <= self.cache.tokens:
            return False
        rental = self.tariff.rental(tokens)
        decision = self.advisor.create(
            self.key, tokens=tokens, rental=rental, instead=instead, margin=MARGIN
        )
        if not decision.seconds:
            return False
        self.advisor.created(in_time=self.tariff.at_once)
        self.settle()
        self.cost += rental.create
        if self.tariff.at_once:
            self._save(rental.saving - (instead.saving if instead else 0.0))
        self.cache, self.end = Cache(tokens, turn.at), turn.at + decision.seconds
        return True

    def _save(self, amount: float) -> None:
        self.cost -= amount
        self.advisor.earned(self.key, amount)


def best_talked(conversation: Sequence[Turn], tariff: Tariff) -> float:
    """Return the least that a conversation can cost, knowing all of it.

    One cache at a time, of what two neighbouring prompts share. It ends with its last
    use; storage is counted from use to use.
    """
    least: dict[Cache | None, float] = {None: 0.0}
    before = -math.inf
    for turn in conversation:
        after: dict[Cache | None, float] = {}
        full = tariff.full(turn.tokens)
        ahead = turn.shared if tariff.at_once else turn.ahead
        new = Cache(ahead, turn.at) if ahead else None
        for cache, cost in least.items():
            for choice, price in _choices(cache, turn, before, full, tariff=tariff):
                total = cost + price
                after[choice] = min(total, after.get(choice, math.inf))
                if new and not tariff.at_once:
                    made = total + _made(new, tariff)
                    after[new] = min(made, after.get(new, math.inf))
            if new and tariff.at_once:
                made = cost + full + _made(new, tariff)
                after[new] = min(made, after.get(new, math.inf))
        least, before = after, turn.at
    return min(least.values())


def _choices(
    cache: Cache | None, turn: Turn, before: float, full: float, *, tariff: Tariff
) -> Iterator[tuple[Cache | None, float]]:
    """Go without, or use the cache that there is and pay for having kept it."""
    yield None, full
    if cache is not None and cache.tokens <= turn.shared:
        minutes = stored(turn.at - cache.born) - stored(before - cache.born)
        rental = tariff.rental(cache.tokens)
        yield cache, full - rental.saving + minutes * rental.minute


def _made(cache: Cache, tariff: Tariff) -> float:
    rental = tariff.rental(cache.tokens)
    return rental.create - rental.saves_now + rental.minute
