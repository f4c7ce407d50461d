"""What is spent within a block of code, wherever it runs from there.

The blocks that are open travel in a context variable: tasks and LangChain's thread
pools copy the context they are started in, so each call finds the blocks around it and
concurrent ones do not mix.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from langchain_moonshot_cache.ledger.store import Batch, MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Block", "blocks_around", "opened", "tag_of"]


@dataclass(slots=True)
class Block:
    """One open ``track``.

    Attributes:
        address: The store of the ledger that it belongs to.
        tag: Its tag, None if it has none of its own.
        store: The calls within.
        caches: Accounts and ids of the caches that were made within.
    """

    address: str
    tag: str | None
    store: MemoryStore = field(default_factory=MemoryStore)
    caches: set[tuple[str, str]] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)

    def add(self, batch: Batch) -> None:
        """Count what was written."""
        self.store.add(Batch(batch.calls))

    def add_cache(self, account: str, cache_id: str) -> None:
        """Note that a cache was made."""
        with self._lock:
            self.caches.add((account, cache_id))

    def made(self) -> set[tuple[str, str]]:
        """Return the caches made so far."""
        with self._lock:
            return set(self.caches)


_OPEN: ContextVar[tuple[Block, ...]] = ContextVar("moonshot_cache_ledger", default=())


@contextmanager
def opened(block: Block) -> Iterator[None]:
    """Open a block for the code within and for what it starts."""
    token = _OPEN.set((*_OPEN.get(), block))
    try:
        yield
    finally:
        _OPEN.reset(token)


def blocks_around(address: str) -> tuple[Block, ...]:
    """Return the open blocks of a store's ledgers, the outermost first."""
    blocks = _OPEN.get()
    return blocks and tuple(block for block in blocks if block.address == address)


def tag_of(blocks: Sequence[Block]) -> str:
    """Return the tag of the innermost block that has one, or an empty string."""
    tags = [block.tag for block in blocks if block.tag is not None]
    return tags[-1] if tags else ""
