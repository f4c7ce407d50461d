from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ledger_kit import Days, of
from registry_kit import KINDS, place

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from langchain_moonshot_cache import Ledger


@pytest.fixture
def days() -> Days:
    """A clock that the test moves."""
    return Days()


@pytest.fixture(params=KINDS)
def open_ledger(
    request: pytest.FixtureRequest, tmp_path: Path, days: Days
) -> Callable[[], Ledger]:
    """Opens ledgers in one place; in memory it is the same one each time."""
    return of(place(request.param, tmp_path), clock=days)


@pytest.fixture
def ledger(open_ledger: Callable[[], Ledger]) -> Ledger:
    """One of them."""
    return open_ledger()
