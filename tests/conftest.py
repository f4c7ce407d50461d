from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import pytest
from blocking_kit import watched
from conversation_watch import watching
from server_kit import Api

from langchain_moonshot_cache.testing import moonshot_server, moonshot_server_factory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_moonshot_cache.testing import MoonshotServer

__all__ = ["moonshot_server", "moonshot_server_factory"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = "the server's own tests send what no client of ours sends"
    for item in items:
        if "server" in item.path.parts:
            item.add_marker(pytest.mark.breaks_prefix(reason))


@pytest.fixture(autouse=True)
def _conversations_extend(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each request of a conversation extends the one before, in every test."""
    with watching() as watch:
        yield
    excused = request.node.get_closest_marker("breaks_prefix")
    if excused is None and watch.breaks:
        pytest.fail("\n".join(watch.breaks), pytrace=False)
    if excused is not None:
        assert excused.args, "breaks_prefix wants a reason"


@pytest.fixture(autouse=True)
def _no_blocked_event_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail an asynchronous test in which a coroutine of ours blocks its event loop."""
    if not inspect.iscoroutinefunction(getattr(request.node, "function", None)):
        yield
        return
    with watched() as blocked:
        yield
    assert not blocked, f"these block the event loop: {sorted(set(blocked))}"


@pytest.fixture
def api(moonshot_server: MoonshotServer) -> Iterator[Api]:
    """An account on a server whose clock stands still."""
    moonshot_server.clock.freeze()
    with Api(moonshot_server) as client:
        yield client


@pytest.fixture
def stranger(moonshot_server: MoonshotServer) -> Iterator[Api]:
    """Another account on the same server."""
    with Api(moonshot_server, key="sk-somebody-else") as client:
        yield client
