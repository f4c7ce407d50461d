"""A store that is out of order keeps no call waiting, and loses nothing meanwhile."""

from __future__ import annotations

import logging
import time
from threading import Lock
from typing import TYPE_CHECKING

from langchain_moonshot_cache.economics import Head, Sums
from langchain_moonshot_cache.errors import RegistryError
from langchain_moonshot_cache.ledger.store import Batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_moonshot_cache.ledger.store import Change, Store

__all__ = ["Patience"]

logger = logging.getLogger("langchain_moonshot_cache")

_PAUSE = 30.0
"""Seconds after a failure for which the store is left alone: each attempt may take the
two seconds that a locked file or a silent server is waited for."""


class Patience:
    """Writes to a store, and keeps what it does not take for later.

    What is kept is in this process only; it is written with the first call after the
    pause. Sums are added up meanwhile, so it does not grow with the calls.

    Args:
        store: Where to write.
        clock: Seconds by a clock that never jumps.
    """

    def __init__(
        self, store: Store, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._clock = clock
        self._lock = Lock()
        self._until = 0.0
        self._tried: list[Batch] = []
        self._sums: dict[Head, Sums] = {}
        self._changes: list[Change] = []
        self._waiting = False

    def quick(self, batch: Batch) -> bool:
        """Tell whether writing takes microseconds, also on an event loop."""
        return not self._waiting and self._store.quick(batch)

    def settle(self) -> None:
        """Have the store bring in order what was added in haste; never raises."""
        try:
            self._store.settle()
        except RegistryError as error:
            logger.warning("the ledger's journal stays as it is for now: %s", error)

    def write(self, batch: Batch) -> None:
        """Write a batch now or later; trouble is logged and never raised."""
        if not self._waiting:
            try:
                self._store.add(batch)
            except RegistryError as error:
                self._keep_tried(batch, error)
            return
        with self._lock:
            self._keep(batch)
            if self._clock() >= self._until:
                self._write_what_waits()

    def waiting(self) -> list[tuple[Head, Sums]]:
        """Return the sums that are still to be written."""
        with self._lock:
            calls = [pair for batch in self._tried for pair in batch.calls]
            return calls + list(self._sums.items())

    def flush(self) -> None:
        """Write what waits, now.

        Raises:
            RegistryError: The store does not take it; it goes on waiting.
        """
        with self._lock:
            self._until = 0.0
            self._write_what_waits()
            if self._tried:
                raise RegistryError(
                    "the ledger could not be written: see the log; what it lacks is "
                    "kept in this process"
                )
        self._store.settle()

    def _keep_tried(self, batch: Batch, error: RegistryError) -> None:
        """Keep a batch as it is: it may be in the store although that failed."""
        with self._lock:
            self._tried.append(batch)
            self._waiting = True
            self._until = self._clock() + _PAUSE
        logger.warning("the ledger is kept in this process for now: %s", error)

    def _keep(self, batch: Batch) -> None:
        for head, sums in batch.calls:
            self._sums[head] = self._sums.get(head, Sums()).plus(sums)
        if batch.change is not None:
            self._changes.append(batch.change)

    def _write_what_waits(self) -> None:
        calls, changes = tuple(self._sums.items()), self._changes
        self._sums, self._changes = {}, []
        if calls:
            self._tried.append(Batch(calls, name=self._store.name()))
        self._tried += [Batch(change=change) for change in changes]
        try:
            while self._tried:
                self._store.add(self._tried[0])
                del self._tried[0]
        except RegistryError:
            self._until = self._clock() + _PAUSE
        else:
            self._waiting = False
