from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from chat_kit import model_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from colour_kit import Face

    from langchain_moonshot_cache import ChatMoonshotCached
    from langchain_moonshot_cache.testing import MoonshotServer

    Make = Callable[..., ChatMoonshotCached]


@pytest.fixture(params=("invoke", "stream"))
def style(request: pytest.FixtureRequest) -> str:
    """How the model is called."""
    return str(request.param)


@pytest.fixture
def talk(face: Face, style: str) -> tuple[Face, str]:
    """All four ways of calling, in one."""
    return face, style


@pytest.fixture
def make(server: MoonshotServer, clients: dict[str, Any]) -> Make:
    """Makes models at that server."""

    def make(**options: Any) -> ChatMoonshotCached:
        return model_of(server, **{**clients, **options})

    return make


@pytest.fixture
def llm(make: Make) -> ChatMoonshotCached:
    """A model that caches every prefix."""
    return make()
