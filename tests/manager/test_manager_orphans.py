"""What caches that were left behind cost is told by the family they were made for."""

from __future__ import annotations

from langchain_moonshot_cache import PriceBook
from langchain_moonshot_cache.lifecycle import Swept
from langchain_moonshot_cache.lifecycle.effects import Seen, Stray
from langchain_moonshot_cache.manager.orphans import orphans


def left_behind(model: str | None) -> Swept:
    seen = Seen("cache-1", "ready", tokens=1_000_000, model=model)
    return Swept(Stray("p", seen, created_at=None, lease_until=0.0))


def test_caches_of_a_family_without_a_price_cost_nobody_knows_what() -> None:
    found = orphans(
        [left_behind("moonshot-v1"), left_behind("qwen3-8b"), left_behind(None)],
        prices=PriceBook.builtin(),
        currency="CNY",
        now=0.0,
    )
    assert [orphan.cost_per_hour for orphan in found] == [300, None, None]
