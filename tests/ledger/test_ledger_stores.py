"""Every store adds up alike, keeps days and currencies apart, and counts once."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from ledger_kit import COST, DAY, NOON, UNREPORTED, USAGE, entry, life, record
from registry_kit import place

from langchain_moonshot_cache import (
    ConfigurationError,
    Ledger,
    MixedCurrenciesError,
    RegistryError,
)
from langchain_moonshot_cache.economics import Bill, Head, Sums, Usage
from langchain_moonshot_cache.ledger import Batch, Renewal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ledger_kit import Days

EVERY = ("day", "model", "prefix", "tag", "mechanism", "outcome")


def amounts(*whole: int) -> list[Decimal]:
    return [Decimal(amount) for amount in whole]


def test_an_empty_ledger_is_empty_and_its_total_nothing(ledger: Ledger) -> None:
    assert ledger.rows(by=EVERY) == []
    assert ledger.totals() == {}
    assert ledger.caches() == []
    total = ledger.total()
    assert (total.currency, total.calls, str(total.total)) == ("", 0, "0")
    assert total.complete
    assert ledger.to_json() == "[]"
    assert ledger.to_csv().count("\n") == 1


def test_calls_are_found_under_each_head(ledger: Ledger, days: Days) -> None:
    heads: dict[str, Any] = {"prefix": "p", "tag": "t", "mechanism": "named"}
    record(ledger, **heads)
    record(ledger, **heads)
    days.pass_by(1)
    record(ledger, **heads, outcome="miss")
    for name in EVERY:
        rows = ledger.rows(by=name)
        assert sum(row.calls for row in rows) == 3
        assert sum(row.cost for row in rows) == Decimal("0.3")
    (first, second) = ledger.rows(by=("day", "outcome"))
    assert (first.day, first.outcome, first.calls) == ("2026-11-22", "hit", 2)
    assert (second.day, second.outcome, second.calls) == ("2026-11-23", "miss", 1)
    assert first.model is None


def test_what_was_written_is_read_by_the_next_one_to_open_it(
    open_ledger: Callable[[], Ledger],
) -> None:
    writer = open_ledger()
    record(writer)
    writer.made(life())
    reader = open_ledger()
    assert reader.rows(by=EVERY) == writer.rows(by=EVERY)
    assert reader.caches() == [life()]


def test_days_are_those_of_utc_and_can_be_chosen(ledger: Ledger, days: Days) -> None:
    days.pass_by(0.4999)
    record(ledger)
    days.pass_by(0.0002)
    record(ledger)
    assert [row.day for row in ledger.rows(by="day")] == ["2026-11-22", "2026-11-23"]
    assert ledger.total(until="2026-11-22").calls == 1
    assert ledger.total(since=date(2026, 11, 23)).calls == 1
    assert ledger.total(since="2026-11-22", until="2026-11-23").calls == 2


def test_a_moment_stands_for_its_day_in_utc(ledger: Ledger) -> None:
    record(ledger)
    assert ledger.total(since=datetime(2026, 11, 22, 15, tzinfo=UTC)).calls == 1
    east = timezone(timedelta(hours=8))
    assert ledger.total(since=datetime(2026, 11, 23, 7, tzinfo=east)).calls == 1
    assert ledger.total(since=datetime(2026, 11, 23, 9, tzinfo=east)).calls == 0


def test_days_that_leave_none_between_them_are_refused(ledger: Ledger) -> None:
    with pytest.raises(ConfigurationError, match="no day lies between"):
        ledger.rows(since="2026-11-23", until="2026-11-22")


@pytest.mark.parametrize("given", ["yesterday", "2026-13-01", "", 20261122])
def test_a_day_that_is_none_is_refused(ledger: Ledger, given: Any) -> None:
    with pytest.raises(ConfigurationError, match="is no day"):
        ledger.rows(since=given)


def test_a_head_that_is_none_is_refused_by_name(ledger: Ledger) -> None:
    with pytest.raises(ConfigurationError, match=r"'colour'.*day, model"):
        ledger.rows(by=("model", "colour"))


def test_currencies_are_never_added(ledger: Ledger) -> None:
    record(ledger)
    record(ledger, currency="USD", bill=Bill(currency="USD", output=Decimal(2)))
    assert [(row.currency, row.cost) for row in ledger.rows()] == [
        ("CNY", Decimal("0.1")),
        ("USD", Decimal(2)),
    ]
    with pytest.raises(MixedCurrenciesError, match="CNY and USD"):
        ledger.total()
    assert ledger.total(currency="USD").cost == 2
    assert ledger.total(currency="EUR").calls == 0
    with pytest.raises(ConfigurationError, match="'cny' is no currency"):
        ledger.total(currency="cny")


def test_the_unknown_is_counted_and_not_added_as_zero(ledger: Ledger) -> None:
    record(ledger)
    record(ledger, usage=UNREPORTED, bill=None)
    total = ledger.total()
    assert (total.calls, total.usage_unknown, total.cost_unknown) == (2, 1, 1)
    assert not total.complete
    assert total.cost == Decimal("0.1")


@pytest.mark.parametrize(
    "usage",
    [
        Usage(prompt=10**30, output=1, cached=0, written=0),
        Usage(prompt=1, output=10**18, cached=0, written=0),
    ],
)
def test_figures_that_no_call_can_have_are_marked_and_left_out(
    ledger: Ledger, usage: Usage
) -> None:
    record(ledger, usage=usage)
    record(ledger, bill=Bill(currency="CNY", input=Decimal(10**6)))
    total = ledger.total()
    assert (total.calls, total.cost_unknown) == (2, 2)
    assert total.cost == 0
    assert total.contradictory == 1


def test_the_smallest_amounts_add_up_exactly(ledger: Ledger) -> None:
    tiny = Bill(currency="CNY", input=Decimal("0.000000000001"))
    large = Bill(currency="CNY", input=Decimal("9000.000000000001"))
    for _ in range(3):
        record(ledger, bill=tiny)
        record(ledger, bill=large)
    assert ledger.total().cost == Decimal("27000.000000000006")


def test_threads_lose_nothing(ledger: Ledger) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: record(ledger, prefix=f"p{n % 3}"), range(200)))
    assert [row.calls for row in ledger.rows(by="prefix")] == [67, 67, 66]
    assert ledger.total().cost == 20


def test_a_batch_whose_reply_was_lost_is_not_counted_again(
    open_ledger: Callable[[], Ledger],
) -> None:
    ledger = open_ledger()
    if ledger.nonblocking or "sqlite" in repr(ledger):
        return  # what fails there was not written
    store = ledger._store
    head = Head("2026-11-22", "m", "", "", "", "hit", "CNY")
    batch = Batch(((head, Sums(calls=1, cost=5)),))
    store.add(batch)
    store.add(batch)
    assert ledger.total().calls == 1


def test_a_cache_is_counted_once_and_follows_its_renewals(
    ledger: Ledger, days: Days
) -> None:
    ledger.made(life())
    ledger.made(life(tokens=5))
    (row,) = ledger.rows(by=("outcome", "mechanism", "model"))
    assert (row.outcome, row.mechanism, row.model) == ("caches", "named", "family")
    assert (row.caches, row.alive) == (1, 1)
    assert [row.creation, row.storage, row.storage_at_most] == amounts(24, 5, 300)
    days.now += 1800
    moved = Renewal(
        account="a", cache_id="cache-1", since=NOON + 1800, until=NOON + 5400
    )
    record(ledger, renewal=moved)
    total = ledger.total()
    assert [total.storage, total.storage_at_most] == amounts(150, 450)
    assert total.inferred == 0
    ledger.changed("a", "cache-1", lambda known: known.ended(at=NOON + 1801))
    days.pass_by(1)
    total = ledger.total()
    assert total.storage == 155
    assert total.alive == 0
    assert total.total == Decimal("0.1") + 24 + 155


def test_what_is_said_of_an_unknown_cache_changes_nothing(ledger: Ledger) -> None:
    record(ledger, renewal=Renewal(account="a", cache_id="?", since=1, until=2))
    ledger.changed("a", "?", lambda known: known.voided())
    assert ledger.caches() == []
    assert ledger.total().calls == 1


def test_a_cache_is_charged_on_the_days_on_which_it_was_stored(ledger: Ledger) -> None:
    back = NOON + 2 * DAY
    ledger.made(life().moved(since=back, until=back + 60))
    rows = ledger.rows(by="day")
    assert [row.day for row in rows] == ["2026-11-22", "2026-11-24"]
    assert [row.creation for row in rows] == amounts(24, 0)
    assert [row.storage_at_most for row in rows] == amounts(300, 5)
    assert ledger.total(since="2026-11-23").creation == 0


def test_a_cache_without_a_price_is_counted_as_unknown(ledger: Ledger) -> None:
    ledger.made(life(create=None, storage_minute=None))
    total = ledger.total()
    assert (total.caches, total.caches_unknown) == (1, 1)
    assert total.total == 0
    assert not total.complete


@pytest.mark.parametrize(
    "before",
    [date(2026, 11, 24), "2026-11-24", datetime(2026, 11, 24, 15, tzinfo=UTC)],
)
def test_old_days_are_forgotten_when_told_and_not_before(
    ledger: Ledger, days: Days, before: Any
) -> None:
    record(ledger)
    ledger.made(life())
    days.pass_by(2)
    record(ledger)
    ledger.made(
        life(
            cache_id="cache-2",
            spans=life().moved(since=int(days.now), until=int(days.now) + 60).spans,
        )
    )
    with pytest.raises(ConfigurationError, match="is no day"):
        ledger.forget(before="last year")
    ledger.forget(before=before)
    assert [row.calls for row in ledger.rows(by="day") if row.calls] == [1]
    assert [known.cache_id for known in ledger.caches()] == ["cache-2"]


def test_models_with_odd_names_are_counted_under_a_plain_one(ledger: Ledger) -> None:
    record(ledger, model="sk-secret")
    record(ledger, model="a|b c" + "d" * 200)
    names = [row.model for row in ledger.rows(by="model")]
    assert "sk-secret" not in names
    assert all(name and len(name) <= 160 and "|" not in name for name in names)


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_a_store_that_is_out_of_order_loses_nothing_and_fails_no_call(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    broken = place(kind, tmp_path).broken
    assert broken is not None
    ledger = Ledger.of(broken())
    with ledger.track() as bill:
        for _ in range(5):
            record(ledger)
    assert bill.total().calls == 5
    assert sum(sums.calls for _, sums in ledger._patience.waiting()) == 5
    assert [r.getMessage()[:34] for r in caplog.records] == [
        "the ledger is kept in this process"
    ]
    with pytest.raises(RegistryError):
        ledger.total()
    with pytest.raises(RegistryError, match="kept in this process"):
        ledger.flush()


def test_what_could_not_be_written_is_written_later(tmp_path: Path) -> None:
    file = tmp_path / "registry.sqlite"
    file.mkdir()
    ledger = Ledger.open(f"sqlite:///{file}")
    record(ledger)
    record(ledger, prefix="p")
    ledger.made(life())
    file.rmdir()
    assert ledger.total(currency="CNY").calls == 2  # from this process
    ledger.flush()
    assert Ledger.open(f"sqlite:///{file}").total().calls == 2
    assert Ledger.open(f"sqlite:///{file}").caches() == [life()]
    record(ledger)
    assert Ledger.open(f"sqlite:///{file}").total().calls == 3
    ledger.close()


def test_an_export_has_every_figure_as_exact_text(ledger: Ledger) -> None:
    record(ledger, bill=COST, usage=USAGE, tag="nightly")
    assert entry().currency == "CNY"
    (row,) = json.loads(ledger.to_json(by=("model", "tag")))
    assert (row["model"], row["tag"], row["currency"]) == ("m", "nightly", "CNY")
    assert (row["calls"], Decimal(row["cost"])) == (1, Decimal("0.1"))
    assert Decimal(row["saved"]) == Decimal("0.2")
    head, line, *rest = ledger.to_csv(by=("model", "tag")).splitlines()
    assert not rest
    assert dict(zip(head.split(","), line.split(","), strict=True))["tag"] == "nightly"
