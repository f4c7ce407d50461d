"""A thousand coroutines want the same new prefix at the same moment."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from chat_kit import QUESTION, SYSTEM, chat_requests, model_of, told
from faults_kit import CREATE, MODEL, async_manager_at, empty_registry, serving, system

from langchain_moonshot_cache.lifecycle import Bypassed, Ready
from langchain_moonshot_cache.manager import shared

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from langchain_moonshot_cache.testing import MoonshotServer

CROWD = 1_000
NEVER = 1e6
"""Seconds until a cache is ready that no test waits for."""
BUDGET = 0.5
MARGIN = 3.0
"""Real seconds pass here, on a machine that does other things too: a thousand tasks
have to be woken, one after the other. Whoever overlooked the budget would wait for a
poll more (1 s) at least, and whoever queued up behind the others for minutes."""


async def crowd(
    work: Callable[[], Coroutine[Any, Any, Any]],
) -> tuple[list[Any], float]:
    """Do the same a thousand times at once; return the results and the longest time."""

    async def timed() -> tuple[Any, float]:
        begun = time.monotonic()
        return await work(), time.monotonic() - begun

    done = await asyncio.gather(*(timed() for _ in range(CROWD)))
    return [result for result, _ in done], max(seconds for _, seconds in done)


@pytest.mark.parametrize("kind", ["memory", "sqlite", "redis"])
async def test_a_thousand_coroutines_have_one_cache_created(
    moonshot_server: MoonshotServer, kind: str, tmp_path: Path
) -> None:
    registry = "memory://" if kind == "memory" else empty_registry(kind, tmp_path)
    async with async_manager_at(moonshot_server, registry=registry) as caches:
        prefix = caches.prefix(model=MODEL, messages=system("lighthouses"))
        results, _ = await crowd(lambda: caches.ensure(prefix, wait=60))
        assert all(isinstance(result, Ready) for result in results)
        assert len({result.entry.cache_id for result in results}) == 1
        assert Counter(result.how for result in results)["created"] == 1
        assert moonshot_server.creates() == 1
        # And nobody asked the server for more than the one who led.
        assert len(moonshot_server.requests()) <= 5
        caches.shared.registry.close()


async def test_nobody_waits_longer_than_the_budget_for_a_cache_that_is_pending(
    moonshot_server: MoonshotServer,
) -> None:
    moonshot_server.configure(ready_after=NEVER)
    async with async_manager_at(moonshot_server) as caches:
        other = caches.prefix(model=MODEL, messages=system("ships"))
        _, longest_unwilling = await crowd(lambda: caches.ensure(other, wait=0))
        prefix = caches.prefix(model=MODEL, messages=system("lighthouses"))
        results, longest = await crowd(lambda: caches.ensure(prefix, wait=BUDGET))
        assert longest < longest_unwilling * 10 + BUDGET + MARGIN
        assert all(
            isinstance(result, Bypassed) and result.pending for result in results
        )
        # One of them had it created; the others do not claim to have paid.
        assert sum(result.created for result in results) == 1
        assert moonshot_server.creates() == 2


@pytest.mark.faults
@pytest.mark.timeout(300)
async def test_a_thousand_calls_pay_for_one_cache_and_wait_no_longer_than_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Measured beside a thousand calls that use no cache, in the same process."""
    # A thousand calls keep the loop busy for longer than a lonely create may take.
    monkeypatch.setattr(shared, "_REQUEST_TIMEOUT", 60.0)
    with serving("--ready-after", str(NEVER)) as (server, _):
        uncached = model_of(server, caching="off")
        _, longest_uncached = await crowd(lambda: uncached.ainvoke([SYSTEM, QUESTION]))
        server.clear()
        llm = model_of(server, cache_wait=BUDGET)
        answers, longest = await crowd(lambda: llm.ainvoke([SYSTEM, QUESTION]))
        assert longest < longest_uncached * 1.5 + BUDGET + MARGIN
        assert server.creates() == 1
        assert len(server.requests(method=CREATE[0], path=CREATE[1])) == 1
        assert len(chat_requests(server)) == CROWD
    assert Counter(told(answer)["outcome"] for answer in answers) == {
        "write": 1,
        "bypassed": CROWD - 1,
    }
