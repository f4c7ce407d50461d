"""Whatever goes wrong with caching, the answer comes, says why, and logs once."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from chat_kit import CACHING, KEY, QUESTION, SYSTEM, bodies, height, reference, told
from langchain_core.messages import HumanMessage, SystemMessage

from langchain_moonshot_cache import CachePolicy, ChatMoonshotCached, RegistryError
from langchain_moonshot_cache.chat_models.planning import Planner
from langchain_moonshot_cache.registry import MemoryRegistry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from colour_kit import Face

    from langchain_moonshot_cache.testing import MoonshotServer

    Make = Callable[..., ChatMoonshotCached]

PATHS = (CACHING, f"{CACHING}/{{id}}")
FAULTS: dict[str, dict[str, Any]] = {
    "500": {"kind": "status", "status": 500},
    "429": {"kind": "status", "status": 429},
    "400": {"kind": "status", "status": 400},
    "401": {"kind": "status", "status": 401},
    "402": {"kind": "status", "status": 402},
    "HTML": {"kind": "html", "status": 502},
    "HTML as success": {"kind": "html", "status": 200},
    "cut": {"kind": "cut"},
    "cut body": {"kind": "cut_body"},
    "malformed": {"kind": "malformed"},
    "reply lost": {"kind": "reply_lost"},
    "build fails": {"kind": "build_fails"},
}


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what this package logged."""
    ours = "langchain_moonshot_cache"
    return [r.getMessage() for r in caplog.records if r.name.startswith(ours)]


@pytest.mark.parametrize("fault", FAULTS)
async def test_trouble_with_the_caching_endpoint_never_reaches_the_answer(
    talk: tuple[Face, str],
    server: MoonshotServer,
    llm: ChatMoonshotCached,
    caplog: pytest.LogCaptureFixture,
    fault: str,
) -> None:
    face, style = talk
    for path in PATHS:
        server.fail(**FAULTS[fault], path=path)
    bound = llm.bind_tools([height])
    with caplog.at_level(logging.WARNING, "langchain_moonshot_cache"):
        answers = [
            await face.answer(
                bound, [SYSTEM, HumanMessage(f"Number {n}?")], style=style
            )
            for n in range(4)
        ]

    for n, answer in enumerate(answers):
        assert f"Number {n}?" in answer.text
        assert told(answer)["outcome"] == "bypassed"
        assert told(answer)["reason"]
        assert told(answer)["cache_id"] is None
        assert told(answer)["cost"] == told(answer)["cost_uncached"]
    assert [reference(body) for body in bodies(server)] == [None] * 4
    assert all(body["tools"] for body in bodies(server))
    assert len(warnings(caplog)) == 1
    assert KEY not in caplog.text
    assert str(SYSTEM.content) not in caplog.text


@pytest.mark.parametrize("fault", ["500", "cut", "malformed", "reply lost"])
async def test_after_the_trouble_the_cache_is_used_and_made_once(
    face: Face, server: MoonshotServer, llm: ChatMoonshotCached, fault: str
) -> None:
    server.fail(**FAULTS[fault], path=CACHING, method="POST", nth=1)
    await face.invoke(llm, [SYSTEM, QUESTION])
    # Most of an hour later, as a reply to either client would tell.
    server.clock.advance(3600 - 60)
    for manager in (llm._caching.sync, llm._caching.aio):
        manager.client.server_time_offset = 3600 - 60
    after = await face.warm(llm, [SYSTEM])
    answer = await face.invoke(llm, [SYSTEM, QUESTION])

    assert told(answer)["outcome"] == "hit"
    assert told(answer)["cache_id"] == after.entry.cache_id
    assert server.creates() == 1
    assert await face.release(llm) == 1
    assert server.caches() == []


async def test_a_caching_endpoint_that_hangs_delays_one_call_and_by_no_more_than_agreed(
    face: Face,
    server: MoonshotServer,
    llm: ChatMoonshotCached,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "langchain_moonshot_cache.manager.shared._REQUEST_TIMEOUT", 0.05
    )
    server.fail("delay", path=CACHING, seconds=2.0, nth=1)
    first = await face.invoke(llm, [SYSTEM, QUESTION])
    second = await face.invoke(llm, [SYSTEM, QUESTION])

    assert told(first)["outcome"] == told(second)["outcome"] == "bypassed"
    assert "ConnectionFailedError" in told(second)["reason"]
    assert len(server.chats()) == 2
    assert len(server.requests(path=CACHING)) <= 1


@pytest.mark.parametrize("status", [404, 200])
async def test_an_endpoint_without_named_caching_is_asked_once(
    talk: tuple[Face, str],
    server: MoonshotServer,
    llm: ChatMoonshotCached,
    caplog: pytest.LogCaptureFixture,
    status: Any,
) -> None:
    face, style = talk
    server.retire(status)
    with caplog.at_level(logging.WARNING, "langchain_moonshot_cache"):
        prompts = [[SystemMessage(f"You are {n}."), QUESTION] for n in range(4)]
        answers = [await face.answer(llm, prompt, style=style) for prompt in prompts]

    assert {told(answer)["outcome"] for answer in answers} == {"bypassed"}
    assert "does not offer /v1/caching" in told(answers[-1])["reason"]
    assert len(server.requests(path=CACHING)) == 1
    assert len(warnings(caplog)) <= 2


