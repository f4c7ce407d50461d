"""Prices: checked by row and key, one's own before the list's, old ones told once."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import date, timedelta
from decimal import Decimal
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest

from langchain_moonshot_cache import ConfigurationError, PriceBook
from langchain_moonshot_cache.economics import ChatPrice, Unpriced, to_units

if TYPE_CHECKING:
    from pathlib import Path

CHAT = {"model": "mine", "currency": "CNY", "input": "1.5", "output": "3"}
NAMED = {
    "family": "mine",
    "currency": "CNY",
    "create": "1",
    "storage_minute": "2",
    "call": "0.01",
}
AUTOMATIC = {**CHAT, "cache_read": "0.1"}
ONE_TIER = {"cache_write_5m": "1"}
TABLE: dict[str, Any] = {
    "checked": "2026-11-22",
    "named_chat": [CHAT],
    "named": [NAMED],
    "automatic": [],
}
TODAY = date(2026, 11, 22)


def with_row(kind: str, row: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**TABLE, kind: [{**row, **changes}]}


@pytest.mark.parametrize(
    ("table", "place"),
    [
        (with_row("named_chat", CHAT, input="-1"), r"named_chat\[0\] \(mine\).input"),
        (with_row("named_chat", CHAT, input=1.5), r"input is 1.5"),
        (with_row("named_chat", CHAT, input="1e3"), r"input is '1e3'"),
        (with_row("named_chat", CHAT, input="NaN"), r"input is 'NaN'"),
        (with_row("named_chat", CHAT, input=float("nan")), r"input is nan"),
        (with_row("named_chat", CHAT, input=None), r"input is None"),
        (with_row("named_chat", CHAT, input=True), r"input is True"),
        (with_row("named_chat", CHAT, input="0.0000001"), r"at most 6 decimals"),
        (with_row("named_chat", CHAT, input="1000000"), r"999999"),
        (with_row("named_chat", CHAT, output="\uff11"), r"output"),
        (with_row("named_chat", CHAT, model=""), r"named_chat\[0\].model"),
        (with_row("named_chat", CHAT, currency="yuan"), r"currency is 'yuan'"),
        (with_row("named_chat", CHAT, inptu="1"), r"inptu is unknown"),
        (with_row("named_chat", CHAT, **{"from": "soon"}), r"from is 'soon'"),
        (with_row("named", NAMED, create=[]), r"named\[0\] \(mine\).create"),
        (with_row("automatic", AUTOMATIC, cache_write_1h="-2"), r"cache_write_1h"),
        ({**TABLE, "named_chat": [{"model": "mine"}]}, r"named_chat\[0\].currency"),
        (
            with_row("named_chat", CHAT, **{"from": "2026-12-01", "to": "2026-01-31"}),
            r"named_chat\[0\] \(mine\).to is 2026-01-31",
        ),
        (with_row("named_chat", CHAT, batch_input="1"), r"batch_output is missing"),
        (with_row("automatic", AUTOMATIC), r"named_chat\[0\] \(mine\) is in automatic"),
        (
            {"checked": "2026-11-22", "automatic": [{**AUTOMATIC, **ONE_TIER}]},
            r"automatic\[0\] \(mine\).cache_write_1h is missing",
        ),
        ({**TABLE, "named_chat": [CHAT, CHAT]}, r"named_chat\[1\] \(mine\) is there"),
        ({**TABLE, "named_chat": CHAT}, r"named_chat is no list"),
        ({**TABLE, "named_chat": ["mine"]}, r"named_chat\[0\] is no row"),
        ({**TABLE, "prices": []}, r"'prices' is unknown"),
        ({**TABLE, "checked": "22.11.2026"}, r"checked is '22.11.2026'"),
        ({**TABLE, "currency": "¥"}, r"currency"),
        ({key: TABLE[key] for key in ("named", "named_chat")}, r"checked is None"),
        ([TABLE], r"JSON object"),
    ],
)
def test_a_table_that_is_wrong_names_row_and_key(table: Any, place: str) -> None:
    with pytest.raises(ConfigurationError, match=place):
        PriceBook.from_table(table)


def test_a_price_may_be_a_whole_number() -> None:
    book = PriceBook.from_table(with_row("named_chat", CHAT, input=2))
    assert book.chat("mine", currency="CNY") == ChatPrice(Decimal(2), Decimal(3))


def test_a_file_is_read_and_what_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text(json.dumps(TABLE))
    assert PriceBook.from_file(file).checked == TODAY
    file.write_text(json.dumps(TABLE), "utf-8-sig")
    assert PriceBook.from_file(file).checked == TODAY
    for text in ("{", "[" * 100_000, '{"checked": "2026-11-22", "checked": "2025"}'):
        file.write_text(text)
        with pytest.raises(ConfigurationError, match="cannot be read as JSON"):
            PriceBook.from_file(file)
    with pytest.raises(ConfigurationError, match="the key 'checked' twice"):
        PriceBook.from_file(file)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        PriceBook.from_file(tmp_path / "none.json")


def test_ones_own_prices_come_before_the_lists() -> None:
    own = {"named_chat": [{**CHAT, "model": "moonshot-v1-8k"}, CHAT]}
    book = PriceBook.builtin().with_prices(own)
    eight = book.chat("moonshot-v1-8k", currency="CNY")
    assert eight is not None
    assert eight.input == Decimal("1.5")
    assert book.chat("mine", currency="CNY") is not None
    assert book.chat("kimi-k3", currency="CNY") is not None
    assert book.chat("moonshot-v1-8k", currency="USD") is not None
    assert book.checked == PriceBook.builtin().checked
    untouched = PriceBook.builtin().chat("moonshot-v1-8k", currency="CNY")
    assert untouched is not None
    assert untouched.input == 12


def test_an_automatic_model_can_become_one_without_automatic_prices() -> None:
    own = {"named_chat": [{**CHAT, "model": "kimi-k3"}]}
    book = PriceBook.builtin().with_prices(own)
    assert book.automatic("kimi-k3", currency="CNY") is None
    priced = book.chat("kimi-k3", currency="CNY")
    assert priced is not None
    assert priced.input == Decimal("1.5")


def test_rows_hold_from_their_first_day_to_their_last() -> None:
    rows = [
        {**CHAT, "to": "2026-01-31"},
        {**CHAT, "input": "9", "from": "2026-02-01", "to": "2026-12-31"},
    ]
    book = PriceBook.from_table({**TABLE, "named_chat": rows})

    def price(day: date) -> Decimal | None:
        found = book.chat("mine", currency="CNY", on=day)
        return None if found is None else found.input

    assert price(date(2026, 1, 31)) == Decimal("1.5")
    assert price(date(2026, 2, 1)) == 9
    assert price(date(2027, 1, 1)) is None
    assert book.unpriced("mine", currency="CNY", on=date(2026, 6, 1)) is None
    gone = book.unpriced("mine", currency="CNY", on=date(2027, 1, 1))
    assert gone is Unpriced.DAY


def test_a_model_may_change_from_one_list_to_the_other() -> None:
    before = {**CHAT, "to": "2026-08-31"}
    after = {**AUTOMATIC, "input": "9", "from": "2026-09-01"}
    table = {**TABLE, "named_chat": [before], "automatic": [after]}
    book = PriceBook.from_table(table)
    for day, expected in ((date(2026, 8, 31), "1.5"), (date(2026, 9, 1), "9")):
        found = book.chat("mine", currency="CNY", on=day)
        assert found is not None
        assert found.input == Decimal(expected)


def test_families_are_known_by_their_longest_name() -> None:
    longer = {**NAMED, "family": "mine-large", "create": "7"}
    book = PriceBook.from_table({**TABLE, "named": [NAMED, longer]})
    for model, create in (("mine", 1), ("mine-8k", 1), ("mine-large-8k", 7)):
        found = book.named(model, currency="CNY", on=TODAY)
        assert found is not None
        assert found.create == create
    assert book.named("miner", currency="CNY", on=TODAY) is None


@pytest.mark.parametrize(
    ("model", "currency", "why"),
    [
        ("kimi-k3", "CNY", None),
        ("kimi-k9", "CNY", Unpriced.MODEL),
        ("kimi-k3.1-pro", "CNY", Unpriced.CURRENCY),
    ],
)
def test_why_there_is_no_price_is_told(
    model: str, currency: str, why: Unpriced | None
) -> None:
    assert PriceBook.builtin().unpriced(model, currency=currency) is why


def test_old_prices_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    book = PriceBook.from_table(TABLE)
    fresh = TODAY + timedelta(days=90)
    book.warn_when_stale(fresh)
    assert caplog.text == ""
    assert book.stale(fresh) is None
    for days in (91, 92):
        book.warn_when_stale(TODAY + timedelta(days=days))
    assert caplog.text.count("checked 91 days ago") == 1
    assert book.age(TODAY + timedelta(days=5)) == 5


def test_prices_from_a_day_to_come_are_not_taken_for_fresh() -> None:
    book = PriceBook.from_table({**TABLE, "checked": "2062-11-22"})
    assert "still to come" in str(book.stale(TODAY))
    tomorrow = PriceBook.from_table({**TABLE, "checked": "2026-11-23"})
    assert tomorrow.stale(TODAY) is None


def test_a_book_can_name_the_currency_of_an_endpoint_of_ones_own() -> None:
    own = PriceBook.builtin().with_prices({"currency": "EUR"})
    assert own.currency("https://gateway.example/v1") == "EUR"
    assert PriceBook.builtin().currency("https://api.moonshot.ai/v1") == "USD"


def test_every_published_price_is_exact_in_the_ledgers_units() -> None:
    text = files("langchain_moonshot_cache").joinpath("data/prices.json").read_text()
    table = json.loads(text)
    for kind in ("automatic", "named", "named_chat"):
        for row in table[kind]:
            for value in row.values():
                try:
                    price = Decimal(value or 0)
                except ArithmeticError:
                    continue
                assert to_units(7 * price / 1_000_000) == 7 * int(price * 10**6)
    assert PriceBook.from_table(deepcopy(table)).checked == PriceBook.builtin().checked
