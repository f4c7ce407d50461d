"""A batch on a cold prefix has it cached once: one call leads, the others read."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, replace
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

import pytest
from chat_kit import CACHING, CHAT, chat_requests
from colour_kit import COLOURS
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.runnables import RunnableParallel
from tried_kit import KIMI, LORE, MODEL, PROMPT, Stand, outcomes

from langchain_moonshot_cache.chat_models import batches
from langchain_moonshot_cache.chat_models.batches import _TOGETHER, _together
from langchain_moonshot_cache.chat_models.written import Written
from langchain_moonshot_cache.runnables import plain as plain_models

if TYPE_CHECKING:
    from langchain_moonshot_cache.testing import MoonshotServer

SIZE = 64
PATIENT = {"cache_wait": 30.0}
"""A machine that does other things too may take its time with 64 calls."""
SLOW = 0.2
"""Real seconds that the answer of a first call takes. The others, were they sent at
the same moment, would be answered before it."""
OTHER = f"Of ships, now. {LORE}"


@dataclass(frozen=True)
class Batch:
    """Runs a batch in one colour and one style, always to be awaited."""

    is_sync: bool
    style: str

    async def __call__(self, chain: Any, inputs: list[Any], **options: Any) -> Any:
        """Return the answers in the order of the inputs."""
        if self.style == "batch":
            if self.is_sync:
                return chain.batch(inputs, **options)
            return await chain.abatch(inputs, **options)
        if self.is_sync:
            found = dict(chain.batch_as_completed(inputs, **options))
        else:
            stream = chain.abatch_as_completed(inputs, **options)
            found = {index: answer async for index, answer in stream}
        return [found[index] for index in range(len(inputs))]


@pytest.fixture(params=COLOURS)
def is_sync(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "sync")


@pytest.fixture(params=["batch", "batch_as_completed"])
def batch(request: pytest.FixtureRequest, *, is_sync: bool) -> Batch:
    """All four ways of running a batch."""
    return Batch(is_sync, request.param)


@pytest.fixture
def stand(server: MoonshotServer, clients: dict[str, Any]) -> Stand:
    """A server with a real clock, on which a cache takes a moment to become ready."""
    server.configure(ready_after=0.2)
    return Stand(server, clients, "model")


def questions(count: int = SIZE, *, lore: str = LORE) -> list[Any]:
    system = SystemMessage(lore)
    return [[system, HumanMessage(f"Question {n}?")] for n in range(count)]


def fits(answers: list[Any], asked: list[Any]) -> bool:
    """Tell whether each answer is about its own question."""
    pairs = zip(answers, asked, strict=True)
    return all(str(given[-1].content) in answer.text for answer, given in pairs)


INPUTS = [{"question": f"Question {n}?"} for n in range(SIZE)]


def chain(stand: Stand, llm: Any) -> Any:
    return replace(stand, line="prompt").prompt(PROMPT, llm) | llm


# Named caches -----------------------------------------------------------------


@pytest.mark.parametrize("most", [None, 5])
async def test_a_batch_of_64_makes_one_cache_and_hits_it_63_times(
    stand: Stand, batch: Batch, most: int | None
) -> None:
    llm = stand.model(**PATIENT)
    answers = await batch(llm, questions(), config={"max_concurrency": most})
    assert fits(answers, questions())
    assert outcomes(answers) == {"write": 1, "hit": SIZE - 1}
    assert stand.server.creates() == 1
    assert len(stand.server.requests(method="POST", path=CACHING)) == 1
    assert len(chat_requests(stand.server)) == SIZE


async def test_a_batch_of_a_chain_makes_one_cache(stand: Stand, batch: Batch) -> None:
    llm = stand.model(**PATIENT)
    answers = await batch(chain(stand, llm), INPUTS[:16])
    assert fits(answers, questions(16))
    assert outcomes(answers) == {"write": 1, "hit": 15}
    assert stand.server.creates() == 1


async def test_a_batch_of_branches_makes_one_cache(stand: Stand, batch: Batch) -> None:
    llm = stand.model(**PATIENT)
    branches = RunnableParallel(a=PROMPT | llm, b=PROMPT | llm)
    pairs = await batch(branches, INPUTS[:8])
    answers = [pair[name] for pair in pairs for name in ("a", "b")]
    assert outcomes(answers) == {"write": 1, "hit": 15}
    assert stand.server.creates() == 1


async def test_a_batch_on_two_prefixes_makes_two_caches(
    stand: Stand, batch: Batch
) -> None:
    inputs = [*questions(8), *questions(8, lore=LORE * 2)]
    answers = await batch(stand.model(**PATIENT), inputs)
    assert fits(answers, inputs)
    assert outcomes(answers) == {"write": 2, "hit": 14}
    assert stand.server.creates() == 2


async def test_before_a_plain_model_a_batch_makes_one_cache_too(
    stand: Stand, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain_models, "_BRIEFLY", PATIENT["cache_wait"])
    plain = replace(stand, line="prompt of a plain model")
    llm = plain.model()
    await batch(plain.prompt(PROMPT, llm) | llm, INPUTS[:16])
    assert stand.server.creates() == 1
    assert {chat.cache_id for chat in stand.server.chats()} == {
        cache["id"] for cache in stand.server.caches()
    }


async def test_a_cache_that_is_not_ready_within_the_budget_does_without(
    stand: Stand, batch: Batch
) -> None:
    stand.server.configure(ready_after=1e6)
    answers = await batch(stand.model(cache_wait=0.05), questions(16))
    assert fits(answers, questions(16))
    assert outcomes(answers) == {"write": 1, "bypassed": 15}
    assert stand.server.creates() == 1


async def test_a_cache_that_cannot_be_made_is_asked_for_once(
    stand: Stand, batch: Batch
) -> None:
    stand.server.fail("status", path=CACHING, status=400)
    answers = await batch(stand.model(**PATIENT), questions(16))
    assert fits(answers, questions(16))
    assert outcomes(answers) == {"bypassed": 16}
    assert len(stand.server.requests(method="POST", path=CACHING)) == 1


async def test_when_the_first_call_fails_the_others_use_its_cache(
    stand: Stand, batch: Batch
) -> None:
    stand.server.fail("status", path=CHAT, nth=1, status=500)
    answers = await batch(stand.model(**PATIENT), questions(16), return_exceptions=True)
    good = [answer for answer in answers if not isinstance(answer, Exception)]
    assert len(good) == 15
    assert set(outcomes(good)) <= {"hit", "write"}
    assert stand.server.creates() == 1


# Automatic prefix caches ------------------------------------------------------


@pytest.fixture
def kimi(server: MoonshotServer, clients: dict[str, Any]) -> Stand:
    """A server that takes its time for the first call it gets, and for no other."""
    server.fail("delay", path=CHAT, nth=1, seconds=SLOW)
    return Stand(server, clients, "model", KIMI)


def arrivals(server: MoonshotServer) -> list[float]:
    """Return how long after the first call each of the others came, in order."""
    first, *others = sorted(request.at for request in chat_requests(server))
    return [at - first for at in others]


@pytest.mark.parametrize("most", [None, 5])
async def test_one_call_writes_a_prefix_and_63_read_it(
    kimi: Stand, batch: Batch, most: int | None
) -> None:
    options = {"config": {"max_concurrency": most}}
    answers = await batch(kimi.model(), questions(), **options)
    assert fits(answers, questions())
    assert outcomes(answers) == {"write": 1, "hit": SIZE - 1}
    assert min(arrivals(kimi.server)) >= SLOW


async def test_one_call_of_a_chain_writes_a_prefix_and_the_others_read_it(
    kimi: Stand, *, is_sync: bool
) -> None:
    answers = await Batch(is_sync, "batch")(chain(kimi, kimi.model()), INPUTS[:16])
    assert fits(answers, questions(16))
    assert outcomes(answers) == {"write": 1, "hit": 15}
    assert min(arrivals(kimi.server)) >= SLOW


async def test_in_a_stream_the_others_wait_for_the_first_chunk_alone(
    kimi: Stand, batch: Batch
) -> None:
    answers = await batch(kimi.model(streaming=True), questions(16))
    assert fits(answers, questions(16))
    assert outcomes(answers) == {"write": 1, "hit": 15}
    assert min(arrivals(kimi.server)) >= SLOW


class Holding:
    """Keeps the first request from being sent until others are about to be.

    Attributes:
        sent: The beginning of each request, as they came.
    """

    def __init__(self, clients: dict[str, Any], *, until: Counter[str]) -> None:
        self.sent: list[str] = []
        self._until = until
        self._lock = Lock()
        self._met = Event()
        self._was_met = False
        clients["http_client"].event_hooks = {"request": [self._send]}
        clients["http_async_client"].event_hooks = {"request": [self._asend]}

    def was_ended_by_others(self) -> bool:
        """Tell whether the first request had no need to be sent before the others."""
        return self._was_met

    def _send(self, request: Any) -> None:
        if self._is_held(request):
            self._was_met = self._met.wait(PATIENT["cache_wait"])

    async def _asend(self, request: Any) -> None:
        if self._is_held(request):
            wait = self._met.wait
            self._was_met = await asyncio.to_thread(wait, PATIENT["cache_wait"])

    def _is_held(self, request: Any) -> bool:
        with self._lock:
            self.sent.append(json.loads(request.content)["messages"][0]["content"])
            if Counter(self.sent) == self._until:
                self._met.set()
            return len(self.sent) == 1


async def test_who_has_another_prefix_does_not_wait(stand: Stand, batch: Batch) -> None:
    holding = Holding(stand.clients, until=Counter([LORE, OTHER]))
    inputs = [*questions(8), *questions(1, lore=OTHER)]
    llm = replace(stand, name=KIMI).model()
    answers = await batch(llm, inputs, config={"max_concurrency": 9})
    assert fits(answers, inputs)
    # And who has the same prefix did.
    assert holding.was_ended_by_others()
    assert outcomes(answers[-1:]) == {"write": 1}


async def test_nobody_waits_longer_than_a_provider_needs_to_read_a_prefix(
    stand: Stand, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "_PATIENCE", 0.05)
    holding = Holding(stand.clients, until=Counter({LORE: 4}))
    answers = await batch(replace(stand, name=KIMI).model(), questions(4))
    assert fits(answers, questions(4))
    assert holding.was_ended_by_others()


@pytest.mark.parametrize(
    ("options", "lore"),
    [
        ({"caching": "off"}, LORE),
        ({"caching": "prefix", "model": MODEL}, LORE),
        ({"cache_policy": "economic"}, LORE),
        ({}, "You know lighthouses."),
        ({}, ""),
    ],
    ids=["off", "no price", "too short to pay", "too short", "nothing"],
)
def test_nobody_leads_where_it_would_not_pay(
    kimi: Stand, options: dict[str, Any], lore: str
) -> None:
    llm = kimi.model(**options)
    with _together([1, 2]):
        assert llm._to_be_written(questions(1, lore=lore)[0], {}) is None


def test_nobody_leads_outside_of_a_batch(kimi: Stand) -> None:
    llm, [given] = kimi.model(), questions(1)
    assert llm._to_be_written(given, {}) is None
    with _together([given]):
        assert llm._to_be_written(given, {}) is None
    with _together([given, given]):
        assert llm._to_be_written(given, {}) is not None


async def test_the_reader_of_a_batch_is_not_part_of_it(
    kimi: Stand, *, is_sync: bool
) -> None:
    """A generator shares the context of whoever reads it."""
    llm, inputs = kimi.model(), questions(2)
    if is_sync:
        for _ in llm.batch_as_completed(inputs):
            assert not _TOGETHER.get()
    else:
        async with aclosing(llm.abatch_as_completed(inputs)) as answers:
            async for _ in answers:
                assert not _TOGETHER.get()


async def test_a_prefix_that_was_used_lately_needs_no_leader(
    kimi: Stand, batch: Batch
) -> None:
    llm, [given] = kimi.model(), questions(1)
    assert outcomes(await batch(llm, questions(3))) == {"write": 1, "hit": 2}
    with _together([1, 2]):
        assert llm._to_be_written(given, {}) is None
    assert outcomes(await batch(llm, questions(3))) == {"hit": 3}


@pytest.mark.parametrize("options", [{}, {"streaming": True}], ids=["", "streaming"])
async def test_when_the_call_that_leads_fails_the_others_are_answered(
    stand: Stand, batch: Batch, options: dict[str, Any]
) -> None:
    llm = replace(stand, name=KIMI).model(**options)
    stand.server.fail("status", path=CHAT, nth=1, status=500)
    answers = await batch(llm, questions(8), return_exceptions=True)
    assert sum(isinstance(answer, Exception) for answer in answers) == 1
    pairs = zip(answers, questions(8), strict=True)
    assert all(
        given[-1].content in answer.text
        for answer, given in pairs
        if not isinstance(answer, Exception)
    )
    # And nobody waits for it when the batch is repeated.
    assert outcomes(await batch(llm, questions(8))) == {"hit": 8}


async def test_tools_and_options_of_a_batch_reach_each_of_its_calls(
    kimi: Stand, batch: Batch
) -> None:
    tool = {"name": "height", "description": "Tell a height.", "parameters": {}}
    llm = kimi.model().bind_tools([tool])
    configs = [{"tags": [f"{n}"]} for n in range(4)]
    answers = await batch(llm, questions(4), config=configs, stop=["nothing"])
    assert fits(answers, questions(4))
    assert {chat.request.body["stop"][0] for chat in kimi.server.chats()} == {"nothing"}
    assert all(chat.tools for chat in kimi.server.chats())
    assert min(arrivals(kimi.server)) >= SLOW


async def test_an_input_that_is_no_prompt_is_told_as_without_leaders(
    kimi: Stand, batch: Batch
) -> None:
    inputs = [*questions(2), 7]
    answers = await batch(kimi.model(), inputs, return_exceptions=True)
    assert fits(answers[:2], questions(2))
    assert isinstance(answers[2], ValueError)


async def test_a_batch_of_nothing_is_nothing(stand: Stand, batch: Batch) -> None:
    assert await batch(stand.model(), []) == []
    assert chat_requests(stand.server) == []


def test_what_was_written_is_forgotten_before_the_provider_forgets_it() -> None:
    now = 0.0
    written = Written(clock=lambda: now)
    written.note("a")
    now = 200.0
    assert "a" in written
    written.note("a")
    now = 400.0
    assert "a" in written
    now = 500.0
    assert "a" not in written


def test_the_memory_of_what_was_written_is_bounded() -> None:
    written = Written()
    for n in range(2000):
        written.note(str(n))
    assert "1999" in written
    assert "0" not in written
