"""With a broken registry or endpoint the answer still comes, and says what is wrong."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from chat_kit import CACHING, QUESTION, chat_requests, model_of, told
from faults_kit import CREATE
from langchain_core.messages import SystemMessage
from registry_kit import Redis

from langchain_moonshot_cache.errors import RegistryError
from langchain_moonshot_cache.lifecycle.breaker import COOL_DOWN
from langchain_moonshot_cache.registry import MemoryRegistry, SqliteRegistry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from colour_kit import Face

    from langchain_moonshot_cache.testing import MoonshotServer

    Trouble = Callable[[SqliteRegistry], AbstractContextManager[None]]

OUT_OF_ORDER = "the registry is out of order: RegistryError"
SOON = 0.05
"""Seconds that a registry waits for what hangs."""


def asking(about: str) -> list[Any]:
    return [SystemMessage(f"You know everything about {about}."), QUESTION]


@contextmanager
def locked(registry: SqliteRegistry) -> Iterator[None]:
    with closing(sqlite3.connect(registry.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def restricted(registry: SqliteRegistry, pragma: str) -> Iterator[None]:
    """Restrict every connection that is opened meanwhile, and only those."""
    database = registry._database
    opened = database.open

    def restrict() -> sqlite3.Connection:
        connection = opened()
        connection.execute(pragma)
        return connection

    with patch.object(database, "open", restrict):
        database._session().writer._forget()
        yield
    database._session().writer._forget()


@contextmanager
def full(registry: SqliteRegistry) -> Iterator[None]:
    """Let no page be added, and leave no room for an entry in those that are there."""
    with registry._database.reading() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
    chance = Random(1)  # noqa: S311 - keys that spread like digests
    with restricted(registry, f"PRAGMA max_page_count = {pages}"):
        for _ in range(150):
            with suppress(RegistryError):
                registry.claim(chance.randbytes(20).hex(), owner="ann", lease=600)
        yield


def read_only(registry: SqliteRegistry) -> AbstractContextManager[None]:
    return restricted(registry, "PRAGMA query_only = 1")


@contextmanager
def corrupt(registry: SqliteRegistry) -> Iterator[None]:
    whole = registry.path.read_bytes()
    registry._database._session().close()
    registry.path.write_bytes(b"this was a registry once" * 100)
    yield
    registry.path.write_bytes(whole)


def delete_all(directory: Path) -> None:
    for file in directory.iterdir():
        file.unlink()


@pytest.mark.parametrize("trouble", [locked, full, read_only, corrupt])
async def test_a_file_in_trouble_costs_the_cache_and_not_the_answer(
    server: MoonshotServer, face: Face, tmp_path: Path, trouble: Trouble
) -> None:
    registry = SqliteRegistry(tmp_path / "registry.sqlite", busy_timeout=SOON)
    llm = model_of(server, registry=registry)
    await face.invoke(llm, asking("lighthouses"))
    with trouble(registry):
        answer = await face.invoke(llm, asking("ships"))
        assert answer.text
        assert told(answer)["reason"] == OUT_OF_ORDER
        assert told(answer)["outcome"] == "bypassed"
        # What this client knows by itself is used all the same.
        known = await face.invoke(llm, asking("lighthouses"))
        assert told(known)["outcome"] == "hit"
    after = await face.invoke(llm, asking("harbours"))
    assert told(after)["outcome"] == "write"
    registry.close()


async def test_a_file_deleted_meanwhile_is_made_anew(
    server: MoonshotServer, face: Face, tmp_path: Path
) -> None:
    registry = SqliteRegistry(tmp_path / "registry.sqlite")
    llm = model_of(server, registry=registry)
    await face.invoke(llm, asking("lighthouses"))
    delete_all(tmp_path)
    assert told(await face.invoke(llm, asking("ships")))["outcome"] == "write"
    await face.release(llm)
    registry.close()


async def test_a_file_that_cannot_be_is_a_reason(
    server: MoonshotServer, face: Face, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    llm = model_of(server, registry=f"sqlite:///{tmp_path}/file/registry.sqlite")
    answer = await face.invoke(llm, asking("ships"))
    assert answer.text
    assert told(answer)["reason"] == OUT_OF_ORDER


async def test_a_redis_that_is_gone_is_a_reason_until_it_is_back(
    server: MoonshotServer, face: Face
) -> None:
    with closing(Redis()) as redis:
        llm = model_of(server, registry=redis.patient_url)
        await face.invoke(llm, asking("lighthouses"))
        redis.stop()
        answer = await face.invoke(llm, asking("harbours"))
        assert told(answer)["reason"] == OUT_OF_ORDER
        redis.start()
        answer = await face.invoke(llm, asking("islands"))
        assert told(answer)["outcome"] == "write"
        llm._caching.shared.registry.close()


async def test_a_redis_that_says_nothing_is_waited_for_no_longer_than_told(
    server: MoonshotServer, face: Face
) -> None:
    with closing(Redis()) as redis:
        llm = model_of(server, registry=f"{redis.url}?socket_timeout={SOON}")
        redis.pause()
        answer = await face.invoke(llm, asking("ships"))
        assert told(answer)["reason"] == OUT_OF_ORDER
        redis.resume()
        llm._caching.shared.registry.close()


async def test_a_redis_with_another_password_is_a_reason_without_either(
    server: MoonshotServer, face: Face, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(Redis("--requirepass", "open-sesame")) as redis:
        url = redis.url.replace("unix://", "unix://:open-barley@")
        llm = model_of(server, registry=url)
        answer = await face.invoke(llm, asking("ships"))
        assert answer.text
        assert told(answer)["reason"] == OUT_OF_ORDER
        assert "open-" not in f"{caplog.text} {answer!r} {llm!r}"
        llm._caching.shared.registry.close()


async def test_trouble_is_logged_once(
    server: MoonshotServer,
    face: Face,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "file").touch()
    llm = model_of(server, registry=f"sqlite:///{tmp_path}/file/registry.sqlite")
    for number in range(5):
        await face.invoke(llm, asking(f"ship {number}"))
    ours = [r for r in caplog.records if r.name == "langchain_moonshot_cache"]
    cache, ledger = [r.getMessage() for r in ours if r.levelname == "WARNING"]
    assert cache == f"calls go without a cache: {OUT_OF_ORDER}"
    assert ledger.startswith("the ledger is kept in this process for now")


async def test_a_cache_of_another_account_is_refused_and_replaced(
    server: MoonshotServer, face: Face
) -> None:
    registry = MemoryRegistry()
    stranger = model_of(server, api_key="sk-somebody-else", registry="memory://")
    theirs = await face.invoke(stranger, asking("ships"))
    first = model_of(server, registry=registry)
    await face.invoke(first, asking("ships"))
    (entry,) = registry.entries()
    registry.record(replace(entry, cache_id=told(theirs)["cache_id"]))
    second = model_of(server, registry=registry)
    answer = await face.invoke(second, asking("ships"))
    assert answer.text
    assert "refused the reference" in told(answer)["reason"]
    assert told(answer)["cache_id"] is None
    again = await face.invoke(second, asking("ships"))
    assert told(again)["outcome"] == "hit"
    assert told(again)["cache_id"] != told(theirs)["cache_id"]


# The endpoint --------------------------------------------------------------------


def creates_tried(server: MoonshotServer) -> int:
    return len(server.requests(method=CREATE[0], path=CREATE[1]))


async def test_an_endpoint_that_fails_is_left_alone_by_all_who_share_a_registry(
    server: MoonshotServer, face: Face, tmp_path: Path
) -> None:
    shift = [0.0]
    registry = SqliteRegistry(
        tmp_path / "registry.sqlite", clock=lambda: time.time() + shift[0]
    )
    models = [model_of(server, registry=registry) for _ in range(2)]
    server.fail("status", method=CREATE[0], path=CREATE[1], status=500)
    for number in range(3):
        await face.invoke(models[0], asking(f"ship {number}"))
    tried = creates_tried(server)
    server.clear()
    assert tried == 3
    for number, llm in enumerate(models * 3):
        answer = await face.invoke(llm, asking(f"island {number}"))
        assert "failed repeatedly and is left alone" in told(answer)["reason"]
    # One request for each call, and none to the endpoint.
    assert len(chat_requests(server)) == len(server.requests()) == 6
    shift[0] = COOL_DOWN + 1
    assert told(await face.invoke(models[1], asking("reefs")))["outcome"] == "write"
    assert told(await face.invoke(models[0], asking("bays")))["outcome"] == "write"
    registry.close()


@pytest.mark.parametrize("status", [404, 200])
async def test_a_retired_endpoint_is_noticed_once_for_all(
    server: MoonshotServer, face: Face, tmp_path: Path, status: Any
) -> None:
    registry = SqliteRegistry(tmp_path / "registry.sqlite")
    server.retire(status)
    for number in range(6):
        llm = model_of(server, registry=registry)
        answer = await face.invoke(llm, asking(f"island {number}"))
        assert answer.text
        assert told(answer)["outcome"] == "bypassed"
    assert "does not offer /v1/caching" in told(answer)["reason"]
    asked = [r for r in server.requests() if r.path.startswith(CACHING)]
    assert len(asked) == 1
    registry.close()
