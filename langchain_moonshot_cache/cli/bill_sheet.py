"""What a bill says, before it is a table, a picture or a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from langchain_moonshot_cache.cli.printing import MISSING, UNKNOWN, amount

if TYPE_CHECKING:
    from decimal import Decimal

    from langchain_moonshot_cache.ledger import Row

__all__ = ["INFERRED", "Sheet"]

INFERRED = "~"
"""Before a sum: something in it was taken from a clock or a guess."""

_DIGEST = 12
"""Characters of a digest that tell a prefix from the few thousand others."""

_NAMELESS = "(none)"

_CACHES = "caches for "
"""Before the family in whose name a row's caches were made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A ledger's rows under some heads.

    Attributes:
        by: The heads.
        rows: One for each combination of their values and currency.
        totals: One for each currency.
        since: The first day asked for, None for the beginning.
        until: The last day asked for, None for today.
        as_of: Up to when living caches are charged, for people.
    """

    by: tuple[str, ...]
    rows: list[Row]
    totals: list[Row]
    since: str | None
    until: str | None
    as_of: str

    @property
    def period(self) -> str:
        """The days that it is about."""
        if self.since is None and self.until is None:
            return "all days"
        return f"{self.since or 'the beginning'} to {self.until or 'today'} (UTC)"

    @property
    def nothing(self) -> str:
        """What to say of a ledger without rows: that it knows of nothing is all."""
        return f"Nothing is on record for {self.period}."

    def heads(self, row: Row) -> tuple[str, ...]:
        """The values of a row's heads, a digest cut to what people compare."""
        told = {name: _head(name, getattr(row, name)) for name in self.by}
        if self._is_of_caches(row):
            told["model"] = f"{_CACHES}{told['model']}"
        return tuple(told.values())

    def _is_of_caches(self, row: Row) -> bool:
        """Whether a row is of nothing but caches, apart from the calls that use them.

        A cache is made for a family of models, so by model none of them has its cost.
        """
        return bool("model" in self.by and row.caches and not row.calls)

    def calls_cost(self, row: Row) -> str:
        """Write what a row's calls cost."""
        return _marked(row, row.cost, counted=row.calls, unknown=row.cost_unknown)

    def caches_cost(self, row: Row) -> str:
        """Write what creating and storing a row's caches cost so far."""
        money = row.creation + row.storage
        return _marked(row, money, counted=row.caches, unknown=row.caches_unknown)

    def money(self, row: Row, money: Decimal) -> str:
        """Write an amount of a row that calls and caches contribute to."""
        unknown = row.cost_unknown + row.caches_unknown
        return _marked(row, money, counted=row.calls + row.caches, unknown=unknown)

    def nothing_known(self, row: Row) -> bool:
        """Whether no cost in a row is known at all: its amounts are zeros."""
        return self.money(row, row.total) == UNKNOWN

    def share(self, row: Row) -> str:
        """Write which share of a row's input came from a cache."""
        if row.usage_unknown == row.calls:
            return UNKNOWN if row.calls else ""
        missing = f" {MISSING}" if row.usage_unknown else ""
        share = row.cached / row.prompt if row.prompt else 0
        return f"{share:.1%}{missing}"

    def remarks(self) -> list[str]:
        """Explain the marks that occur, with how much they are about."""
        calls = sum(row.cost_unknown for row in self.totals)
        caches = sum(row.caches_unknown for row in self.totals)
        usage = sum(row.usage_unknown for row in self.totals)
        inferred = sum(row.inferred for row in self.totals)
        contradictory = sum(row.contradictory for row in self.totals)
        apart = [row for row in self.rows if self._is_of_caches(row)]
        said = {
            f"{_CACHES}...: what creating and storing named caches costs. All models "
            "of the family may use them; what that saves stands with the models.": (
                len(apart)
            ),
            f"{MISSING} and {UNKNOWN}: the cost of {calls} calls and {caches} caches "
            "is not known and is in no amount.": calls + caches,
            f"{usage} calls did not report their usage in full.": usage,
            f"{INFERRED}: something about {inferred} calls or caches was inferred.": (
                inferred
            ),
            f"The usage of {contradictory} calls contradicts itself.": contradictory,
        }
        return [text for text, number in said.items() if number]


def _marked(row: Row, money: Decimal, *, counted: int, unknown: int) -> str:
    """Write an amount with the marks of what is not known about it."""
    if counted and unknown == counted:
        return UNKNOWN
    missing = f" {MISSING}" if unknown else ""
    return f"{INFERRED if row.inferred else ''}{amount(money)}{missing}"


def _head(name: str, value: str | None) -> str:
    if not value:
        return _NAMELESS
    return value[:_DIGEST] if name == "prefix" else value
