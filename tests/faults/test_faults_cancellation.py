"""Calls and managers are cancelled at every await, one after the other."""

from __future__ import annotations

import asyncio
import gc
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from cancelling import cancelled_at
from chat_kit import QUESTION, model_of, told
from colour_kit import Face
from faults_kit import MODEL, async_manager_at, system
from langchain_core.messages import SystemMessage

from langchain_moonshot_cache.lifecycle import Ready
from langchain_moonshot_cache.registry import MemoryRegistry, SqliteRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from langchain_moonshot_cache import ChatMoonshotCached
    from langchain_moonshot_cache.registry import Registry
    from langchain_moonshot_cache.testing import MoonshotServer

AMPLE = 60.0
"""Seconds to wait for a cache that is ready within a few milliseconds."""

# Whoever cancels httpx while it connects leaves the socket to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.fixture
def server(moonshot_server: MoonshotServer) -> MoonshotServer:
    moonshot_server.configure(ready_after=0.001)
    return moonshot_server


@pytest.fixture(params=["memory", pytest.param("sqlite", marks=pytest.mark.faults)])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Registry]:
    """One that answers at once, and one that answers from a thread."""
    if request.param == "memory":
        registry: Registry = MemoryRegistry()
    else:
        registry = SqliteRegistry(tmp_path / "registry.sqlite")
    yield registry
    registry.close()


@pytest.fixture(autouse=True)
def _collect_here() -> Iterator[None]:
    """Have sockets that were left behind collected where the warning is expected."""
    yield
    gc.collect()


def claimed(registry: Registry) -> list[str]:
    return [entry.key for entry in registry.entries() if registry.owner(entry.key)]


async def call(llm: ChatMoonshotCached, prompt: list[Any], *, style: str) -> None:
    if style == "ainvoke":
        await llm.ainvoke(prompt)
    elif style == "abatch":
        await llm.abatch([prompt, prompt])
    else:
        await Face("async").stream(llm, prompt)


@pytest.mark.parametrize(
    "style",
    ["ainvoke", "astream", pytest.param("abatch", marks=pytest.mark.faults)],
)
async def test_a_call_cancelled_at_any_await_leaves_no_claim_and_no_cache(
    server: MoonshotServer, registry: Registry, style: str
) -> None:
    for step in count(1):
        llm = model_of(server, registry=registry, cache_wait=AMPLE)
        prompt = [SystemMessage(f"You know lighthouse {step}."), QUESTION]
        cancelled = await cancelled_at(step, call(llm, prompt, style=style))
        assert not claimed(registry), f"cancelled at await {step}"
        server.creates()  # by now, what was on its way has arrived
        answer = await llm.ainvoke(prompt)
        assert told(answer)["cache_id"], f"cancelled at {step}: {told(answer)}"
        await llm.arelease()
        assert not server.caches(), f"cancelled at await {step}"
        if not cancelled:
            break
    assert step > 20, "so few awaits have no request between them"


async def test_an_ensure_cancelled_at_any_await_leaves_no_claim_and_no_cache(
    server: MoonshotServer, registry: Registry
) -> None:
    for step in count(1):
        async with async_manager_at(server, registry=registry, wait=AMPLE) as caches:
            prefix = caches.prefix(model=MODEL, messages=system(f"lighthouse {step}"))
            cancelled = await cancelled_at(step, caches.ensure(prefix))
            assert not claimed(registry), f"cancelled at await {step}"
            server.creates()  # as above
            assert isinstance(await caches.ensure(prefix), Ready)
            await caches.release()
            assert not server.caches(), f"cancelled at await {step}"
        if not cancelled:
            break
    assert step > 10


async def test_a_release_cancelled_at_any_await_can_be_repeated(
    server: MoonshotServer, registry: Registry
) -> None:
    for step in count(1):
        async with async_manager_at(server, registry=registry, wait=AMPLE) as caches:
            prefix = caches.prefix(model=MODEL, messages=system(f"lighthouse {step}"))
            await caches.ensure(prefix)
            cancelled = await cancelled_at(step, caches.release())
            assert not claimed(registry), f"cancelled at await {step}"
            await caches.release()
            assert not server.caches(), f"cancelled at await {step}"
            assert isinstance(await caches.ensure(prefix), Ready)
            await caches.release()
        if not cancelled:
            break
    assert step > 5


async def test_when_the_leader_is_cancelled_a_follower_takes_over(
    server: MoonshotServer, registry: Registry
) -> None:
    for step in count(1):
        async with async_manager_at(server, registry=registry, wait=AMPLE) as caches:
            prefix = caches.prefix(model=MODEL, messages=system(f"lighthouse {step}"))

            async def followed(
                caches: Any = caches, prefix: Any = prefix, followers: Any = None
            ) -> None:
                followers += [asyncio.ensure_future(caches.ensure(prefix))]
                await caches.ensure(prefix)

            followers: list[asyncio.Future[Any]] = []
            cancelled = await cancelled_at(step, followed(followers=followers))
            if followers:
                assert isinstance(await followers[0], Ready)
            await caches.release()
            assert not server.caches(), f"cancelled at await {step}"
        if not cancelled:
            break
