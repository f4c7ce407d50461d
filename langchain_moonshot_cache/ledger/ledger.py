"""``Ledger``: the writing side, and how one is opened."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

from langchain_moonshot_cache.economics import Head, sums_of_call
from langchain_moonshot_cache.errors import ConfigurationError
from langchain_moonshot_cache.ledger.patience import Patience
from langchain_moonshot_cache.ledger.rows import day_of, iso_day
from langchain_moonshot_cache.ledger.statement import Statement
from langchain_moonshot_cache.ledger.store import Batch, Change, MemoryStore, word
from langchain_moonshot_cache.ledger.stores import store_in
from langchain_moonshot_cache.ledger.tracking import (
    Block,
    blocks_around,
    opened,
    tag_of,
)
from langchain_moonshot_cache.lifecycle import finish
from langchain_moonshot_cache.registry import open_registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date
    from typing import Self

    from langchain_moonshot_cache.economics import CacheLife, Sums
    from langchain_moonshot_cache.ledger.entries import CallEntry
    from langchain_moonshot_cache.ledger.store import Store
    from langchain_moonshot_cache.registry import Registry

__all__ = ["Ledger", "beside", "checked_tag"]

logger = logging.getLogger("langchain_moonshot_cache")


class Ledger(Statement):
    """Adds up what calls and caches cost; safe for threads, tasks and processes.

    ``Ledger()`` keeps its sums in memory; :meth:`open` and :meth:`of` in the database
    of a registry, where all processes add to them. Give several models the same one to
    add them together. What cannot be written is kept in this process, logged, and
    written later: a call never fails for its ledger.

    Args:
        store: Where the sums are; None for memory.
        clock: Unix seconds, for the day of a call and the age of living caches.
    """

    def __init__(
        self, store: Store | None = None, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store or MemoryStore()
        self._patience = Patience(self._store)
        self._registry: Registry | None = None
        self._observers: tuple[Callable[[CallEntry], None], ...] = ()
        super().__init__(calls=self._sums, lives=self._store.lives, clock=clock)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._store.address!r})"

    @classmethod
    def of(cls, registry: Registry, *, clock: Callable[[], float] = time.time) -> Self:
        """Keep the ledger where a registry is kept; without a database, in memory.

        Args:
            registry: A registry; it stays the caller's to close.
            clock: As for the class.
        """
        return cls(store_in(registry), clock=clock)

    @classmethod
    def open(
        cls, url: str | None = None, *, clock: Callable[[], float] = time.time
    ) -> Self:
        """Open the ledger in the registry that a URL names.

        Args:
            url: As for a registry: ``sqlite:///path``, ``redis://host/0``; None for
                ``MOONSHOT_CACHE_REGISTRY``, else the default file.
            clock: As for the class.

        Raises:
            ConfigurationError: The URL names no registry.
        """
        registry = open_registry(url)
        ledger = cls.of(registry, clock=clock)
        ledger._registry = registry  # noqa: SLF001 - of this class
        return ledger

    @property
    def nonblocking(self) -> bool:
        """Whether recording returns at once; otherwise event loops use a thread."""
        return self._store.nonblocking

    def record(self, entry: CallEntry) -> None:
        """Count one call. Never raises: what goes wrong is logged."""
        if self._observers:
            self._show(entry)
        try:
            batch, blocks = self._counted(entry)
            self._keep(batch, blocks)
            if self._store.due:
                self._patience.settle()
        except Exception:
            logger.exception("the ledger lacks a call")

    async def arecord(self, entry: CallEntry) -> None:
        """Count one call without blocking the event loop, also if it is cancelled."""
        if self._observers:
            self._show(entry)
        try:
            batch, blocks = self._counted(entry)
            if self._patience.quick(batch):
                self._keep(batch, blocks)
            else:
                # A thread cannot be cancelled: what it writes is written in any case.
                await finish(asyncio.to_thread(self._keep, batch, blocks))
            if self._store.due:
                await finish(asyncio.to_thread(self._patience.settle))
        except Exception:
            logger.exception("the ledger lacks a call")

    def watch(self, observer: Callable[[CallEntry], None]) -> None:
        """Have each call shown to a function, such as one that exports figures.

        Args:
            observer: Is given each call where it is recorded: in its thread or on its
                event loop, and in its context. What it raises is logged.
        """
        self._observers = (*self._observers, observer)

    def _show(self, entry: CallEntry) -> None:
        for observer in self._observers:
            try:
                observer(entry)
            except Exception:
                logger.exception("an observer of the ledger failed")

    def _counted(self, entry: CallEntry) -> tuple[Batch, tuple[Block, ...]]:
        """Turn a call into what is written, and the blocks that it counts for."""
        blocks = blocks_around(self._store.address)
        tag = entry.tag
        if tag is None:
            tag = tag_of(blocks) if blocks else ""
        head = _head(
            day_of(self._clock()),
            entry.model,
            entry.prefix,
            tag,
            entry.mechanism,
            entry.outcome,
            entry.currency if entry.bill is None else entry.bill.currency,
        )
        sums = sums_of_call(
            entry.usage, bill=entry.bill, inferred=entry.inferred, resent=entry.resent
        )
        change = None
        if (moved := entry.renewal) is not None:
            change = Change(
                moved.account,
                moved.cache_id,
                lambda life: life and moved.apply(life),
                moved.plain,
            )
        return Batch(((head, sums),), change, self._store.name()), blocks

    def _keep(self, batch: Batch, blocks: tuple[Block, ...]) -> None:
        self._patience.write(batch)
        for block in blocks:
            block.add(batch)

    def made(self, life: CacheLife) -> None:
        """Count a cache, once, however often it is told."""
        for block in blocks_around(self._store.address):
            block.add_cache(life.account, life.cache_id)
        change = Change(
            life.account, life.cache_id, lambda known: None if known else life
        )
        self._patience.write(Batch(change=change))

    def changed(
        self, account: str, cache_id: str, apply: Callable[[CacheLife], CacheLife]
    ) -> None:
        """Change what is known of a cache's life; of an unknown one, nothing."""
        change = Change(account, cache_id, lambda life: life and apply(life))
        self._patience.write(Batch(change=change))

    def _sums(self, since: str, until: str) -> list[tuple[Head, Sums]]:
        waiting = self._patience.waiting()
        written = self._store.calls(since=since, until=until)
        return written + [pair for pair in waiting if since <= pair[0].day <= until]

    @contextmanager
    def track(self, *, tag: str | None = None) -> Iterator[Statement]:
        """Give what is spent in the block, while it runs and afterwards.

        Blocks can be nested and run at the same time in threads and tasks. To a block
        count the tasks that are started within it, and the threads that LangChain
        starts for a batch. A thread of your own counts if it is given the context:
        ``Thread(target=contextvars.copy_context().run, args=(work,))``. Of a cache that
        was made within, the block is charged the creation and all its storage so far.

        Args:
            tag: Files the calls and caches of the block under this word in the
                ledger; the innermost tag counts.

        Raises:
            ConfigurationError: The tag is not a short word.
        """
        block = Block(self._store.address, None if tag is None else checked_tag(tag))

        def lives() -> list[CacheLife]:
            made = block.made()
            if not made:
                return []
            return [
                life
                for life in self._store.lives()
                if (life.account, life.cache_id) in made
            ]

        with opened(block):
            yield Statement(
                calls=lambda since, until: block.store.calls(since=since, until=until),
                lives=lives,
                clock=self._clock,
            )

    def tag(self) -> str:
        """Return the tag that a call made now would be filed under."""
        return tag_of(blocks_around(self._store.address))

    def flush(self) -> None:
        """Write what could not be written before.

        Raises:
            RegistryError: It still cannot be.
        """
        self._patience.flush()

    def forget(self, *, before: date | str) -> None:
        """Drop the sums of the days before a day, and caches that ended before it.

        Nothing else is ever dropped. A year of 100 prefixes a day is about 10 MB.

        Args:
            before: The first day in UTC that is kept, as a date or like
                ``"2026-11-30"``.

        Raises:
            ConfigurationError: It is no day.
            RegistryError: The store could not be written.
        """
        self._store.forget(before=iso_day(before))

    def close(self) -> None:
        """Let go of the database if this ledger opened it."""
        self._patience.settle()
        self._store.close()
        if self._registry is not None:
            self._patience.settle()
            self._registry.close()


@lru_cache
def _head(day: str, model: str, prefix: str, *rest: str) -> Head:
    return Head(day, word(model), word(prefix), *rest)


async def beside(ledger: Ledger, work: Callable[[], None]) -> None:
    """Do something with a ledger without blocking the event loop.

    A thread cannot be cancelled: what it writes is written in any case.
    """
    if ledger.nonblocking:
        work()
    else:
        await finish(asyncio.to_thread(work))


def checked_tag(tag: str) -> str:
    """Return a tag if it is one.

    Raises:
        ConfigurationError: It is not a word that every store takes. It is not repeated:
            it might be a prompt.
    """
    if not (isinstance(tag, str) and tag and word(tag) == tag):
        raise ConfigurationError(
            "a tag is a word of at most 160 ASCII letters, digits and _.:/@+=-, and no "
            "API key: ledgers hold no text."
        )
    return tag
