"""Killed in the middle of its work, a gateway has lost nothing that it acknowledged."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import Counter
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from gateway_kit import MODEL, PATIENCE, QUESTION, eventually, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway_kit import Json, Running

    from langchain_moonshot_cache.testing import MoonshotServer

pytestmark = [
    pytest.mark.breaks_prefix("the gateway's tests repeat what they please"),
    pytest.mark.faults,
]

CREATES = 100
CREATORS = 20
STREAMS = 20
SEED = 20240701


class Acknowledged:
    """What clients were told before the gateway was killed."""

    def __init__(self) -> None:
        self.created: set[str] = set()
        self.deleted: set[str] = set()
        self.asked_to_delete: set[str] = set()
        self.streams = Counter[str]()
        self.enough = asyncio.Event()


async def work(url: str, *, kill: Any, at: int) -> Acknowledged:
    """Create, delete and stream at once; kill the gateway when it has told so much."""
    told = Acknowledged()
    numbers = iter(range(CREATES))
    limits = httpx.Limits(max_connections=CREATES + STREAMS)
    async with httpx.AsyncClient(
        base_url=f"{url}/v1",
        headers={"Authorization": "Bearer sk-ours"},
        limits=limits,
        timeout=PATIENCE,
    ) as client:
        jobs = [create(client, told, numbers, at=at) for _ in range(CREATORS)]
        jobs += [stream(client, told) for _ in range(STREAMS)]
        tasks = [asyncio.create_task(job) for job in jobs]
        await told.enough.wait()
        kill()
        await asyncio.gather(*tasks)
    return told


async def create(
    client: httpx.AsyncClient, told: Acknowledged, numbers: Iterator[int], *, at: int
) -> None:
    with suppress(httpx.HTTPError):
        for number in numbers:
            text = f"This is document number {number}. " * 40
            body = {"model": MODEL, "messages": [{"role": "system", "content": text}]}
            cache_id = (await client.post("/caching", json=body)).json()["id"]
            told.created.add(cache_id)
            if len(told.created) >= at:
                told.enough.set()
            if number % 10 == 0:
                told.asked_to_delete.add(cache_id)
                reply = await client.delete(f"/caching/{cache_id}")
                assert reply.status_code == 200
                told.deleted.add(cache_id)


async def stream(client: httpx.AsyncClient, told: Acknowledged) -> None:
    body = {"model": MODEL, "messages": [QUESTION], "stream": True}
    try:
        while True:
            async with client.stream("POST", "/chat/completions", json=body) as reply:
                text = (await reply.aread()).decode()
            told.streams["whole" if text.endswith("[DONE]\n\n") else "broken"] += 1
    except httpx.HTTPError:
        told.streams["gone"] += 1


@pytest.mark.timeout(300)
@pytest.mark.parametrize("trial", range(8))
def test_what_was_acknowledged_is_there_once_after_a_kill(
    trial: int, moonshot_server: MoonshotServer, tmp_path: Path
) -> None:
    chance = random.Random(SEED + trial)  # noqa: S311 - a trial that can be repeated
    path = tmp_path / "state.sqlite"
    options = ("--upstream", moonshot_server.base_url, "--data", str(path))
    with running(*options, "--no-access-log") as gateway:
        kill, at = gateway.process.kill, chance.randrange(1, CREATES - CREATORS)
        told = asyncio.run(work(gateway.url, kill=kill, at=at))
        gateway.ended()
    assert at <= len(told.created) < CREATES
    assert told.streams["gone"] == STREAMS
    assert told.streams["broken"] == 0
    with closing(sqlite3.connect(path)) as state:
        assert state.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with running(*options, "--no-access-log") as gateway:
        listed = every_cache(gateway)
        documents = Counter(str(cache["messages"]) for cache in listed.values())
        assert max(documents.values(), default=1) == 1
        assert told.created - told.asked_to_delete <= set(listed)
        assert not told.deleted & set(listed)
        # Those that were being built are taken up by whoever asks, after the claim of
        # the dead one is over.
        eventually(lambda: {gateway.status(i) for i in listed} <= {"ready"})


def every_cache(gateway: Running) -> dict[str, Json]:
    """Return all caches by their ids, page by page; each must be listed once."""
    caches: dict[str, Json] = {}
    while True:
        after = {"after": next(reversed(caches))} if caches else {}
        data = gateway.get("/caching", params={"limit": "30", **after}).json()["data"]
        if not data:
            return caches
        page = {cache["id"]: cache for cache in data}
        assert len(page) == len(data)
        assert not page.keys() & caches.keys()
        caches |= page
