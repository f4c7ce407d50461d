"""Running a cache's prefix through the engine, so that ``ready`` means held."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from langchain_moonshot_cache.server.backend import Question
from langchain_moonshot_cache.server.gateway.rules import READY_MEANS_HELD, REWARMED
from langchain_moonshot_cache.server.gateway.usage import read_usage
from langchain_moonshot_cache.server.marks import implements
from langchain_moonshot_cache.server.models import CACHE_FAMILIES, belongs
from langchain_moonshot_cache.server.refusals import RefusedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Sequence

    from langchain_moonshot_cache.server.backend import Engine
    from langchain_moonshot_cache.server.gateway.contents import Contents
    from langchain_moonshot_cache.server.gateway.metrics import Metrics
    from langchain_moonshot_cache.server.gateway.state import (
        Content,
        Counts,
        Record,
        State,
    )
    from langchain_moonshot_cache.server.gateway.tally import Tally
    from langchain_moonshot_cache.server.gateway.usage import Reported

__all__ = ["Builder"]

CLAIM_SECONDS: Final = 10.0
"""How long a cache waits for a gateway that died while building it."""
MOST_REWARMED: Final = 10_000
"""Caches that are remembered as run again; forgetting them costs a run more of each."""
RENEW_EVERY: Final = CLAIM_SECONDS / 3
OPENING: Final = b',{"role":"user","content":"."}]'
"""Follows a prefix that does not end with something to answer. Some chat templates put
the system message into the first user message, and would render none without it."""
ANSWERABLE: Final = frozenset({"user", "tool"})

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Builder:
    """Builds caches in the background, each by one gateway at a time.

    Attributes:
        state: Where caches are.
        contents: Where their contents are.
        engine: What they are built in.
        metrics: Counts what happens.
        tally: Adds up what accounts used.
        room: How many are built at the same time.
    """

    state: State
    contents: Contents
    engine: Engine
    metrics: Metrics
    tally: Tally
    room: asyncio.Semaphore
    _owner: str = field(default_factory=lambda: secrets.token_hex(8))
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _rewarmed: set[str] = field(default_factory=set)

    def build(self, record: Record) -> None:
        """See to it that a pending cache is built, unless somebody is at it.

        Called for every pending cache that anybody asks for, so that those of a gateway
        that died are taken up by the next one that hears of them.
        """
        self._start(record.id, self._build(record))

    @implements(REWARMED)
    def rewarm(self, record: Record) -> None:
        """Run a prefix again that the engine turned out not to hold."""
        if record.id not in self._rewarmed:
            if len(self._rewarmed) >= MOST_REWARMED:
                self._rewarmed.clear()
            self._rewarmed.add(record.id)
            self._start(record.id, self._rewarm(record))

    def found_held(self, cache_id: str) -> None:
        """Note that the engine holds a prefix, so that it may be lost once more."""
        self._rewarmed.discard(cache_id)

    def forget(self, cache_id: str) -> None:
        """Stop building a cache that was deleted."""
        self._rewarmed.discard(cache_id)
        task = self._tasks.get(cache_id)
        if task is not None:
            task.cancel()

    async def stop(self) -> None:
        """Give up what is being built; whoever asks for it next has it taken up."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, cache_id: str, work: Coroutine[Any, Any, None]) -> None:
        if cache_id in self._tasks:
            work.close()
            return
        task = asyncio.create_task(work)
        self._tasks[cache_id] = task
        task.add_done_callback(lambda _: self._ended(cache_id, task))

    def _ended(self, cache_id: str, task: asyncio.Task[None]) -> None:
        del self._tasks[cache_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            # Most likely the state: the cache is pending still, and taken up when it
            # is asked for. An exception's text may hold what is nobody's business.
            _log.warning("building %s failed: %s", cache_id, type(error).__name__)

    async def _build(self, record: Record) -> None:
        async with self._claimed(record.id) as mine:
            if not mine:
                return
            # A gateway that was just done with it has released it already.
            now = await self.state.find(record.id, account=record.account)
            if now is None or now.built != "pending":
                return
            outcome = await self._run_through(record)
            if outcome is not None:
                await self.state.change(
                    record.id, account=record.account, values=outcome
                )

    @implements(READY_MEANS_HELD)
    async def _run_through(self, record: Record) -> dict[str, Any] | None:
        """Return what the run says about the cache; None if it is there no more."""
        try:
            async with self.room:
                # Read now and not kept: a thousand may be waiting for their turn.
                content = await self.state.content(record.id)
                if content is None:
                    return None
                reported = await self._run(record, content)
        except RefusedError as error:
            self.metrics.built("error")
            return {"built": "error", "failure": error.message}
        self.metrics.built("ready")
        counted = {} if reported.prompt is None else {"tokens": reported.prompt}
        return {"built": "ready", "failure": None, **counted}

    async def _run(self, record: Record, content: Content) -> Reported:
        model = await self._model(record.model)
        question = Question(
            fields={"model": model, "max_tokens": 1},
            messages=_answerable(content.messages),
            tools=content.tools,
            account=record.account,
            cache_id=record.id,
        )
        with self.metrics.asking():
            reported = read_usage(await self.engine.complete(question))
        self.tally.add(record.account, model=model, counts=_counts(reported))
        return reported

    async def _model(self, family: str) -> str:
        """Return the model to run a prefix with: the family itself, or its first.

        An engine without a map may serve a family's models under their own names, and
        lists them.
        """
        names: Sequence[str] | None = self.engine.names
        if names is None and family in CACHE_FAMILIES:
            names = await self._listed()
        if names is None or family in names:
            return family
        return next((name for name in names if belongs(name, family=family)), family)

    async def _listed(self) -> list[str]:
        """Return the engine's own list of models, if it gives one."""
        try:
            return await self.engine.models()
        except RefusedError:
            return []

    async def _rewarm(self, record: Record) -> None:
        try:
            async with self.room:
                content = await self.contents.get(record.id)
                if content is None:
                    return
                await self._run(record, content)
        except RefusedError:
            self.metrics.rewarmed("error")
        else:
            self.metrics.rewarmed("ready")

    @asynccontextmanager
    async def _claimed(self, cache_id: str) -> AsyncIterator[bool]:
        """Hold a claim, and keep holding it."""
        if not await self._claim(cache_id):
            yield False
            return
        keeping = asyncio.create_task(self._keep(cache_id))
        try:
            yield True
        finally:
            keeping.cancel()
            await self.state.release(cache_id, owner=self._owner)

    async def _claim(self, cache_id: str) -> bool:
        return await self.state.claim(
            cache_id, owner=self._owner, seconds=CLAIM_SECONDS
        )

    async def _keep(self, cache_id: str) -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY)
            with suppress(*self.state.errors):  # the claim lasts for another try or two
                await self._claim(cache_id)


def _counts(reported: Reported) -> Counts:
    return {
        "prefixes_run": 1,
        "prefix_tokens_run": reported.prompt or 0,
        "prefixes_run_without_usage": int(reported.prompt is None),
    }


def _answerable(messages: bytes) -> bytes:
    """Return messages that end with something to answer."""
    if json.loads(messages)[-1]["role"] in ANSWERABLE:
        return messages
    return messages.removesuffix(b"]") + OPENING
