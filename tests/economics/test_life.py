"""What a cache cost over its life, however late and mixed up it is told."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_moonshot_cache.economics import CacheLife, Span
from langchain_moonshot_cache.ledger.store import Moves

if TYPE_CHECKING:
    from random import Random

BIRTH = 1_000_000
TTL = 600


def born(**fields: Any) -> CacheLife:
    given = {
        "account": "a",
        "cache_id": "c",
        "prefix": "p",
        "model": "m",
        "tag": "",
        "currency": "CNY",
        "tokens": 1_000_000,
        "create": Decimal(24),
        "storage_minute": Decimal(5),
        "created_at": BIRTH,
        "spans": (Span(BIRTH, BIRTH + TTL, BIRTH),),
    }
    return CacheLife(**{**given, **fields})


def storage(life: CacheLife, now: float | None = None) -> Decimal:
    bill = life.bill(now=now)
    assert bill is not None
    return bill.storage


@pytest.mark.parametrize(
    ("seconds", "minutes"), [(-5, 1), (0, 1), (1, 1), (60, 1), (61, 2), (600, 10)]
)
def test_a_started_minute_counts_whole(seconds: int, minutes: int) -> None:
    assert storage(born(), BIRTH + seconds) == 5 * minutes


def test_it_costs_no_more_once_it_ended() -> None:
    assert storage(born(), BIRTH + 10**6) == storage(born()) == 50
    assert born().alive(BIRTH + TTL - 1)
    assert not born().alive(BIRTH + TTL)


def test_a_renewal_within_its_life_prolongs_it() -> None:
    life = born().moved(since=BIRTH + 599, until=BIRTH + 1199)
    assert [(span.begin, span.end) for span in life.spans] == [(BIRTH, BIRTH + 1199)]
    assert storage(life) == 100


def test_a_renewal_after_its_end_begins_a_new_span_and_no_new_creation() -> None:
    life = born().moved(since=BIRTH + 600, until=BIRTH + 660)
    assert len(life.spans) == 2
    bill = life.bill()
    assert bill is not None
    assert (bill.creation, bill.storage) == (Decimal(24), Decimal(55))


def test_a_renewal_can_bring_the_end_nearer() -> None:
    assert storage(born().moved(since=BIRTH + 10, until=BIRTH + 70)) == 10


def test_deleting_ends_it_and_nothing_later_brings_it_back() -> None:
    life = born().ended(at=BIRTH + 61)
    assert storage(life, BIRTH + 10**6) == 10
    assert life.moved(since=BIRTH + 62, until=BIRTH + 10**6) == life
    late = life.moved(since=BIRTH + 60, until=BIRTH + 660)
    assert storage(late) == 10


def test_what_the_server_gave_up_building_costs_nothing() -> None:
    bill = born().voided().bill()
    assert bill is not None
    assert bill.total == 0


@pytest.mark.parametrize("missing", ["tokens", "create", "storage_minute"])
def test_without_a_size_or_a_price_there_is_no_bill(missing: str) -> None:
    assert born(**{missing: None}).bill() is None


def test_what_the_server_confirms_is_known_already() -> None:
    assert born().confirmed(at=BIRTH + 5, until=BIRTH + TTL) == born()


def test_an_end_that_somebody_else_moved_is_taken_over_and_marked() -> None:
    later = born().confirmed(at=BIRTH + 300, until=BIRTH + 800)
    assert (storage(later), later.inferred) == (Decimal(70), True)
    nearer = born().confirmed(at=BIRTH + 300, until=BIRTH + 400)
    assert (storage(nearer), nearer.inferred) == (Decimal(35), True)


def test_old_news_from_the_server_change_nothing() -> None:
    moved = born().moved(since=BIRTH + 300, until=BIRTH + 900)
    assert moved.confirmed(at=BIRTH + 299, until=BIRTH + 600) == moved


def test_a_lost_renewal_is_found_out_later() -> None:
    asked = born().attempted(at=BIRTH + 500, until=BIRTH + 500 + 1000)
    assert (asked.inferred, storage(asked)) == (True, Decimal(50))
    # The lifetime that was asked for tells when it began, also after the known end.
    found = asked.confirmed(at=BIRTH + 700, until=BIRTH + 1500)
    assert [(span.begin, span.end) for span in found.spans] == [(BIRTH, BIRTH + 1500)]


def test_a_refused_renewal_brings_an_expired_cache_back_until_it_turns_out() -> None:
    back = born().attempted(at=BIRTH + 700, until=BIRTH + 1300)
    assert len(back.spans) == 2
    assert back.inferred
    # It never arrived: the server still names the old end.
    assert len(back.confirmed(at=BIRTH + 800, until=BIRTH + TTL).spans) == 1
    # Or the cache was gone all the time.
    assert len(back.ended(at=BIRTH + 700, inferred=True).spans) == 1


RENEWALS = st.lists(st.integers(0, 5000), min_size=1, max_size=12, unique=True).map(
    sorted
)


@given(RENEWALS, st.randoms(use_true_random=False))
def test_renewals_of_one_lifetime_may_be_told_in_any_order(
    times: list[int], chance: Random
) -> None:
    told = [(BIRTH + at, BIRTH + at + TTL) for at in times]
    in_order, mixed = born(), born()
    for since, until in told:
        in_order = in_order.moved(since=since, until=until)
    chance.shuffle(told)
    for since, until in told:
        mixed = mixed.moved(since=since, until=until)
    assert mixed.spans == in_order.spans
    assert mixed.bill() == in_order.bill()


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(1, 900)), max_size=30))
def test_moves_that_were_put_together_lead_to_the_same_life(
    steps: list[tuple[int, int]],
) -> None:
    """In the order in which they happened, with lifetimes of all kinds."""
    moves, at, one_by_one = Moves(), BIRTH, born()
    for pause, ttl in steps:
        at += pause
        one_by_one = one_by_one.moved(since=at, until=at + ttl)
        moves.add(("a", "c"), (at, at + ttl))
    together = born()
    for since, until in moves.take(("a", "c")):
        together = together.moved(since=since, until=until)
    assert together.bill() == one_by_one.bill()
    assert moves.names() == []
