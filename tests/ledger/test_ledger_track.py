"""What is spent in a block is told by the block, wherever it runs."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from chat_kit import CHAT, KEY, MODEL, QUESTION, SYSTEM, model_of, told
from langchain_core.runnables import RunnableLambda, RunnableParallel
from ledger_kit import record

from langchain_moonshot_cache import ConfigurationError, Ledger

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_moonshot_cache.ledger import Statement
    from langchain_moonshot_cache.testing import MoonshotServer

PROMPT = [SYSTEM, QUESTION]


def test_a_block_counts_what_is_recorded_within_it() -> None:
    ledger = Ledger()
    record(ledger)
    with ledger.track() as bill:
        record(ledger)
        assert bill.total().calls == 1
        record(ledger)
    record(ledger)
    assert bill.total().calls == 2
    assert bill.totals()["m"].cost["CNY"] == Decimal("0.2")
    assert ledger.total().calls == 4


def test_blocks_can_be_nested_and_the_innermost_tag_counts() -> None:
    ledger = Ledger()
    with ledger.track(tag="outer") as outer:
        record(ledger)
        with ledger.track() as untagged:
            record(ledger)
        with ledger.track(tag="inner") as inner:
            record(ledger)
    record(ledger)
    counted = [bill.total().calls for bill in (outer, untagged, inner)]
    assert counted == [3, 1, 1]
    assert [(row.tag, row.calls) for row in ledger.rows(by="tag")] == [
        ("", 1),
        ("inner", 1),
        ("outer", 2),
    ]


def test_a_block_ends_with_an_error_too() -> None:
    ledger = Ledger()

    def fail() -> None:
        with ledger.track() as bill:
            kept.append(bill)
            record(ledger)
            raise ZeroDivisionError

    kept: list[Statement] = []
    with pytest.raises(ZeroDivisionError):
        fail()
    record(ledger)
    assert kept[0].total().calls == 1


def test_a_block_of_another_ledger_counts_nothing() -> None:
    ledger, other = Ledger(), Ledger()
    with other.track(tag="other") as bill:
        record(ledger)
    assert bill.rows() == []
    assert [row.tag for row in ledger.rows(by="tag")] == [""]


def test_ledgers_of_one_database_count_for_each_other(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/registry.sqlite"
    with Ledger.open(url).track(tag="both") as bill:
        record(Ledger.open(url))
    assert bill.total().calls == 1
    assert [row.tag for row in Ledger.open(url).rows(by="tag")] == ["both"]


async def test_concurrent_tasks_do_not_mix() -> None:
    ledger = Ledger()
    barrier = asyncio.Barrier(5)

    async def work(number: int) -> int:
        with ledger.track(tag=f"t{number}") as bill:
            await barrier.wait()
            for _ in range(number):
                record(ledger)
                await asyncio.sleep(0)
            await barrier.wait()
        return bill.total().calls

    with ledger.track() as all_of_them:
        assert await asyncio.gather(*map(work, range(5))) == list(range(5))
    assert all_of_them.total().calls == 10


def test_threads_that_are_given_the_context_count_for_its_block() -> None:
    ledger = Ledger()
    with ThreadPoolExecutor(4) as pool, ledger.track() as bill:
        runs = [
            pool.submit(copy_context().run, lambda: record(ledger)) for _ in range(20)
        ]
        pool.submit(record, ledger).result()  # with a context of its own
        for run in runs:
            run.result()
    assert bill.total().calls == 20
    assert ledger.total().calls == 21


@pytest.mark.parametrize("tag", ["", "a b", "sk-secret", "答案", "x" * 161, 3])
def test_a_tag_that_is_no_word_is_refused_and_not_repeated(tag: Any) -> None:
    with pytest.raises(ConfigurationError, match="a tag is a word") as caught:
        Ledger().track(tag=tag).__enter__()
    assert not tag or str(tag) not in str(caught.value)


@pytest.mark.parametrize("registry", ["memory://", "sqlite"])
async def test_chains_batches_and_streams_count_for_the_block_around_them(
    moonshot_server: MoonshotServer, tmp_path: Path, registry: str
) -> None:
    url = f"sqlite:///{tmp_path}/r.sqlite" if registry == "sqlite" else registry
    llm = model_of(moonshot_server, caching="off", registry=url)
    chain: Any = RunnableLambda(lambda _: PROMPT) | llm
    with llm.ledger.track(tag="work") as bill:
        answers = [chain.invoke(1), await chain.ainvoke(1), *chain.batch([1, 2])]
        answers += await chain.abatch([1, 2])
        answers += RunnableParallel(a=chain, b=chain).invoke(1).values()
        answers += [_summed(list(llm.stream(PROMPT)))]
        answers += [_summed([chunk async for chunk in chain.astream(1)])]
    outside = llm.invoke(PROMPT)
    costs = [Decimal(told(answer)["cost"]) for answer in answers]
    assert bill.total().cost == sum(costs)
    assert [(row.tag, row.calls) for row in llm.ledger.rows(by="tag")] == [
        ("", 1),
        ("work", 10),
    ]
    charged = moonshot_server.bill(KEY).total
    assert bill.total().total + Decimal(told(outside)["cost"]) == charged


def test_a_block_is_charged_the_caches_that_were_made_within(
    moonshot_server: MoonshotServer,
) -> None:
    moonshot_server.clock.freeze()
    moonshot_server.configure(ready_after=0)
    ledger = Ledger(clock=moonshot_server.clock.now)
    llm = model_of(moonshot_server, ledger=ledger)
    with ledger.track(tag="first") as first:
        llm.invoke(PROMPT)
    with ledger.track(tag="second") as second:
        llm.invoke(PROMPT)
    assert (first.total().caches, second.total().caches) == (1, 0)
    moonshot_server.clock.advance(90)
    bill = moonshot_server.bill(KEY)
    total = first.total()
    assert total.creation == bill.totals["creation"]
    assert total.storage == bill.totals["storage"] > 0
    assert total.total + second.total().total == bill.total == ledger.total().total
    llm.release()
    moonshot_server.clock.advance(900)
    assert first.total().alive == 0
    assert ledger.total().total == moonshot_server.bill(KEY).total


def test_the_default_ledger_is_in_the_registrys_database(
    moonshot_server: MoonshotServer, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/registry.sqlite"
    llm = model_of(moonshot_server, registry=url, ledger=None)
    with llm:
        llm.invoke(PROMPT)
    seen = Ledger.open(url)
    assert seen.totals()[MODEL].calls == 1
    assert seen.total().caches == 1
    assert str(SYSTEM.content) not in seen.to_csv()


async def test_a_stream_that_is_left_early_counts_as_unanswered(
    moonshot_server: MoonshotServer,
) -> None:
    llm = model_of(moonshot_server, caching="off")
    chunks = llm.stream(PROMPT)
    next(chunks)
    chunks.close()  # type: ignore[attr-defined]  # a stream is a generator
    stream = llm.astream(PROMPT)
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]  # the same
    assert llm.ledger.totals()[MODEL].outcomes == {"unanswered": 2}
    assert not llm.ledger.total().complete


async def test_a_call_that_was_refused_or_never_sent_is_not_counted(
    moonshot_server: MoonshotServer,
) -> None:
    nowhere = model_of(moonshot_server, base_url="http://127.0.0.1:9/v1", caching="off")
    llm = model_of(moonshot_server, caching="off")
    moonshot_server.fail("status", path=CHAT, status=500)
    for model in (nowhere, llm):
        with pytest.raises(Exception, match=r"reach|500"):
            model.invoke(PROMPT)
        with pytest.raises(Exception, match=r"reach|500"):
            await model.ainvoke(PROMPT)
        assert model.ledger.totals() == {}


def test_a_reference_that_was_refused_is_counted_once_and_as_sent_again(
    moonshot_server: MoonshotServer,
) -> None:
    llm = model_of(moonshot_server, cache_wait=5)
    llm.invoke(PROMPT)
    llm._caching.sync.client.delete(moonshot_server.caches()[0]["id"])
    answer = llm.invoke(PROMPT)
    total = llm.ledger.total()
    assert (total.calls, total.resent) == (2, 1)
    assert "sent again in full" in told(answer)["reason"]
    gone, _new = sorted(llm.ledger.caches(), key=lambda cache: cache.deleted_at is None)
    assert gone.deleted_at is not None
    assert gone.inferred


def _summed(chunks: list[Any]) -> Any:
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return whole
