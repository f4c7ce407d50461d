"""Reading a table of prices: what is wrong with it is told by row and key.

A price is a decimal string (or a whole number) of a currency, per million tokens unless
its name says otherwise, with at most six decimals: then every cost is a whole number of
1e-12 and can be added up exactly. A float is refused, for it is seldom the price that
somebody wrote.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.economics.money import PRICE_DECIMALS
from langchain_moonshot_cache.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PriceRow", "day_of_check", "own_currency", "read_rows"]

_PRICE = re.compile(rf"[0-9]{{1,6}}(?:\.[0-9]{{1,{PRICE_DECIMALS}}})?")
_CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class _Kind:
    """One list of the table.

    Attributes:
        name: The key under which rows name what they price.
        needed: Prices that each row has.
        optional: Prices that may be missing or null, which is not published.
    """

    name: str
    needed: tuple[str, ...]
    optional: tuple[str, ...] = ()


_BATCH = ("batch_input", "batch_output")
_WRITE = ("cache_write_5m", "cache_write_1h")
KINDS = {
    "automatic": _Kind("model", ("input", "output", "cache_read"), (*_WRITE, *_BATCH)),
    "named": _Kind("family", ("create", "storage_minute", "call")),
    "named_chat": _Kind("model", ("input", "output"), _BATCH),
}
_OTHER_KEYS = {"checked", "currency", "note", "retired", "unit"}
"""What else a table may hold."""


@dataclass(frozen=True, slots=True)
class PriceRow:
    """One row of a list.

    Attributes:
        name: The model or the family.
        currency: Three capital letters.
        begin: The first day on which it holds.
        end: The last one.
        prices: By key; None for what is not published.
    """

    name: str
    currency: str
    begin: date
    end: date
    prices: Mapping[str, Decimal | None]

    def holds(self, on: date) -> bool:
        """Tell whether the row holds on a day."""
        return self.begin <= on <= self.end

    def meets(self, other: PriceRow) -> bool:
        """Tell whether another row is about the same, and holds on some same day."""
        alike = (self.name, self.currency) == (other.name, other.currency)
        return alike and self.begin <= other.end and other.begin <= self.end


def read_rows(table: Mapping[str, Any]) -> dict[str, list[PriceRow]]:
    """Check a table and return its rows by list.

    Raises:
        ConfigurationError: Something in it is no price, no day, unknown or missing.
    """
    if not isinstance(table, dict):
        raise ConfigurationError("a table of prices is a JSON object; see prices.json.")
    if unknown := table.keys() - KINDS.keys() - _OTHER_KEYS:
        raise _wrong(
            f"the key {min(map(str, unknown))!r}",
            "unknown",
            f"one of {', '.join(KINDS)}",
        )
    found: dict[str, list[PriceRow]] = {}
    for kind in KINDS:
        rows = table.get(kind, [])
        if not isinstance(rows, list):
            raise _wrong(kind, "no list", "a list of rows")
        found[kind] = [_row(kind, i, row) for i, row in enumerate(rows)]
        _refuse_twins(kind, found[kind])
    _refuse_either(found)
    return found


def day_of_check(table: Mapping[str, Any], *, otherwise: date | None) -> date:
    """Return the day on which a table was compared with the vendor's.

    Raises:
        ConfigurationError: It has none, and there is no other, or it is no day.
    """
    if "checked" not in table and otherwise is not None:
        return otherwise
    return _day("checked", table.get("checked"))


def own_currency(table: Mapping[str, Any]) -> str | None:
    """Return the currency that a table says accounts are billed in, if it does.

    Raises:
        ConfigurationError: It is no code of three letters.
    """
    given = table.get("currency")
    return None if given is None else _code("currency", given)


def _row(kind: str, index: int, row: Any) -> PriceRow:
    place, shape = f"{kind}[{index}]", KINDS[kind]
    if not isinstance(row, dict):
        raise _wrong(place, "no row", "an object")
    needed = {shape.name, "currency", *shape.needed}
    known = needed | {"from", "to", *shape.optional}
    if missing := needed - row.keys():
        raise _wrong(f"{place}.{min(missing)}", "missing", "a value")
    if unknown := row.keys() - known:
        raise _wrong(
            f"{place}.{min(map(str, unknown))}",
            "unknown",
            f"one of {', '.join(sorted(known))}",
        )
    name = row[shape.name]
    if not (isinstance(name, str) and name):
        raise _wrong(f"{place}.{shape.name}", repr(name), "a name")
    place = f"{place} ({name})"
    currency = _code(f"{place}.currency", row["currency"])
    prices = {key: _price(f"{place}.{key}", row[key]) for key in shape.needed}
    for key in shape.optional:
        given = row.get(key)
        prices[key] = None if given is None else _price(f"{place}.{key}", given)
    _refuse_halves(place, prices)
    begin = _day(f"{place}.from", row["from"]) if "from" in row else date.min
    end = _day(f"{place}.to", row["to"]) if "to" in row else date.max
    if end < begin:
        raise _wrong(f"{place}.to", str(end), f"no day before {begin}, the first one")
    return PriceRow(name, currency, begin, end, prices)


def _code(place: str, given: Any) -> str:
    if not (isinstance(given, str) and _CURRENCY.fullmatch(given)):
        raise _wrong(place, repr(given), "a code such as 'CNY'")
    return given


def _price(place: str, given: Any) -> Decimal | None:
    text = str(given) if type(given) is int else given
    if not (isinstance(text, str) and _PRICE.fullmatch(text)):
        wanted = (
            "a decimal string from '0' to '999999', with at most "
            f"{PRICE_DECIMALS} decimals"
        )
        raise _wrong(place, repr(given), wanted)
    return Decimal(text)


def _day(place: str, given: Any) -> date:
    try:
        return date.fromisoformat(given)
    except (TypeError, ValueError):
        raise _wrong(place, repr(given), "a day such as '2026-11-22'") from None


def _refuse_twins(kind: str, rows: list[PriceRow]) -> None:
    seen: set[tuple[str, str, date]] = set()
    for index, row in enumerate(rows):
        name = (row.name, row.currency, row.begin)
        if name in seen:
            raise _wrong(
                f"{kind}[{index}] ({row.name})",
                "there twice",
                "one row for each name, currency and first day",
            )
        seen.add(name)


def _refuse_either(found: Mapping[str, list[PriceRow]]) -> None:
    """Refuse a model with two prices of input: nobody could tell which counts."""
    for index, row in enumerate(found["named_chat"]):
        if any(map(row.meets, found["automatic"])):
            raise _wrong(
                f"named_chat[{index}] ({row.name})",
                "in automatic on the same days",
                "in one list at a time",
            )


def _refuse_halves(place: str, prices: Mapping[str, Decimal | None]) -> None:
    """Refuse one of two prices that are billed by: the other is not nothing."""
    for pair in (_WRITE, _BATCH):
        missing = [key for key in pair if prices.get(key) is None]
        if len(missing) == 1:
            (other,) = set(pair) - set(missing)
            raise _wrong(f"{place}.{missing[0]}", "missing", f"there, as {other} is")


def _wrong(place: str, found: str, wanted: str) -> ConfigurationError:
    return ConfigurationError(
        f"prices: {place} is {found[:80]}; it should be {wanted}."
    )
