"""The two clients as objects: alike, configured, closed, forked, moved, interrupted."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from colour_kit import COLOURS
from wire_kit import KEY, MESSAGES, MODEL, RawServer, faces, http

from langchain_moonshot_cache import protocol
from langchain_moonshot_cache.errors import ConfigurationError, ConnectionFailedError
from langchain_moonshot_cache.protocol import (
    DEFAULT_BASE_URL,
    AsyncMoonshotCachingClient,
    MoonshotCachingClient,
)
from langchain_moonshot_cache.protocol.tags import AsyncTags, Tags

if TYPE_CHECKING:
    from langchain_moonshot_cache.testing import MoonshotServer

CACHE = http(b'{"id":"cache-x","status":"ready"}')
PAIRS = [(MoonshotCachingClient, AsyncMoonshotCachingClient), (Tags, AsyncTags)]
COLOURED = {"close": "aclose", "__enter__": "__aenter__", "__exit__": "__aexit__"}


def public(kind: type[Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(kind).items()
        if inspect.isfunction(value)
        and (not name.startswith("_") or name in COLOURED | dict.fromkeys(["__init__"]))
    }


@pytest.mark.parametrize("pair", PAIRS)
def test_both_colours_offer_the_same_methods_with_the_same_arguments(
    pair: tuple[type[Any], type[Any]],
) -> None:
    sync, twin = pair
    methods = public(sync)
    assert methods
    for name, method in methods.items():
        other = getattr(twin, COLOURED.get(name, name))
        ours = inspect.signature(method).parameters
        theirs = inspect.signature(other).parameters
        assert list(ours) == list(theirs)
        for argument in ours:
            if argument not in {"http_client", "run"}:
                assert ours[argument] == theirs[argument], (name, argument)
        if name != "__init__":
            awaited = inspect.iscoroutinefunction(other)
            assert awaited != inspect.isasyncgenfunction(other)
            assert inspect.isasyncgenfunction(other) == (name == "list")


def test_all_but_the_subject_is_given_by_keyword() -> None:
    for kind in (MoonshotCachingClient, Tags):
        for name, method in public(kind).items():
            if name.startswith("__") and kind is Tags:
                continue
            parameters = list(inspect.signature(method).parameters.values())[1:]
            subject = parameters[:1] if name not in {"create", "list"} else []
            rest = parameters[len(subject) :]
            kinds = {p.kind for p in rest if p.name != "tag"}
            assert kinds <= {inspect.Parameter.KEYWORD_ONLY}, name


def test_the_names_of_the_room_are_these() -> None:
    assert sorted(protocol.__all__) == sorted(
        [
            "CREATE_ID_KEY",
            "DEFAULT_BASE_URL",
            "AsyncMoonshotCachingClient",
            "CacheError",
            "CacheStatus",
            "CacheTag",
            "ContextCache",
            "MoonshotCachingClient",
            "NothingSentError",
            "other_region",
            "outcome_is_unknown",
            "server_time",
        ]
    )


def test_key_and_address_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MOONSHOT_API_BASE", raising=False)
    monkeypatch.delenv("MOONSHOT_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="MOONSHOT_API_KEY"):
        MoonshotCachingClient()
    monkeypatch.setenv("MOONSHOT_API_KEY", KEY)
    assert MoonshotCachingClient().base_url == DEFAULT_BASE_URL
    monkeypatch.setenv("MOONSHOT_API_BASE", "http://localhost:1/v1/")
    assert MoonshotCachingClient().base_url == "http://localhost:1/v1"


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_timeout_is_a_positive_number(timeout: float) -> None:
    with pytest.raises(ConfigurationError, match="timeout"):
        MoonshotCachingClient(api_key=KEY, timeout=timeout)
    client = MoonshotCachingClient(api_key=KEY)
    with pytest.raises(ConfigurationError, match="timeout"):
        client.get("cache-x", timeout=timeout)


@pytest.mark.parametrize("colour", COLOURS)
def test_a_closed_client_says_so(colour: str) -> None:
    with faces(colour) as connect:
        client = connect("http://127.0.0.1:9/v1")
        (client.close if colour == "sync" else client.aclose)()
        with pytest.raises(ConfigurationError, match="closed"):
            client.get("cache-x")


def test_a_client_that_was_handed_in_stays_open_and_its_closing_is_noticed() -> None:
    with RawServer(CACHE) as server:
        given = httpx.Client(headers={"X-Given": "yes"}, follow_redirects=True)
        with MoonshotCachingClient(
            api_key=KEY, base_url=server.base_url, http_client=given
        ) as client:
            client.get("cache-x")
        assert not given.is_closed
        assert b"x-given: yes" in server.requests[0].lower()
        again = MoonshotCachingClient(
            api_key=KEY, base_url=server.base_url, http_client=given
        )
        given.close()
        with pytest.raises(ConfigurationError, match="closed"):
            again.get("cache-x")


async def test_an_async_client_that_was_handed_in_stays_open() -> None:
    with RawServer(CACHE) as server:
        async with httpx.AsyncClient() as given:
            async with AsyncMoonshotCachingClient(
                api_key=KEY, base_url=server.base_url, http_client=given
            ) as client:
                await client.get("cache-x")
            assert not given.is_closed


def test_one_async_client_serves_one_event_loop_after_another(
    moonshot_server: MoonshotServer,
) -> None:
    client = AsyncMoonshotCachingClient(api_key=KEY, base_url=moonshot_server.base_url)

    async def use(*, close: bool) -> int:
        await client.create(model=MODEL, messages=MESSAGES)
        caches = [cache async for cache in client.list()]
        # Open connections of a loop that ends are what its own close is for.
        await client._transport._client().aclose()
        if close:
            await client.aclose()
        return len(caches)

    assert asyncio.run(use(close=False)) == 1
    assert asyncio.run(use(close=True)) == 2


def test_many_threads_share_one_client(moonshot_server: MoonshotServer) -> None:
    with (
        MoonshotCachingClient(api_key=KEY, base_url=moonshot_server.base_url) as client,
        ThreadPoolExecutor(16) as pool,
    ):
        made = list(
            pool.map(
                lambda _: client.create(model=MODEL, messages=MESSAGES).id, range(64)
            )
        )
        assert sorted(made) == sorted(cache.id for cache in client.list())
    assert moonshot_server.creates() == 64


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_opens_connections_of_its_own(
    moonshot_server: MoonshotServer,
) -> None:
    # In a process of its own: this one has threads, which a fork would lose.
    script = f"""
