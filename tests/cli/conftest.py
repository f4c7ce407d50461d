"""A shell in front of a server of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from account_kit import KEY, Shell

from langchain_moonshot_cache.protocol import MoonshotCachingClient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from langchain_moonshot_cache.testing import MoonshotServer


@pytest.fixture
def shell(
    moonshot_server: MoonshotServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Shell]:
    registry = f"sqlite:///{tmp_path}/registry.sqlite"
    monkeypatch.setenv("MOONSHOT_API_KEY", KEY)
    monkeypatch.setenv("MOONSHOT_API_BASE", moonshot_server.base_url)
    monkeypatch.setenv("MOONSHOT_CACHE_REGISTRY", registry)
    monkeypatch.setenv("COLUMNS", "100")
    base_url = moonshot_server.base_url
    with MoonshotCachingClient(api_key=KEY, base_url=base_url) as client:
        yield Shell(moonshot_server, registry, capsys, monkeypatch, client)
