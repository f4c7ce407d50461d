from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from agent_kit import Bench

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_moonshot_cache.testing import MoonshotServer


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain model has no option for it, and the user's own must stay as it is."""
    monkeypatch.setenv("MOONSHOT_CACHE_REGISTRY", "memory://")


@pytest.fixture
def bench(server: MoonshotServer) -> Bench:
    """Scripts that run on a model of ours and on a plain one."""
    return Bench(server)


@pytest.fixture
def drifts(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What was said of prefixes that changed."""
    caplog.set_level(logging.WARNING, "langchain_moonshot_cache")

    def said() -> list[str]:
        texts = (record.getMessage() for record in caplog.records)
        return [text for text in texts if "changes between calls" in text]

    return said
