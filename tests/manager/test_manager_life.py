"""The life of caches without LangChain, in both colours."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from manager_kit import MODEL, SYSTEM, TOOL, Face

from langchain_moonshot_cache import (
    ConfigurationError,
    InvalidPromptError,
    MoonshotCacheError,
    MoonshotCachingClient,
)
from langchain_moonshot_cache.lifecycle import Bypassed, Ready
from langchain_moonshot_cache.registry import MemoryRegistry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from langchain_moonshot_cache.testing import MoonshotServer

    Make = Callable[..., Face]

CACHING = "/v1/caching"


async def test_a_prefix_is_created_once_and_then_known_without_a_request(
    server: MoonshotServer, make: Make
) -> None:
    caches = make()
    prefix = caches.prefix(tools=[TOOL])
    assert caches.manager.known(prefix) is None
    created = await caches.do("ensure", prefix)
    before = len(server.requests())
    again = await caches.do("ensure", prefix)

    assert isinstance(created, Ready)
    assert (created.how, again.how) == ("created", "found")
    assert caches.manager.known(prefix) == again
    assert len(server.requests()) == before
    [cache] = server.caches()
    assert cache["id"] == created.entry.cache_id
    assert cache["messages"] == [SYSTEM]
    assert cache["tools"] == [TOOL]
    assert cache["tokens"] == created.entry.tokens


async def test_a_lifetime_asked_for_is_the_one_that_is_created(
    server: MoonshotServer, make: Make
) -> None:
    caches = make(ttl=120)
    await caches.do("ensure", caches.prefix())
    await caches.do("ensure", caches.prefix({**SYSTEM, "content": "!"}), ttl=60)
    created = server.requests(method="POST", path=CACHING)
    assert [request.body["ttl"] for request in created] == [120, 60]


async def test_sizes_of_a_family_share_a_cache_and_keys_do_not(
    server: MoonshotServer, make: Make
) -> None:
    registry = MemoryRegistry()
    first, second = make(registry=registry), make(registry=registry)
    other = make(registry=registry, api_key="sk-somebody-else")
    outcomes = [
        await first.do("ensure", first.prefix()),
        await second.do("ensure", second.prefix(model="moonshot-v1-128k")),
        await other.do("ensure", other.prefix()),
    ]
    ids = [outcome.entry.cache_id for outcome in outcomes]
    assert ids[0] == ids[1] != ids[2]
    assert server.creates() == 2


@pytest.mark.parametrize("order", [("name", "role"), ("role", "name")])
async def test_the_order_of_keys_is_no_part_of_a_prefix(
    make: Make, order: tuple[str, ...]
) -> None:
    message = {"role": "user", "name": "Ada", "content": "?"}
    given = {key: message[key] for key in (*order, "content")}
    assert make().prefix(given).key == make().prefix(message).key


async def test_a_cache_in_use_by_another_is_not_released(
    server: MoonshotServer, make: Make
) -> None:
    registry = MemoryRegistry()
    maker, user = make(registry=registry), make(registry=registry)
    await maker.do("ensure", maker.prefix())
    await user.do("ensure", user.prefix())

    assert await maker.do("release") == 0
    assert len(server.caches()) == 1
    assert await user.do("release") == 0


async def test_leaving_the_manager_deletes_what_it_made(
    server: MoonshotServer, make: Make
) -> None:
    caches = make()
    for n in range(3):
        await caches.do("ensure", caches.prefix({**SYSTEM, "content": str(n)}))
    await caches.leave()
    assert server.creates() == 3
    assert server.caches() == []


async def test_a_release_that_fails_says_so_and_can_be_repeated(
    server: MoonshotServer, make: Make
) -> None:
    caches = make()
    for n in range(2):
        await caches.do("ensure", caches.prefix({**SYSTEM, "content": str(n)}))
    server.fail("status", status=403, method="DELETE", path=f"{CACHING}/{{id}}", nth=1)
    with pytest.raises(MoonshotCacheError):
        await caches.do("release")
    assert len(server.caches()) == 1
    assert await caches.do("release") == 1
    assert server.caches() == []


async def test_a_cache_that_somebody_else_deleted_is_released_without_complaint(
    server: MoonshotServer, make: Make
) -> None:
    caches = make()
    outcome = await caches.do("ensure", caches.prefix())
    await caches.do("ensure", caches.prefix({**SYSTEM, "content": "other"}))
    with MoonshotCachingClient(
        api_key="sk-canary-9f8e7d6c5b4a", base_url=server.base_url
    ) as client:
        client.delete(outcome.entry.cache_id)
    await caches.do("release")
    assert server.caches() == []


async def test_a_refused_cache_is_looked_at_again_and_made_anew_only_if_it_is_gone(
    server: MoonshotServer, make: Make
) -> None:
    caches = make()
    prefix = caches.prefix()
    first = await caches.do("ensure", prefix)
    await caches.do("refused", first)
    assert caches.manager.known(prefix) is None
    second = await caches.do("ensure", prefix)
    assert second.entry.cache_id == first.entry.cache_id
    assert server.creates() == 1


async def test_a_renewal_moves_the_end_that_is_known(
    server: MoonshotServer, make: Make
) -> None:
    caches = make(ttl=60)
    prefix = caches.prefix()
    first = await caches.do("ensure", prefix)
    await caches.do("renewed", first, expires_at=first.entry.expires_at + 600)
    known = caches.manager.known(prefix)
    assert known is not None
    assert known.entry.expires_at == first.entry.expires_at + 600
    assert server.creates() == 1


async def test_a_pending_cache_is_waited_for_within_the_budget(
    server: MoonshotServer, make: Make
) -> None:
    server.clock.freeze()
    server.configure(ready_after=50)
    caches = make(wait=0)
    prefix = caches.prefix()
    first = await caches.do("ensure", prefix)
    second = await caches.do("ensure", prefix, wait=0.05)
    server.clock.advance(60)
    third = await caches.do("ensure", prefix)

    assert isinstance(first, Bypassed)
    assert (first.pending, first.created) == (True, True)
    assert isinstance(second, Bypassed)
    assert (second.pending, second.created) == (True, False)
    assert isinstance(third, Ready)
    assert server.creates() == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 401},
        {"kind": "html", "status": 200},
        {"kind": "cut"},
        {"kind": "build_fails"},
    ],
)
async def test_trouble_is_a_reason_and_never_an_exception(
    server: MoonshotServer, make: Make, fault: Any
) -> None:
    server.fail(path=CACHING, **fault)
    caches = make()
    outcome = await caches.do("ensure", caches.prefix(), wait=0.2)
    assert isinstance(outcome, Bypassed)
    assert outcome.reason


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ttl": 29}, "30 to 3600"),
        ({"ttl": True}, "30 to 3600"),
        ({"ttl": 60.0}, "30 to 3600"),
        ({"wait": -1}, "give seconds"),
        ({"wait": float("nan")}, "give seconds"),
        ({"wait": float("inf")}, "give seconds"),
        ({"wait": "1"}, "give seconds"),
        ({"policy": "greedy"}, "'economic', 'always'"),
        ({"registry": "ftp://x"}, "memory://"),
    ],
)
async def test_an_option_that_cannot_work_is_refused_at_once(
    server: MoonshotServer, make: Make, options: Any, words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        make(**options)
    assert server.requests() == []


@pytest.mark.parametrize(
    "given",
    [
        {"messages": [{"role": "tool", "content": "x", "tool_call_id": "f:0"}]},
        {
            "messages": [
                {"role": "assistant", "content": None, "tool_calls": [{"id": "f:0"}]}
            ]
        },
        {"tools": [{"type": "function", "function": {"parameters": {}}}]},
        {"tools": ["f"]},
        {"messages": [{"role": "system", "content": {1, 2}}]},
        {"messages": [{"role": "system", "content": float("nan")}]},
        {"messages": ["hello"]},
    ],
)
async def test_what_no_cache_can_hold_is_refused_before_anything_is_written(
    server: MoonshotServer, make: Make, given: Any
) -> None:
    registry = MemoryRegistry()
    with pytest.raises(InvalidPromptError):
        make(registry=registry).prefix(**given)
    assert server.requests() == []
    assert registry._entries == {}


@pytest.mark.parametrize("make", ["async"], indirect=True)  # threads are not cancelled
@pytest.mark.parametrize("seconds", [0.0, 0.002, 0.01, 0.05])
async def test_a_cancelled_manager_leaves_no_claim_behind(
    server: MoonshotServer, make: Make, tmp_path: Path, seconds: float
) -> None:
    registry = f"sqlite:///{tmp_path}/caches.db"
    caches = make(registry=registry)
    server.configure(ready_after=20)
    task = asyncio.create_task(caches.do("ensure", caches.prefix(), wait=20))
    await asyncio.wait([task], timeout=seconds)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    server.configure(ready_after=0)
    server.clock.advance(30)
    # Somebody else need not wait for a lease to end.
    heir = make(registry=registry)
    outcome = await heir.do("ensure", heir.prefix(), wait=60)
    assert isinstance(outcome, Ready)
    assert server.creates() == 1


async def test_the_family_of_a_model_gets_the_cache(make: Make) -> None:
    models = [MODEL, "moonshot-v1-32k-vision-preview", "kimi-k3", "moonshot-v12"]
    families = [make().prefix(model=model).model for model in models]
    assert families == ["moonshot-v1", "moonshot-v1", "kimi-k3", "moonshot-v12"]