async def test_without_waiting_a_pending_cache_serves_the_next_call(
    face: Face, style: str, server: MoonshotServer, make: Make
) -> None:
    server.clock.freeze()
    server.configure(ready_after=50)
    llm = make(cache_wait=0)
    first = await face.answer(llm, [SYSTEM, QUESTION], style=style)
    second = await face.answer(llm, [SYSTEM, QUESTION], style=style)
    server.clock.advance(60)
    third = await face.answer(llm, [SYSTEM, QUESTION], style=style)

    assert [told(answer)["cache_id"] for answer in (first, second)] == [None, None]
    assert "pending" in told(first)["reason"]
    assert "pending" in told(second)["reason"]
    assert told(third)["outcome"] == "hit"
    assert server.creates() == 1
    assert await face.release(llm) == 1


async def test_a_cache_that_is_still_pending_is_released_too(
    face: Face, server: MoonshotServer, make: Make
) -> None:
    server.clock.freeze()
    server.configure(ready_after=50)
    llm = make(cache_wait=0)
    await face.invoke(llm, [SYSTEM, QUESTION])

    assert len(server.caches(status="pending")) == 1
    assert await face.release(llm) == 1
    assert server.caches() == []


class BrokenRegistry(MemoryRegistry):
    """Fails in a way that no registry may."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def lookup(self, key: str) -> Any:  # noqa: ARG002 - the contract's
        raise self.error


@pytest.mark.parametrize(
    "error", [RegistryError("locked"), OSError("disk"), ZeroDivisionError()]
)
async def test_a_broken_registry_is_told_once_and_does_no_harm(
    face: Face,
    style: str,
    make: Make,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    llm = make(registry=BrokenRegistry(error))
    with caplog.at_level(logging.WARNING, "langchain_moonshot_cache"):
        answers = [
            await face.answer(llm, [SYSTEM, QUESTION], style=style) for _ in range(3)
        ]

    assert {told(answer)["outcome"] for answer in answers} == {"bypassed"}
    assert type(error).__name__ in told(answers[0])["reason"]
    assert len(warnings(caplog)) == 1


class Unwritable(MemoryRegistry):
    """Cannot end a hold."""

    def drop(self, key: str, *, holder: str) -> int:  # noqa: ARG002 - the contract's
        raise RegistryError("locked")


async def test_a_hold_that_cannot_be_ended_is_no_trouble_of_who_leaves(
    face: Face, server: MoonshotServer, make: Make
) -> None:
    registry = Unwritable()
    for _ in range(2):
        user = make(registry=registry)
        await face.invoke(user, [SYSTEM, QUESTION])
    assert await face.release(user) == 0
    assert len(server.caches()) == 1


class BrokenPolicy(CachePolicy):
    """Fails in a way that no policy may."""

    def create(self, *, tokens: int, **_known: Any) -> Any:
        raise ValueError(f"secret {tokens}")


async def test_a_broken_policy_is_told_once_and_does_no_harm(
    face: Face, style: str, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    llm = make(cache_policy=BrokenPolicy())
    with caplog.at_level(logging.WARNING, "langchain_moonshot_cache"):
        answers = [
            await face.answer(llm, [SYSTEM, QUESTION], style=style) for _ in range(3)
        ]

    assert {told(answer)["reason"] for answer in answers} == {
        "caching is out of order: ValueError"
    }
    assert len(warnings(caplog)) == 1
    assert "secret" not in caplog.text


async def test_a_registry_that_cannot_be_opened_does_no_harm(
    face: Face, make: Make, tmp_path: Path
) -> None:
    (tmp_path / "other.db").write_bytes(b"not a database, but somebody's file" * 99)
    llm = make(registry=f"sqlite:///{tmp_path}/other.db")
    answer = await face.invoke(llm, [SYSTEM, QUESTION])

    assert told(answer)["outcome"] == "bypassed"
    assert "registry" in told(answer)["reason"]
    assert (tmp_path / "other.db").read_bytes().startswith(b"not a database")
    assert Decimal(told(answer)["cost"]) > 0


def test_tools_that_came_with_a_prompt_survive_a_broken_plan(
    moonshot_server: MoonshotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object, **__: object) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(Planner, "plan", break_down)
    tool = {"type": "function", "function": {"name": "look_up", "parameters": {}}}
    system = SystemMessage(
        "Look things up.", additional_kwargs={"cache": {"tools": [tool]}}
    )
    llm = ChatMoonshotCached(
        model="moonshot-v1-8k",
        api_key=moonshot_server.api_key,
        base_url=moonshot_server.base_url,
        registry="memory://",
    )
    llm.invoke([system, HumanMessage("What is a lighthouse?")])
    [chat] = moonshot_server.chats()
    assert [tool["function"]["name"] for tool in chat.tools or ()] == ["look_up"]
