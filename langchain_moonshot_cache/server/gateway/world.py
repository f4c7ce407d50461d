"""Everything that one running gateway consists of."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from langchain_moonshot_cache.server.accounts import Accounts
from langchain_moonshot_cache.server.clock import Clock
from langchain_moonshot_cache.server.gateway.building import Builder
from langchain_moonshot_cache.server.gateway.contents import Contents
from langchain_moonshot_cache.server.gateway.metrics import Metrics
from langchain_moonshot_cache.server.gateway.sqlite import SqliteState
from langchain_moonshot_cache.server.gateway.tally import Tally

if TYPE_CHECKING:
    from langchain_moonshot_cache.server.backend import Engine
    from langchain_moonshot_cache.server.gateway.settings import GatewaySettings
    from langchain_moonshot_cache.server.gateway.state import State

__all__ = ["GatewayWorld"]


@dataclass(slots=True)
class GatewayWorld:
    """The parts, made once.

    Attributes:
        settings: How the gateway behaves.
        engine: What answers.
        state: What is remembered.
        contents: What of it is at hand.
        builder: Builds caches.
        metrics: Counts for operators.
        tally: Counts for accounts.
        clock: What time it is; real time, unless a test sets it.
        accounts: Whose key is whose; known once the state is open.
        opened: Whether the state is open.
    """

    settings: GatewaySettings
    engine: Engine
    state: State
    contents: Contents
    builder: Builder
    metrics: Metrics
    tally: Tally
    clock: Clock
    accounts: Accounts
    opened: bool = False

    @classmethod
    def make(cls, settings: GatewaySettings, *, engine: Engine) -> GatewayWorld:
        """Put the parts together; nothing is opened yet.

        Raises:
            StoreError: If the URL of the state is of no known kind.
        """
        state, metrics, clock = _state(settings.data), Metrics(), Clock()
        contents = Contents(state, limit=settings.content_bytes)
        tally = Tally(state, clock=clock, failed=metrics.state_failed)
        builder = Builder(
            state=state,
            contents=contents,
            engine=engine,
            metrics=metrics,
            tally=tally,
            room=asyncio.Semaphore(settings.builds),
        )
        return cls(
            settings=settings,
            engine=engine,
            state=state,
            contents=contents,
            builder=builder,
            metrics=metrics,
            tally=tally,
            clock=clock,
            accounts=Accounts(salt=b"", keys=frozenset()),
        )

    async def open(self) -> None:
        """Open the state, unless it is open.

        Raises:
            StoreError: If it cannot be used.
        """
        if self.opened:
            return
        self.opened = True
        salt = await self.state.open()
        self.accounts = Accounts(salt=salt, keys=self.settings.keys, wrong=None)

    async def close(self) -> None:
        """Stop building, write down what was counted, and close what is open."""
        await self.builder.stop()
        await self.tally.stop()
        await self.engine.close()
        await self.state.close()


def _state(data: str) -> State:
    if data.startswith(("redis://", "rediss://", "unix://")):
        # Here, because it needs an extra of its own.
        from langchain_moonshot_cache.server.gateway.redis import (  # noqa: PLC0415
            RedisState,
        )

        return RedisState(data)
    return SqliteState(data)
