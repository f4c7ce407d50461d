from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tried_kit import KIMI, LINES, MODEL, Stand, Trial

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_moonshot_cache.testing import MoonshotServer


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """All models of a script share a registry, as they do unless told otherwise."""
    monkeypatch.setenv("MOONSHOT_CACHE_REGISTRY", f"sqlite:///{tmp_path}/caches.db")


@pytest.fixture(params=[MODEL, KIMI])
def trial(
    request: pytest.FixtureRequest, server: MoonshotServer, clients: dict[str, Any]
) -> Trial:
    """Both mechanisms, and each line that a user may change for them.

    In front of a plain model, a prompt has nothing to do where caching is automatic.
    """
    lines = LINES if request.param == MODEL else LINES[:2]
    return Trial(Stand(server, clients, name=request.param), lines)


@pytest.fixture
def named(server: MoonshotServer, clients: dict[str, Any]) -> Trial:
    """Named caches alone, and each line that a user may change for them."""
    return Trial(Stand(server, clients), LINES)


@pytest.fixture
def ours(trial: Trial) -> Trial:
    """Both mechanisms, with a model of ours."""
    return replace(trial, lines=LINES[:2])