import os
from langchain_moonshot_cache.protocol import MoonshotCachingClient
client = MoonshotCachingClient(api_key={KEY!r}, base_url={moonshot_server.base_url!r})
client.create(model={MODEL!r}, messages=[{{"role": "system", "content": "x"}}])
child = os.fork()
if child == 0:
    os._exit(0 if len(list(client.list())) == 1 else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert len(list(client.list())) == 1
client.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, b"")


async def test_cancelling_a_call_ends_it_at_once_and_the_client_goes_on() -> None:
    with RawServer(b"", hold=True) as silent:
        async with AsyncMoonshotCachingClient(
            api_key=KEY, base_url=silent.base_url
        ) as client:
            call = asyncio.create_task(client.get("cache-x"))
            await asyncio.to_thread(silent.arrived.wait, 60)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            with pytest.raises(ConnectionFailedError):
                await client.get("cache-x", timeout=0.05, max_retries=0)


def test_a_list_that_is_left_half_way_leaves_nothing_open(
    moonshot_server: MoonshotServer,
) -> None:
    with MoonshotCachingClient(
        api_key=KEY, base_url=moonshot_server.base_url
    ) as client:
        for _ in range(3):
            client.create(model=MODEL, messages=MESSAGES)
        listing = client.list(limit=1)
        next(listing)
        del listing
        gc.collect()
        gets = moonshot_server.requests(method="GET", path="/v1/caching")
        assert len(gets) == 1


def test_making_a_client_opens_no_connection_and_starts_no_thread() -> None:
    before = set(threading.enumerate())
    with RawServer(CACHE) as server:
        MoonshotCachingClient(api_key=KEY, base_url=server.base_url)
        AsyncMoonshotCachingClient(api_key=KEY, base_url=server.base_url)
        assert server.requests == []
        # Those of other tests may end meanwhile.
        assert set(threading.enumerate()) - before == {server._thread}


def test_a_large_prompt_is_encoded_once_and_sent_whole(
    moonshot_server_factory: Any,
) -> None:
    server = moonshot_server_factory(cache_token_limit=10**7, account_token_limit=10**8)
    text = "长文档 long document " * 60_000
    server.fail("status", method="POST", path="/v1/caching", nth=1, status=429)
    with faces("sync") as connect:
        client = connect(server.base_url)
        cache = client.create(
            model=MODEL, messages=[{"role": "system", "content": text}]
        )
        assert cache.messages[0]["content"] == text
    sent = server.requests(method="POST", path="/v1/caching")
    assert [r.status for r in sent] == [429, 200]
    assert len({r.body_bytes for r in sent}) == 1
    smallest = len(json.dumps(text, ensure_ascii=False).encode())
    assert sent[0].body_bytes < smallest + 300
