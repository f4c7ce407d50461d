"""Running totals count what was reported, and name what was not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

from ledger_kit import COST, UNREPORTED, record

from langchain_moonshot_cache import Ledger


def test_calls_add_up_by_model_and_currency() -> None:
    ledger = Ledger()
    record(ledger)
    record(ledger)
    record(ledger, currency="USD")
    record(ledger, model="other")

    totals = ledger.totals()
    assert totals.keys() == {"m", "other"}
    assert totals["m"].calls == 3
    assert totals["m"].outcomes == {"hit": 3}
    assert (totals["m"].prompt, totals["m"].cached, totals["m"].output) == (
        *(300, 180, 30),
    )
    assert totals["m"].cost == {"CNY": Decimal("0.2"), "USD": Decimal("0.1")}
    assert totals["m"].cost_uncached == {"CNY": Decimal("0.6"), "USD": Decimal("0.3")}


def test_an_amount_is_filed_under_its_own_currency() -> None:
    ledger = Ledger()
    record(ledger, currency="USD", bill=COST)
    (row,) = ledger.rows()
    assert (row.currency, row.cost) == (COST.currency, COST.total)


def test_what_was_not_reported_is_counted_as_that() -> None:
    ledger = Ledger()
    record(ledger, usage=UNREPORTED, bill=None)
    totals = ledger.totals()["m"]
    assert (totals.usage_unknown, totals.cost_unknown) == (1, 1)
    assert (totals.prompt, totals.cached) == (100, 0)
    assert totals.cost == {}


def test_totals_are_a_picture_and_do_not_move_on() -> None:
    ledger = Ledger()
    record(ledger)
    before = ledger.totals()
    record(ledger)
    assert before["m"].calls == 1
    assert ledger.totals()["m"].calls == 2


def test_sixteen_threads_lose_no_call() -> None:
    ledger = Ledger()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: record(ledger), range(1600)))
    totals = ledger.totals()["m"]
    assert totals.calls == 1600
    assert totals.outcomes["hit"] == 1600
    assert totals.cost["CNY"] == Decimal(160)
