"""Five minutes or an hour, replayed beside the optimum, and bad traces."""

from __future__ import annotations

import itertools
import json
import math
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from replay_automatic import Provider, always, best_tiers, by_policy
from replay_talks import Talk, Tariff, Turn, best_talked
from replay_trace import CADENCES, LENGTHS, RATES, questions, tariff
from traffic import TraceError, Use, burst, cadence, read_trace

from langchain_moonshot_cache.economics import (
    Advisor,
    CachePolicy,
    PriceBook,
    TierPrice,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from langchain_moonshot_cache.economics import Tier

BOOK = PriceBook.builtin()
PAUSES = st.sampled_from([0.0, 60.0, 299.0, 301.0, 900.0, 3599.0, 3601.0])


def price_of(model: str, *, currency: str) -> TierPrice:
    listed = BOOK.automatic(model, currency=currency)
    price = TierPrice.of(listed) if listed else None
    assert price
    return price


K3 = price_of("kimi-k3", currency="USD")


def growing(pauses: Iterable[float], *, name: str = "a") -> list[Use]:
    """Make a conversation that grows by a block with each use."""
    blocks = [(f"{name}{number}", 5000) for number in range(20)]
    times = itertools.accumulate(pauses)
    return [
        Use(at, name, tuple(blocks[: number + 1])) for number, at in enumerate(times)
    ]


def replayed(uses: Sequence[Use], tiers: Sequence[Tier]) -> float:
    provider = Provider(K3)
    pairs = zip(uses, tiers, strict=True)
    return sum(provider.serve(use, asked=tier).cost for use, tier in pairs)


@settings(max_examples=100)
@given(st.lists(PAUSES, min_size=1, max_size=7))
def test_the_best_tiers_are_what_trying_everything_finds(pauses: list[float]) -> None:
    uses = growing(pauses)
    choices: list[Tier] = ["5m", "1h"]
    ways = itertools.product(choices, repeat=len(uses))
    least = min(replayed(uses, way) for way in ways)
    assert best_tiers(uses, K3) == pytest.approx(least)


@pytest.mark.parametrize("minutes", CADENCES)
def test_a_steady_cadence_comes_within_15_percent_of_the_optimum(minutes: int) -> None:
    uses = cadence(minutes, days=4)
    cost = by_policy(uses, K3, Advisor(CachePolicy.economic()))
    assert cost <= 1.15 * best_tiers(uses, K3)


def test_five_cadences_together_cost_less_than_either_setting() -> None:
    uses = sorted(
        (use for minutes in CADENCES for use in cadence(minutes, days=10)),
        key=lambda use: use.at,
    )
    cost = by_policy(uses, K3, Advisor(CachePolicy.economic()))
    assert cost < always(uses, K3, "5m")
    assert cost < always(uses, K3, "1h")


def test_conversations_that_mostly_end_are_written_for_five_minutes() -> None:
    chance, uses = Random(3), []  # noqa: S311 - the same draws in every run
    for number in range(300):
        begin, turns = chance.uniform(0, 3000), chance.choice([1, 1, 1, 2, 3])
        pauses = [begin, *(chance.expovariate(1 / 150) for _ in range(turns - 1))]
        uses += growing(pauses, name=f"{number}")
    uses.sort(key=lambda use: use.at)
    cost = by_policy(uses, K3, Advisor(CachePolicy.economic()))
    assert cost <= always(uses, K3, "5m")


@settings(max_examples=200)
@given(st.lists(PAUSES, min_size=1, max_size=20))
def test_automatic_caching_costs_at_most_one_hour_more_than_none(
    pauses: list[float],
) -> None:
    """Growth aside, whose lifetime is the provider's to choose."""
    times = itertools.accumulate(pauses)
    uses = [Use(at, "a", (("a", 20_000),)) for at in times]
    cost = by_policy(uses, K3, Advisor(CachePolicy.economic()))
    uncached = sum(use.tokens for use in uses) * K3.short
    assert cost <= uncached + K3.surcharge(20_000) + 1e-9


def test_the_hour_is_chosen_with_a_reason_and_its_numbers() -> None:
    advisor = Advisor(CachePolicy.economic())
    reasons = []
    for number in range(4):
        advisor.used("prompt", now=1500.0 * number)
        tier, decision = advisor.tier("prompt", tokens=20_000, price=K3)
        reasons.append((tier, decision and decision.reason))
        advisor.earned("prompt", 0.0, decision=decision)
    assert reasons[0][0] == "5m"
    assert "5m suits" in str(reasons[0][1])
    assert reasons[1][0] == "1h"
    assert "expected to save" in str(reasons[1][1])
    assert reasons[2] == ("1h", None)


def test_an_hour_is_not_tried_on_credit_twice() -> None:
    advisor = Advisor(CachePolicy.economic())
    tiers = []
    for name in "ab":
        for number in range(2):
            advisor.used(name, now=1500.0 * number)
            tier, decision = advisor.tier(name, tokens=20_000, price=K3)
            tiers.append(tier)
    assert tiers == ["5m", "1h", "5m", "5m"]
    assert decision
    assert "earned first" in decision.reason
    assert decision.numbers["surcharge"] == pytest.approx(0.06)


def test_a_short_prompt_is_not_kept_for_an_hour() -> None:
    advisor = Advisor(CachePolicy.economic())
    for number in range(3):
        advisor.used("prompt", now=1500.0 * number)
        tier, decision = advisor.tier("prompt", tokens=500, price=K3)
    assert tier == "5m"
    assert decision
    assert "too few" in decision.reason


def test_a_model_that_bills_no_writes_has_no_tiers() -> None:
    listed = BOOK.automatic("kimi-k2.6", currency="USD")
    assert listed
    assert TierPrice.of(listed) is None


# Conversations that grow, and bursts, with named caches ------------------------------


def tried(turns: Sequence[Turn], prices: Tariff) -> float:
    """Try every way to create at some turns and to use at others."""
    least = math.inf
    for ways in itertools.product(["none", "new", "use"], repeat=len(turns)):
        cost, cached, born, last = 0.0, 0, 0.0, 0.0
        for turn, way in zip(turns, ways, strict=True):
            cost += prices.full(turn.tokens)
            if way == "use":
                if not 0 < cached <= turn.shared:
                    break
                cost -= prices.rental(cached).saving
                last = turn.at
                continue
            if cached:
                minutes = max(math.ceil((last - born) / 60), 1)
                cost += minutes * prices.rental(cached).minute
            cached = turn.shared if way == "new" else 0
            born = last = turn.at
            if cached:
                cost += prices.rental(cached).create - prices.rental(cached).saving
        else:
            if cached:
                minutes = max(math.ceil((last - born) / 60), 1)
                cost += minutes * prices.rental(cached).minute
            least = min(least, cost)
    return least


def conversation(chance: Random, turns: int) -> list[Turn]:
    at, tokens, shared, made = 0.0, 0, 0, []
    for _ in range(turns):
        at += chance.choice([5, 70, 290, 700])
        tokens = shared + chance.choice([500, 4000, 30_000])
        made.append(Turn(at, tokens, shared, tokens))
        shared = tokens
    return made


def test_the_optimum_of_a_growing_conversation_is_what_trying_everything_finds() -> (
    None
):
    chance, prices = Random(4), tariff(at_once=True)  # noqa: S311 - drawn once
    for _ in range(40):
        turns = conversation(chance, 6)
        assert best_talked(turns, prices) == pytest.approx(tried(turns, prices))


def test_a_growing_conversation_is_cached_further_when_that_pays() -> None:
    chance, prices = Random(8), tariff(at_once=True)  # noqa: S311 - drawn once
    advisor, cost, best, never = Advisor(CachePolicy.economic()), 0.0, 0.0, 0.0
    for number in range(60):
        turns = [
            turn._replace(at=turn.at + 9000.0 * number)
            for turn in conversation(chance, 6)
        ]
        talk = Talk(f"{number}", prices, advisor)
        for turn in turns:
            talk.hear(turn)
        talk.settle()
        cost += talk.cost
        best += best_talked(turns, prices)
        never += sum(prices.full(turn.tokens) for turn in turns)
    assert cost < 1.15 * best
    assert cost < 0.8 * never


@pytest.mark.parametrize("at_once", [True, False])
def test_bursts_come_within_a_fifth_of_the_optimum_and_near_the_best_fixed_time(
    at_once: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    chance, bursts, begin = Random(1), [], 0.0  # noqa: S311 - drawn once
    for _ in range(30):
        rate, minutes = chance.choice(RATES), chance.choice(LENGTHS)
        bursts.append(burst(rate, minutes, begin=begin, chance=chance))
        begin = bursts[-1][-1] + 3600
    row = questions(bursts, "bursts", at_once=at_once)
    assert row.policy <= 1.2
    # Over the benchmark's thousand bursts it is below all of them; of thirty, one is
    # the best by chance.
    assert row.policy <= 1.03 * min(row.others.values())


# Traces ------------------------------------------------------------------------------


def test_a_trace_is_read_as_conversations(tmp_path: Path) -> None:
    rows = [
        {"timestamp": 0, "input_length": 1000, "hash_ids": [0, 1]},
        {"timestamp": 2000, "input_length": 1100, "hash_ids": [0, 1, 2]},
        {"timestamp": 3000, "input_length": 600, "hash_ids": [0, 7]},
    ]
    path = tmp_path / "trace.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    first, second, other = read_trace(path)
    assert (first.tokens, second.tokens, other.at) == (1000, 1100, 3.0)
    assert first.conversation == second.conversation != other.conversation
    assert first.blocks[0] == second.blocks[0] != other.blocks[0]


CALL = '{"timestamp": %d, "input_length": 5, "hash_ids": [0]}\n'


def test_calls_of_one_moment_are_in_order(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(CALL % 9 + CALL % 9)
    assert len(read_trace(path)) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (CALL % 9 + CALL % 8, "line 2 is earlier"),
        ("not json\n", "line 1 is not a call"),
        ('{"timestamp": 9}\n', "line 1 is not a call"),
        ("[1]\n", "line 1 is not a call"),
    ],
)
def test_a_trace_that_is_none_is_refused_by_line(
    tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(text)
    with pytest.raises(TraceError, match=said):
        read_trace(path)


def test_a_missing_trace_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="REPLAY_TRACE"):
        read_trace(tmp_path / "none.jsonl")
