"""What accounts used, gathered for a moment before it is written down."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

from langchain_moonshot_cache.server.models import the_day

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_moonshot_cache.server.clock import Clock
    from langchain_moonshot_cache.server.gateway.state import Counts, State

__all__ = ["Tally"]

WRITE_EVERY: Final = 1.0
"""Seconds. Writing each call down by itself would cost more than the rest of it; so a
gateway that is killed has counted this much less."""


class Tally:
    """Adds up calls and runs, and hands the sums to the state now and then.

    Args:
        state: Where they go.
        clock: What day it is.
        failed: Told when the state could not take them.
    """

    def __init__(
        self, state: State, *, clock: Clock, failed: Callable[[Exception], None]
    ) -> None:
        self._state = state
        self._clock = clock
        self._failed = failed
        self._sums: dict[tuple[str, str, str], Counter[str]] = {}
        self._writing: asyncio.Task[None] | None = None

    def add(self, account: str, *, model: str, counts: Counts) -> None:
        """Count something; it is written down soon."""
        key = account, the_day(self._clock.now()), model
        self._sums.setdefault(key, Counter()).update(counts)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_later())

    async def write(self) -> None:
        """Write down what was counted so far."""
        while self._sums:
            key, sums = self._sums.popitem()
            account, day, model = key
            try:
                await self._state.count(account, day=day, model=model, add=sums)
            except self._state.errors as error:
                self._sums.setdefault(key, Counter()).update(sums)
                self._failed(error)
                return

    async def stop(self) -> None:
        """Write down what is left."""
        if self._writing is not None:
            self._writing.cancel()
        await self.write()

    async def _write_later(self) -> None:
        await asyncio.sleep(WRITE_EVERY)
        self._writing = None
        await self.write()
