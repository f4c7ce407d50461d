"""Which part of a list is asked for; both servers answer in pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from .parameters import read_query

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

__all__ = ["Page", "read_page"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which part of an account's caches or tags is asked for.

    Attributes:
        limit: How many at most.
        newest_first: The order, by creation.
        after: Only what follows this one in that order; None begins at the beginning.
        before: Only what precedes it. With ``before`` alone, the page ends there.
        metadata: Pairs that a cache must carry.
    """

    limit: int
    newest_first: bool
    after: str | None = None
    before: str | None = None
    metadata: Mapping[str, str] | None = None

    @property
    def descends(self) -> bool:
        """Whether it is filled from the newest on."""
        return self.newest_first != self._from_its_end

    @property
    def _from_its_end(self) -> bool:
        return self.before is not None and self.after is None

    def in_order(self, filled: list[T]) -> list[T]:
        """Turn what was found while filling it into the order asked for."""
        return filled[::-1] if self._from_its_end else filled

    def sql(self, *, after: int | None, before: int | None) -> tuple[str, list[int]]:
        """Return what follows the conditions of its ``SELECT``, and the values for it.

        Rows have to be numbered by a column ``seq`` in the order of creation, which
        holds also where the clock jumps.

        Args:
            after: The number of the row that ``after`` names.
            before: That of the row that ``before`` names.
        """
        least, most = (before, after) if self.newest_first else (after, before)
        bounds = [("AND seq > ?", least), ("AND seq < ?", most)]
        conditions = [text for text, bound in bounds if bound is not None]
        values = [bound for _, bound in bounds if bound is not None]
        order = f"ORDER BY seq {'DESC' if self.descends else 'ASC'} LIMIT ?"
        return " ".join([*conditions, order]), [*values, self.limit]


def read_page(request: Request, schemas: dict[str, dict[str, Any]]) -> Page:
    """Read which page a request asks for.

    Raises:
        RefusedError: 400, when a parameter is malformed, unknown or given twice.
    """
    query = read_query(request.query_params.multi_items(), schemas)
    return Page(
        limit=query["limit"],
        newest_first=query["order"] == "desc",
        after=query["after"],
        before=query["before"],
        metadata=query.get("metadata"),
    )
