"""Keep a cache or let it go, beside everything that could have been done."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from datetime import date
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from replay_named import Advised, best_kept, kept, stored

from langchain_moonshot_cache.economics import (
    Advisor,
    CachePolicy,
    Decision,
    Outlook,
    PriceBook,
    Rental,
    Wish,
)
from langchain_moonshot_cache.economics.gaps import UNKNOWN, Gaps
from langchain_moonshot_cache.economics.rental import best_keep

if TYPE_CHECKING:
    from collections.abc import Iterator

BOOK = PriceBook.builtin()
DAY = date(2026, 1, 1)
SIZES = ("moonshot-v1-8k", "moonshot-v1-32k", "moonshot-v1-128k")
TOKENS = 64_000
PENNY = 1e-9


def prices(
    tokens: int, *, model: str, currency: str = "CNY", at_once: bool = True
) -> tuple[float, Rental]:
    chat = BOOK.chat(model, currency=currency)
    named = BOOK.named(model, currency=currency, on=DAY)
    assert chat
    assert named
    rental = Rental.of(tokens, chat=chat, named=named, at_once=at_once)
    return tokens * float(chat.input) / 1e6, rental


LARGE = prices(TOKENS, model="moonshot-v1-128k")
SLOW = prices(TOKENS, model="moonshot-v1-128k", at_once=False)


def advised(rental: Rental, *, tokens: int = TOKENS) -> Advised:
    advisor = Advisor(CachePolicy.economic())
    return Advised(advisor, "prefix", rental, tokens)


def everything(times: list[float], full: float, rental: Rental) -> float:
    """Try all ways of creating, keeping and doing without; return the least cost."""
    least = math.inf
    for doings in itertools.product(["new", "keep", "without"], repeat=len(times)):
        cost, born, last = 0.0, -1.0, -1.0
        for at, doing in zip(times, doings, strict=True):
            if doing == "keep":
                if born < 0:
                    break
                cost += full - rental.saving
                last = at
                continue
            if born >= 0:
                cost += stored(last - born) * rental.minute
            born = last = at if doing == "new" else -1.0
            cost += full
            if doing == "new":
                cost += rental.create - rental.saves_now
        else:
            if born >= 0:
                cost += stored(last - born) * rental.minute
            least = min(least, cost)
    return least


@settings(max_examples=150)
@given(
    st.lists(st.integers(0, 1500), min_size=1, max_size=6),
    st.sampled_from(SIZES),
    st.booleans(),
)
def test_the_optimum_is_what_trying_everything_finds(
    gaps: list[int],
    model: str,
    at_once: bool,  # noqa: FBT001 - drawn by hypothesis
) -> None:
    times = [float(at) for at in itertools.accumulate(gaps)]
    full, rental = prices(TOKENS, model=model, at_once=at_once)
    found = best_kept(times, full, rental)
    assert found == pytest.approx(everything(times, full, rental))


PACES = st.sampled_from(
    [0.0, 1.0, 30.0, 59.0, 61.0, 200.0, 228.0, 289.0, 350.0, 4000.0]
)


def at_worst(times: list[float], *, margin: float) -> tuple[float, float]:
    """Return what the policy costs, and what it may."""
    full, rental = LARGE
    keeper = advised(rental)._replace(margin=margin)
    cost = kept(times, full, rental, keeper, margin=margin)
    return cost, 2 * best_kept(times, full, rental) + rental.minute + PENNY


@settings(max_examples=400, deadline=None)
@given(st.lists(PACES, min_size=1, max_size=60))
def test_the_worst_traffic_costs_twice_the_optimum_and_a_started_minute(
    gaps: list[float],
) -> None:
    cost, bound = at_worst(list(itertools.accumulate(gaps)), margin=0.0)
    assert cost <= bound


@settings(max_examples=400, deadline=None)
@given(st.lists(PACES, min_size=1, max_size=60))
def test_seconds_in_which_a_cache_is_not_trusted_cost_no_more_than_themselves(
    gaps: list[float],
) -> None:
    cost, bound = at_worst(list(itertools.accumulate(gaps)), margin=10.0)
    assert cost <= bound + 2 * len(gaps) * 10.0 * LARGE[1].rent


class Adversary:
    """Comes back whenever that hurts most: just after the cache has gone."""

    def __init__(self, keeper: Advised) -> None:
        self.keeper = keeper
        self.times = [0.0]
        self.end = keeper.miss(0.0) or 0.0

    def strike(self) -> None:
        at = max(self.end, self.times[-1]) + 1.0
        self.times.append(at)
        self.end = at + (self.keeper.miss(at) or 0.0)


@pytest.mark.parametrize("strikes", [0, 1, 5, 50, 500])
def test_who_comes_back_just_too_late_gains_no_more_than_the_bound(
    strikes: int,
) -> None:
    adversary = Adversary(advised(LARGE[1])._replace(margin=0.0))
    for _ in range(strikes):
        adversary.strike()
    cost, bound = at_worst(adversary.times, margin=0.0)
    assert cost <= bound


@pytest.mark.parametrize("gap", [5, 50, 110, 200, 280, 310, 330, 400, 900, 2400])
def test_regular_traffic_comes_near_the_optimum(gap: int) -> None:
    times = [float(at) for at in range(0, 200 * gap, gap)]
    full, rental = LARGE
    cost = kept(times, full, rental, advised(rental))
    assert cost <= 1.25 * best_kept(times, full, rental)


def drawn(chance: Random) -> tuple[list[float], int, str, str]:
    """Draw any traffic, size, model and currency."""
    mean = chance.choice([0.1, 30, 300, 3000])
    gaps = [chance.expovariate(1 / mean) for _ in range(chance.randint(1, 10))]
    odd = [gap * chance.choice([0, 1, 1, 1, 20]) for gap in gaps]
    size, currency = chance.choice(SIZES), chance.choice(["CNY", "USD"])
    return list(itertools.accumulate(odd)), chance.randint(1, 128_000), size, currency


def test_economic_is_never_dearer_than_not_caching_in_10_000_patterns() -> None:
    chance = Random(20_261_122)  # noqa: S311 - the same draws in every run
    dearer, saved = [], 0
    for number in range(10_000):
        times, tokens, model, currency = drawn(chance)
        full, rental = prices(tokens, model=model, currency=currency)
        cost = kept(times, full, rental, advised(rental, tokens=tokens))
        never = full * len(times)
        saved += cost < 0.9 * never
        if cost > never * (1 + PENNY):
            dearer.append(number)
    assert not dearer
    assert saved > 1000


MIXTURES = st.lists(
    st.tuples(st.sampled_from("abc"), PACES, st.sampled_from(SIZES)), max_size=60
)


def balances(
    uses: list[tuple[str, float, str]], *, at_once: bool, wish: Wish
) -> Iterator[tuple[float, float, float]]:
    """Give after each use what was paid so far, and what it would have been without.

    The third figure is what the dearest cache so far cost when it was created.
    """
    advisor, now = Advisor(CachePolicy.economic()), 0.0
    paid = never = dearest = 0.0
    ends: dict[str, float] = {}
    for name, gap, model in uses:
        now += gap
        key = name + model
        full, rental = prices(TOKENS, model=model, at_once=at_once)
        keeper = Advised(advisor, key, rental, TOKENS, wish=wish)
        never += full
        remaining = ends.get(key, now) - now
        if remaining > 10:
            paid += full - rental.saving
            seconds = keeper.hit(now, remaining=remaining) or remaining
            paid += max(seconds - remaining, 0.0) * rental.rent
        else:
            seconds = keeper.miss(now) or 0.0
            spent = rental.create + seconds * rental.rent - rental.saves_now
            paid += full + (spent if seconds else 0.0)
            if seconds:
                dearest = max(dearest, rental.create + seconds * rental.rent)
        ends[key] = now + seconds
        yield paid, never, dearest


@settings(max_examples=200, deadline=None)
@given(MIXTURES, st.booleans())
def test_no_mixture_of_prefixes_is_dearer_than_not_caching_at_any_time(
    uses: list[tuple[str, float, str]],
    at_once: bool,  # noqa: FBT001 - drawn by hypothesis
) -> None:
    for paid, never, _ in balances(uses, at_once=at_once, wish=Wish.NONE):
        assert paid <= never * (1 + PENNY)


@settings(max_examples=200, deadline=None)
@given(MIXTURES, st.booleans())
def test_what_is_tried_on_credit_costs_at_most_one_cache_more_than_none(
    uses: list[tuple[str, float, str]],
    at_once: bool,  # noqa: FBT001 - drawn by hypothesis
) -> None:
    for paid, never, dearest in balances(uses, at_once=at_once, wish=Wish.TRY):
        assert paid <= never * (1 + PENNY) + dearest


def test_a_first_use_that_saves_its_cost_at_once_creates_and_another_does_not() -> None:
    _, large = LARGE
    _, small = prices(8000, model="moonshot-v1-8k")
    assert Advisor(CachePolicy.economic()).create("a", tokens=TOKENS, rental=large).yes
    refused = Advisor(CachePolicy.economic()).create("a", tokens=8000, rental=small)
    assert not refused.yes
    assert "yet to earn" in refused.reason
    assert "mark the prefix" in refused.reason


def test_one_first_use_at_a_time_may_be_tried_on_credit() -> None:
    _, small = prices(8000, model="moonshot-v1-8k")
    advisor = Advisor(CachePolicy.economic())
    tried = advisor.create("a", tokens=8000, rental=small, wish=Wish.TRY)
    second = advisor.create("b", tokens=8000, rental=small, wish=Wish.TRY)
    advisor.earned("a", tried.charged)
    later = advisor.create("b", tokens=8000, rental=small, wish=Wish.TRY)
    assert [tried.yes, second.yes, later.yes] == [True, False, True]


def test_what_another_prefix_saved_pays_for_a_first_use() -> None:
    _, small = prices(8000, model="moonshot-v1-8k")
    advisor = Advisor(CachePolicy.economic())
    advisor.earned("other", 1.0)
    decision = advisor.create("prefix", tokens=8000, rental=small)
    assert decision.yes
    assert advisor.purse < 1.0
    advisor.spared(decision)
    assert advisor.purse == pytest.approx(1.0)


def test_a_marked_prefix_need_not_be_earned_but_has_to_pay() -> None:
    _, small = prices(8000, model="moonshot-v1-8k")
    advisor = Advisor(CachePolicy.economic())
    assert advisor.create("prefix", tokens=8000, rental=small, wish=Wish.MARK).yes
    for hour in range(1, 30):
        advisor.used("rare", now=1800.0 * hour)
    refused = advisor.create("rare", tokens=8000, rental=small, wish=Wish.MARK)
    assert not refused.yes
    assert "too few uses" in refused.reason
    assert refused.numbers["expected_gain"] < 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Once(CachePolicy):
    """Has one cache created and never prolonged, and notes the slack at each asking."""

    slack: list[float] = field(default_factory=list)

    def create(self, *, outlook: Outlook | None = None, **_: Any) -> Decision:
        assert outlook
        self.slack.append(outlook.slack)
        return Decision(yes=len(self.slack) == 1, reason="once", seconds=600.0)

    def renew(self, *, remaining: float, **_: Any) -> Decision:
        return Decision.unchanged(remaining)


@pytest.mark.parametrize("late", [14.0, 16.0])
def test_a_cache_that_was_gone_before_a_use_is_paid_for_once(late: float) -> None:
    """Whether that use came too soon after the last to tell gaps apart, or not."""
    policy, rental = Once(), LARGE[1]
    advisor = Advisor(policy)

    def miss(now: float) -> None:
        advisor.used("prefix", now=now)
        advisor.create("prefix", tokens=TOKENS, rental=rental)

    miss(0.0)
    for now in range(59, 600, 59):
        advisor.used("prefix", now=float(now))
        advisor.keep("prefix", remaining=600.0 - now, rental=rental)
    for since in (0.0, 60.0, 120.0):
        miss(590.0 + late + since)
    assert policy.slack[1] > 0
    assert policy.slack[1:] == [policy.slack[1]] * 3


def test_a_fee_that_exceeds_the_saving_is_never_paid() -> None:
    _, tiny = prices(300, model="moonshot-v1-128k")
    policy = CachePolicy(least_tokens=0)
    refused = Advisor(policy).create("a", tokens=300, rental=tiny, wish=Wish.MARK)
    assert not refused.yes
    assert "fee" in refused.reason


def test_a_cache_that_is_late_for_its_first_call_has_to_be_earned_from_then_on() -> (
    None
):
    advisor = Advisor(CachePolicy.economic())
    assert advisor.at_once
    advisor.created(in_time=False)
    assert not advisor.at_once
    _, rental = SLOW
    assert not advisor.create("prefix", tokens=TOKENS, rental=rental).yes


def test_with_nothing_seen_a_cache_is_kept_until_the_rent_reaches_the_loss() -> None:
    _, rental = LARGE
    advisor = Advisor(CachePolicy.economic())
    advisor.used("prefix", now=0.0)
    decision = advisor.create("prefix", tokens=TOKENS, rental=rental)
    break_even = rental.create / rental.minute
    assert decision.seconds
    assert abs(decision.seconds / 60 - break_even) <= 1


def test_the_best_time_to_keep_has_no_better_one() -> None:
    chance = Random(5)  # noqa: S311 - the same draws in every run
    _, rental = LARGE
    for _ in range(200):
        gaps = Gaps(tuple(chance.choice([0.0, 1.0, 5.0]) for _ in UNKNOWN.counts))
        if not gaps.total:
            continue
        chosen = best_keep(gaps, rental)
        assert chosen.seconds in {0.0, *map(float, range(15, 3601, 15))}
        assert 0 <= chosen.hits <= 1
        more = best_keep(gaps.merged(gaps, memory=10_000), rental)
        assert more.seconds == chosen.seconds
        assert more.hits == pytest.approx(chosen.hits)


def test_a_trial_changes_nothing() -> None:
    _, rental = LARGE
    advisor = Advisor(CachePolicy.economic())
    for _ in range(3):
        decision = advisor.create("prefix", tokens=TOKENS, rental=rental, trial=True)
        assert decision.yes
        assert not decision.charged
    assert advisor.purse == 0


def test_a_lifetime_is_prolonged_by_whole_minutes() -> None:
    _, rental = LARGE
    advisor = Advisor(CachePolicy.economic())
    for second in range(0, 600, 20):
        advisor.used("prefix", now=float(second))
    decision = advisor.keep("prefix", remaining=12.0, rental=rental, margin=10.0)
    assert decision.yes
    assert decision.seconds
    assert (decision.seconds - 12) % 60 == 0
    assert "expected" in decision.reason
