"""The promises of a gateway's store, kept by SQLite and by Redis."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from registry_kit import shared_redis

from langchain_moonshot_cache.server.gateway.sqlite import SqliteState
from langchain_moonshot_cache.server.gateway.state import (
    COUNTERS,
    RETENTION,
    Content,
    Record,
    Tag,
)
from langchain_moonshot_cache.server.paging import Page
from langchain_moonshot_cache.server.store import StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from langchain_moonshot_cache.server.gateway.state import State

    Open = Callable[[], Any]

NOW = int(time.time())
CONTENT = Content(
    '[{"role":"user","content":"灯塔"}]'.encode(), b'[{"type":"function"}]'
)


def record(number: int = 1, **fields: Any) -> Record:
    values: dict[str, Any] = {
        "id": f"cache-{number:020}",
        "account": "acct-1",
        "model": "m",
        "name": "",
        "description": "灯塔",
        "metadata": {"n": str(number % 2), "键": "值"},
        "created_at": NOW,
        "expired_at": NOW + 600,
        "built": "pending",
        "failure": None,
        "tokens": None,
        "estimate": 10,
        "length": 1,
    }
    return Record(**values | fields)


@pytest.fixture(params=["sqlite", "redis"])
async def another(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[Open]:
    """Opens one store as often as it is asked to, as several gateways would."""
    opened: list[State] = []
    prefix = f"{uuid4().hex}:"

    async def make() -> State:
        state: State
        if request.param == "sqlite":
            state = SqliteState(str(tmp_path / "state.sqlite"))
        else:
            from langchain_moonshot_cache.server.gateway.redis import (  # noqa: PLC0415
                RedisState,
            )

            state = RedisState(shared_redis().url, prefix=prefix)
        await state.open()
        opened.append(state)
        return state

    yield make
    for state in opened:
        await state.close()


@pytest.fixture
async def state(another: Open) -> State:
    opened: State = await another()
    return opened


async def test_what_was_added_is_found_as_it_was(state: State, another: Open) -> None:
    await state.add(record(), CONTENT)
    for store in (state, await another()):
        found = await store.find(record().id, account="acct-1")
        assert found is not None
        assert replace(found, seq=0) == record()
        assert await store.content(record().id) == CONTENT
    bare = record(2, metadata=None, name="灯", description="", tokens=5, failure="no")
    await state.add(bare, Content(b"[]", None))
    found = await state.find(bare.id, account="acct-1")
    assert found is not None
    assert replace(found, seq=0) == bare
    assert await state.content(bare.id) == Content(b"[]", None)


async def test_nobody_else_finds_changes_or_removes_it(state: State) -> None:
    await state.add(record(), CONTENT)
    cache_id, theirs = record().id, "acct-2"
    assert await state.find(cache_id, account=theirs) is None
    values = {"built": "error"}
    assert await state.change(cache_id, account=theirs, values=values) is None
    assert not await state.remove(cache_id, account=theirs, now=NOW)
    assert await state.page(Page(limit=9, newest_first=True), account=theirs) == []
    assert await state.living_tokens(theirs, now=NOW) == 0
    found = await state.find(cache_id, account="acct-1")
    assert found is not None
    assert found.built == "pending"
    assert await state.content(cache_id) == CONTENT


async def test_a_change_is_seen_by_everybody(state: State, another: Open) -> None:
    await state.add(record(), CONTENT)
    values: dict[str, Any] = {
        "built": "ready",
        "tokens": 7,
        "failure": "x",
        "expired_at": NOW + 900,
        "metadata": None,
    }
    changed = await state.change(record().id, account="acct-1", values=values)
    seen = await (await another()).find(record().id, account="acct-1")
    assert changed == seen
    assert seen is not None
    assert replace(seen, seq=0) == record(**values)
    await state.change(record().id, account="acct-1", values={"failure": None})
    seen = await state.find(record().id, account="acct-1")
    assert seen is not None
    assert seen.failure is None


async def test_a_removed_cache_is_not_brought_back_by_a_late_change(
    state: State,
) -> None:
    await state.add(record(), CONTENT)
    cache_id, ours = record().id, "acct-1"
    assert await state.remove(cache_id, account=ours, now=NOW)
    assert not await state.remove(cache_id, account=ours, now=NOW)
    values = {"built": "ready"}
    assert await state.change(cache_id, account=ours, values=values) is None
    assert await state.find(cache_id, account=ours) is None
    assert await state.content(cache_id) is None
    assert await state.living_tokens(ours, now=NOW) == 0
    assert sum((await state.census(NOW)).values()) == 0


async def test_pages_follow_the_order_of_creation(state: State) -> None:
    ids = [record(number).id for number in range(6)]
    for number in range(6):
        await state.add(record(number), CONTENT)
    await state.remove(ids[3], account="acct-1", now=NOW)

    async def page(limit: int = 9, *, newest: bool = False, **fields: Any) -> list[int]:
        asked = Page(limit=limit, newest_first=newest, **fields)
        found = await state.page(asked, account="acct-1")
        return [ids.index(each.id) for each in found]

    assert await page() == [0, 1, 2, 4, 5]
    assert await page(2, newest=True) == [5, 4]
    assert await page(2, after=ids[1]) == [2, 4]
    assert await page(2, after=ids[3]) == [4, 5]
    assert await page(2, before=ids[5]) == [2, 4]
    assert await page(2, newest=True, before=ids[0]) == [2, 1]
    assert await page(after=ids[0], before=ids[4]) == [1, 2]
    assert await page(metadata={"n": "1", "键": "值"}) == [1, 5]
    assert await page(1, newest=True, metadata={"n": "0"}) == [4]
    assert await page(metadata={"n": "2"}) == []
    with pytest.raises(KeyError):
        await page(after="cache-" + "9" * 20)


async def test_living_tokens_leave_out_the_failed_and_the_expired(
    state: State,
) -> None:
    for number, built in enumerate(("pending", "ready", "error")):
        await state.add(record(number, built=built), CONTENT)
    await state.add(record(8, expired_at=NOW + 1), CONTENT)
    assert await state.living_tokens("acct-1", now=NOW) == 30
    assert await state.living_tokens("acct-1", now=NOW + 1) == 20
    ours, values = "acct-1", {"expired_at": NOW + 5}
    await state.change(record(8).id, account=ours, values=values)
    await state.change(record(0).id, account=ours, values={"built": "error"})
    assert await state.living_tokens(ours, now=NOW + 1) == 20
    census = await state.census(NOW + 1)
    assert census.pop("inactive", 0) == 0
    assert census == {"pending": 1, "ready": 1, "error": 2}
    assert (await state.census(NOW + 700))["inactive"] == 2


async def test_a_claim_is_had_by_one_owner_until_it_ends(
    state: State, another: Open
) -> None:
    other, cache_id = await another(), record().id
    claims = [(state, "a"), (other, "b")] * 8
    taken = await asyncio.gather(
        *(each.claim(cache_id, owner=owner, seconds=60) for each, owner in claims)
    )
    assert set(taken[::2]) ^ set(taken[1::2]) == {True, False}
    winner = "a" if taken[0] else "b"
    loser = {"a": "b", "b": "a"}[winner]
    await other.release(cache_id, owner=loser)
    assert not await other.claim(cache_id, owner=loser, seconds=60)
    assert await state.claim(cache_id, owner=winner, seconds=0.001)
    while not await other.claim(cache_id, owner=loser, seconds=60):
        pass
    await other.release(cache_id, owner=loser)
    assert await state.claim(cache_id, owner=winner, seconds=60)


async def test_tags_move_are_listed_and_go(state: State) -> None:
    names = ["b", "a", "c"]
    for name in names:
        await state.bind(Tag(name, record(1).id, NOW), account="acct-1")
    await state.bind(Tag("b", record(2).id, NOW + 1), account="acct-1")
    moved = Tag("b", record(2).id, NOW + 1)
    assert await state.tag("b", account="acct-1") == moved
    assert await state.tag("b", account="acct-2") is None

    async def page(limit: int = 9, *, newest: bool = False, **fields: Any) -> list[str]:
        asked = Page(limit=limit, newest_first=newest, **fields)
        return [tag.tag for tag in await state.tags(asked, account="acct-1")]

    assert await page() == names
    assert await page(2, newest=True) == ["c", "a"]
    assert await page(1, after="b") == ["a"]
    assert await page(1, before="c") == ["a"]
    with pytest.raises(KeyError):
        await page(after="z")
    await state.unbind("a", account="acct-2")
    await state.unbind("a", account="acct-1")
    await state.unbind("a", account="acct-1")
    assert await page() == ["b", "c"]


async def test_counts_add_up_by_day_and_model(state: State, another: Open) -> None:
    other = await another()
    add = {"calls": 1, "prompt_tokens": 9}
    adding = [
        each.count("acct-1", day="2026-01-02", model="m", add=add)
        for each in (state, other) * 10
    ]
    await asyncio.gather(*adding)
    await state.count("acct-1", day="2026-01-01", model="m/灯", add={"prefixes_run": 1})
    nothing = dict.fromkeys(COUNTERS, 0)
    assert await other.statement("acct-1") == [
        ("2026-01-01", "m/灯", nothing | {"prefixes_run": 1}),
        ("2026-01-02", "m", nothing | {"calls": 20, "prompt_tokens": 180}),
    ]
    assert await state.statement("acct-2") == []


async def test_what_is_long_over_is_forgotten(state: State) -> None:
    old = NOW - RETENTION - 100
    await state.add(record(1, created_at=old - 5, expired_at=old), CONTENT)
    await state.add(record(2), CONTENT)
    assert await state.find(record(1).id, account="acct-1") is None
    assert await state.content(record(1).id) is None
    left = await state.page(Page(limit=9, newest_first=True), account="acct-1")
    assert [each.id for each in left] == [record(2).id]
    assert (await state.census(NOW))["pending"] == 1


async def test_the_salt_is_the_same_for_all_and_for_ever(another: Open) -> None:
    first, second = await another(), await another()
    assert await first.open() == await second.open()
    assert len(await first.open()) >= 32
    await first.check()


async def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "theirs.sqlite"
    with sqlite3.connect(path) as theirs:
        theirs.execute("CREATE TABLE precious (x)")
    theirs.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="not a database of this gateway"):
        await SqliteState(str(path)).open()
    assert path.read_bytes() == before
    path.write_text("no database at all" * 100)
    with pytest.raises(StoreError, match="cannot be used"):
        await SqliteState(str(path)).open()
    with pytest.raises(StoreError, match="cannot be used"):
        await SqliteState(str(tmp_path / "no" / "such" / "place")).open()


async def test_a_redis_that_is_not_there_is_told_without_its_password() -> None:
    pytest.importorskip("redis", reason="redis-py is not installed: extra [redis]")
    from langchain_moonshot_cache.server.gateway.redis import (  # noqa: PLC0415
        RedisState,
    )

    state = RedisState("redis://:secret-word@127.0.0.1:9/0")
    with pytest.raises(StoreError, match="Redis cannot be used") as refused:
        await state.open()
    assert "secret-word" not in str(refused.value)
    await state.close()


async def test_long_contents_stay_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    state = SqliteState(str(path))
    await state.open()
    size = 400_000  # bytes, of about 100,000 tokens
    before = _resident()
    for number in range(200):
        text = b'[{"role":"user","content":"' + f"{number:06}".encode() * (size // 6)
        await state.add(record(number), Content(text + b'"}]', None))
    assert _resident() - before < 20_000_000
    await state.close()


def _resident() -> int:
    """Return the bytes of memory that this process holds."""
    if not sys.platform.startswith("linux"):
        pytest.skip("reads /proc")
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - not a file
        return int(file.read().split()[1]) * 4096
