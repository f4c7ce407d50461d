"""Nothing grows with the number of calls; threads and forks share a model safely."""

from __future__ import annotations

import gc
import json
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
from chat_kit import QUESTION, model_of, told
from colour_kit import COLOURS, Face
from faults_kit import child, serving
from langchain_core.messages import SystemMessage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_moonshot_cache import ChatMoonshotCached
    from langchain_moonshot_cache.testing import MoonshotServer

PROMPTS = [
    [SystemMessage(f"You know everything about island {number}."), QUESTION]
    for number in range(20)
]
THREADS = 16
LAST_DAY = "9999-12-31"
NOISE = 300_000
"""Bytes that may come and go between two looks: caches of the interpreter, a chunk of
a buffer. Ten bytes a call would be noticed at 10,000 calls, 100 at 2,000."""


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def use(face: Face, llm: ChatMoonshotCached, calls: int) -> None:
    """Hit, stream, and now and then release, so that caches are made anew."""
    for number in range(calls):
        prompt = PROMPTS[number % len(PROMPTS)]
        style = "stream" if number % 10 == 0 else "invoke"
        await face.answer(llm, prompt, style=style)
        if number % 100 == 99:
            await face.release(llm)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("kind", "calls"),
    [
        pytest.param("memory", 2_000, marks=pytest.mark.faults),
        pytest.param("sqlite", 2_000, marks=pytest.mark.faults),
        pytest.param("memory", 10_000, marks=pytest.mark.nightly),
        pytest.param("sqlite", 10_000, marks=pytest.mark.nightly),
    ],
)
@pytest.mark.parametrize("colour", COLOURS)
async def test_calls_leave_nothing_behind(
    tmp_path: Path, colour: str, kind: str, calls: int
) -> None:
    """Beside what a ledger is for: each cache that there was, until it is forgotten."""
    url = "memory://" if kind == "memory" else f"sqlite:///{tmp_path}/registry.sqlite"
    # In another process, for it remembers every request and writes a bill.
    with serving("--ready-after", "0") as (server, _), tracing():
        llm, face = model_of(server, registry=url), Face(colour)
        await use(face, llm, calls // 4)
        llm.ledger.forget(before=LAST_DAY)
        before = looked_at()
        await use(face, llm, calls)
        llm.ledger.forget(before=LAST_DAY)
        after = looked_at()
    assert after["descriptors"] <= before["descriptors"]
    assert after["threads"] <= before["threads"]
    assert after["bytes"] - before["bytes"] < NOISE
    llm._caching.shared.registry.close()


@contextmanager
def tracing() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def looked_at() -> dict[str, int]:
    """Count what is open and alive, once all that was let go is gone."""
    gc.collect()
    used, _ = tracemalloc.get_traced_memory()
    return {
        "descriptors": descriptors(),
        "threads": sum(
            # An event loop's own pool grows up to its bound, whenever all are busy.
            not thread.name.startswith("asyncio_")
            for thread in threading.enumerate()
        ),
        "bytes": used,
    }


def test_sixteen_threads_share_a_model_and_pay_once_for_each_prompt(
    moonshot_server: MoonshotServer, tmp_path: Path
) -> None:
    moonshot_server.configure(ready_after=0)
    registry = f"sqlite:///{tmp_path}/registry.sqlite"
    llm = model_of(moonshot_server, registry=registry, cache_wait=30)
    start = Barrier(THREADS)

    def ask_all(_number: int) -> list[Any]:
        start.wait()
        return [llm.invoke(prompt) for prompt in PROMPTS[:5]]

    with ThreadPoolExecutor(THREADS) as threads:
        answers = [a for many in threads.map(ask_all, range(THREADS)) for a in many]
    assert moonshot_server.creates() == 5
    assert all(told(answer)["cache_id"] for answer in answers)
    assert sum(told(answer)["outcome"] == "write" for answer in answers) == 5
    assert llm.release() == 5
    assert not moonshot_server.caches()
    llm._caching.shared.registry.close()


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_model_is_used_on_both_sides_of_a_fork(
    moonshot_server: MoonshotServer, tmp_path: Path, kind: str
) -> None:
    moonshot_server.configure(ready_after=0)
    url = "memory://" if kind == "memory" else f"sqlite:///{tmp_path}/registry.sqlite"
    process = child("fork", moonshot_server.base_url, url)
    said, trouble = process.communicate(timeout=60)
    assert (process.returncode, trouble) == (0, "")
    outcomes = [json.loads(line) for line in said.splitlines()]
    assert sorted(outcomes) == [
        ["child", "hit", "write"],
        ["parent", "hit", "write"],
        ["parent before", "write"],
    ]
    assert not moonshot_server.caches()
