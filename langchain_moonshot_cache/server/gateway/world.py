"""Everything that one running gateway consists of."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from langchain_moonshot_cache.server.accounts import Accounts
from langchain_moonshot_cache.server.clock import Clock
from langchain_moonshot_cache.server.gateway.building import Builder
from langchain_moonshot_cache.server.gateway.contents import Contents
from langchain_moonshot_cache.server.gateway.metrics import Metrics
from langchain_moonshot_cache.server.gateway.sqlite import SqliteState

if TYPE_CHECKING:
    from langchain_moonshot_cache.server.backend import Engine
    from langchain_moonshot_cache.server.gateway.settings import GatewaySettings
    from langchain_moonshot_cache.server.gateway.state import State

__all__ = ["GatewayWorld"]

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class GatewayWorld:
    """The parts, made once.

    Attributes:
        settings: How the gateway behaves.
        engine: What answers.
        state: What is remembered.
        contents: What of it is at hand.
        builder: Builds caches.
        metrics: Counts.
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
        builder = Builder(
            state=state,
            contents=contents,
            engine=engine,
            metrics=metrics,
            clock=clock,
            room=asyncio.Semaphore(settings.builds),
        )
        return cls(
            settings=settings,
            engine=engine,
            state=state,
            contents=contents,
            builder=builder,
            metrics=metrics,
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

    def state_failed(self, error: Exception) -> None:
        """Count and log that the state could not be used."""
        self.metrics.state_failed()
        # An exception's text may hold what is nobody's business.
        _log.warning("the state cannot be used: %s", type(error).__name__)

    async def close(self) -> None:
        """Stop building, and close what is open."""
        await self.builder.stop()
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
