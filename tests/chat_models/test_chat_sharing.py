"""One create for a prefix, whoever asks; nothing shared between keys; nothing left."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from chat_kit import KEY, QUESTION, SYSTEM, height, told
from langchain_core.messages import HumanMessage, SystemMessage

from langchain_moonshot_cache import Ledger
from langchain_moonshot_cache.manager import shared

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from colour_kit import Face

    from langchain_moonshot_cache import ChatMoonshotCached
    from langchain_moonshot_cache.testing import MoonshotServer

    Make = Callable[..., ChatMoonshotCached]

THREADS = 50
TASKS = 500
AMPLE = 60.0
"""Seconds for what takes less than one, unless the machine does other things too."""


def outcomes(answers: list[Any]) -> dict[str, int]:
    found = [told(answer)["outcome"] for answer in answers]
    return {name: found.count(name) for name in set(found)}


@pytest.mark.parametrize("wait", [0.0, AMPLE])
def test_fifty_threads_on_a_cold_prefix_make_one_cache(
    server: MoonshotServer, make: Make, wait: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "_REQUEST_TIMEOUT", AMPLE)
    llm = make(cache_wait=wait)
    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(
            pool.map(
                lambda n: llm.invoke([SYSTEM, HumanMessage(f"Question {n}?")]),
                range(2 * THREADS),
            )
        )

    assert server.creates() == 1
    assert all(f"Question {n}?" in a.text for n, a in enumerate(answers))
    assert outcomes(answers)["write"] == 1
    if wait:
        assert outcomes(answers) == {"write": 1, "hit": 2 * THREADS - 1}
    assert llm.release() == 1
    assert server.caches() == []


@pytest.mark.parametrize("wait", [0.0, AMPLE])
async def test_five_hundred_tasks_on_a_cold_prefix_make_one_cache(
    server: MoonshotServer, make: Make, wait: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # They keep the loop busy for longer, perhaps, than a lonely create may take.
    monkeypatch.setattr(shared, "_REQUEST_TIMEOUT", AMPLE)
    llm = make(cache_wait=wait)
    answers = await asyncio.gather(
        *(llm.ainvoke([SYSTEM, HumanMessage(f"Question {n}?")]) for n in range(TASKS))
    )

    assert server.creates() == 1
    assert all(f"Question {n}?" in a.text for n, a in enumerate(answers))
    if wait:
        assert outcomes(answers) == {"write": 1, "hit": TASKS - 1}
    assert await llm.arelease() == 1
    assert server.caches() == []


def test_threads_and_tasks_on_one_model_make_one_cache(
    server: MoonshotServer, make: Make
) -> None:
    llm = make(cache_wait=AMPLE)

    async def tasks() -> list[Any]:
        return await asyncio.gather(
            *(llm.awarm([SYSTEM], tools=[height]) for _ in range(20))
        )

    with ThreadPoolExecutor(4) as pool:
        warmed = [pool.submit(llm.warm, [SYSTEM], tools=[height]) for _ in range(4)]
        ids = {outcome.entry.cache_id for outcome in asyncio.run(tasks())}
        ids |= {outcome.result().entry.cache_id for outcome in warmed}  # type: ignore[union-attr]  # all are ready

    assert len(ids) == 1
    assert server.creates() == 1


async def test_models_of_one_key_share_a_cache_through_the_registry(
    face: Face, server: MoonshotServer, make: Make, tmp_path: Path
) -> None:
    registry = f"sqlite:///{tmp_path}/caches.db"
    first, second = make(registry=registry), make(registry=registry)
    await face.invoke(first, [SYSTEM, QUESTION])
    found = await face.invoke(second, [SYSTEM, QUESTION])

    assert told(found)["outcome"] == "hit"
    assert server.creates() == 1
    assert await face.release(first) == 0
    assert len(server.caches()) == 1
    again = await face.invoke(second, [SYSTEM, QUESTION])
    assert told(again)["outcome"] == "hit"


async def test_who_lets_go_of_a_cache_keeps_nobody_from_deleting_it(
    face: Face, server: MoonshotServer, make: Make, tmp_path: Path
) -> None:
    registry = f"sqlite:///{tmp_path}/caches.db"
    maker, user = make(registry=registry), make(registry=registry)
    for llm in (maker, user):
        await face.invoke(llm, [SYSTEM, QUESTION])
    assert await face.release(user) == 0
    assert len(server.caches()) == 1
    # Whoever uses it again, counts again.
    assert told(await face.invoke(user, [SYSTEM, QUESTION]))["outcome"] == "hit"
    assert await face.release(user, [SYSTEM]) == 0
    assert await face.release(maker) == 1
    assert server.caches() == []


async def test_models_of_different_keys_share_nothing(
    face: Face, server: MoonshotServer, make: Make, tmp_path: Path
) -> None:
    registry = f"sqlite:///{tmp_path}/caches.db"
    models = [make(registry=registry, api_key=f"{KEY}-{n}") for n in range(2)]
    answers = [await face.invoke(llm, [SYSTEM, QUESTION]) for llm in models]
    again = [await face.invoke(llm, [SYSTEM, QUESTION]) for llm in models]

    assert [told(answer)["outcome"] for answer in answers] == ["write", "write"]
    assert [told(answer)["outcome"] for answer in again] == ["hit", "hit"]
    assert len({told(answer)["cache_id"] for answer in answers}) == 2
    assert len({cache["account"] for cache in server.caches()}) == 2


def test_the_registry_holds_no_prompt_and_no_key(make: Make, tmp_path: Path) -> None:
    llm = make(registry=f"sqlite:///{tmp_path}/caches.db")
    llm.bind_tools([height]).invoke([SYSTEM, QUESTION])
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert written
    for secret in (KEY, str(SYSTEM.content), str(QUESTION.content), "lighthouse"):
        assert secret.encode() not in written


async def test_warming_first_makes_every_call_a_hit(
    face: Face, style: str, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    prefix = [SYSTEM, HumanMessage("A document, and no mark on it.")]
    warmed = await face.warm(llm, prefix, tools=[height])
    answer = await face.answer(
        llm.bind_tools([height]), [*prefix, QUESTION], style=style
    )

    assert warmed.how == "created"
    assert told(answer)["outcome"] == "hit"
    assert told(answer)["cache_id"] == warmed.entry.cache_id
    assert len(server.chats()[0].messages) == 3
    assert server.creates() == 1
    assert (await face.warm(llm, prefix, tools=[height])).how == "found"


async def test_releasing_leaves_nothing_and_the_next_call_starts_anew(
    face: Face, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    prompts = [[SystemMessage(f"You are {n}."), QUESTION] for n in range(3)]
    for prompt in prompts:
        await face.invoke(llm, prompt)

    assert await face.release(llm, prompts[0][:1]) == 1
    assert len(server.caches()) == 2
    assert await face.release(llm) == 2
    assert server.caches() == []
    assert await face.release(llm) == 0
    assert told(await face.invoke(llm, prompts[0]))["outcome"] == "write"


async def test_leaving_the_model_deletes_its_caches(
    face: Face, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    async def leave_by_an_error() -> None:
        if face.is_sync:
            with llm:
                llm.invoke([SYSTEM, QUESTION])
                raise ZeroDivisionError
        async with llm:
            await llm.ainvoke([SYSTEM, QUESTION])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await leave_by_an_error()
    assert server.creates() == 1
    assert server.caches() == []


@pytest.mark.parametrize("seconds", [0.0, 0.002, 0.01, 0.03, 0.06])
async def test_a_cancelled_call_leaves_nothing_after_release(
    server: MoonshotServer, make: Make, seconds: float
) -> None:
    llm = make(cache_wait=30)
    server.configure(ready_after=30)
    task = asyncio.create_task(llm.ainvoke([SYSTEM, QUESTION]))
    await asyncio.wait([task], timeout=seconds)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    server.configure(ready_after=0)
    # Whoever comes next finds what the cancelled call may have left behind.
    for manager in (llm._caching.sync, llm._caching.aio):
        manager.client.server_time_offset = 600.0
    server.clock.advance(600)
    answer = await llm.ainvoke([SYSTEM, QUESTION])
    await llm.arelease()

    assert str(QUESTION.content) in answer.text
    assert server.creates() <= 1
    assert server.caches() == []


async def test_models_can_share_a_ledger(
    face: Face, server: MoonshotServer, make: Make
) -> None:
    ledger = Ledger()
    models = [make(ledger=ledger, model=f"moonshot-v1-{size}k") for size in (8, 32)]
    for llm in models:
        await face.invoke(llm, [SYSTEM, QUESTION])
        await face.streamed(llm, [SYSTEM, QUESTION])

    totals = ledger.totals()
    assert {name: total.calls for name, total in totals.items()} == {
        "moonshot-v1-8k": 2,
        "moonshot-v1-32k": 2,
    }
    spent = sum(total.cost["CNY"] for total in totals.values())
    lines = server.bill(KEY).totals
    assert spent == lines["calls"] + lines["input"] + lines["output"]
    assert models[0].ledger is ledger
