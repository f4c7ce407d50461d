from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from colour_kit import COLOURS
from manager_kit import KEY, Face

from langchain_moonshot_cache import (
    AsyncContextCacheManager,
    AsyncMoonshotCachingClient,
    ContextCacheManager,
    MoonshotCachingClient,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from langchain_moonshot_cache.testing import MoonshotServer


@pytest.fixture(params=COLOURS)
async def make(
    request: pytest.FixtureRequest, server: MoonshotServer
) -> AsyncIterator[Callable[..., Face]]:
    """Makes managers of one colour at that server; each test runs in both."""
    made: list[Any] = []

    def make(*, api_key: str = KEY, **options: Any) -> Face:
        options = {"registry": "memory://", "policy": "always", **options}
        where: dict[str, Any] = {"api_key": api_key, "base_url": server.base_url}
        if request.param == "sync":
            client = MoonshotCachingClient(**where)
            made.append(client)
            return Face(ContextCacheManager(client, **options))
        aclient = AsyncMoonshotCachingClient(**where)
        made.append(aclient)
        return Face(AsyncContextCacheManager(aclient, **options))

    yield make
    for client in made:
        if isinstance(client, MoonshotCachingClient):
            client.close()
        else:
            await client.aclose()
