from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from blocking_kit import watched
from colour_kit import COLOURS, Face
from conversation_watch import watching
from server_kit import Api

from langchain_moonshot_cache.testing import moonshot_server, moonshot_server_factory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

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


@pytest.fixture(params=COLOURS)
def face(request: pytest.FixtureRequest) -> Face:
    """Each test that asks for it runs in both colours."""
    return Face(request.param)


@pytest.fixture
def server(moonshot_server: MoonshotServer) -> MoonshotServer:
    """A server whose caches are ready at once."""
    moonshot_server.configure(ready_after=0)
    return moonshot_server


@pytest.fixture
async def clients() -> AsyncIterator[dict[str, Any]]:
    """Connections that end with the test, as options of a model.

    Those that LangChain opens by itself would outlive the event loop of a test. They
    are httpx2's, so the OpenAI client takes them and ours opens its own. No TLS is
    spoken here, and reading the certificates takes a tenth of a second.
    """
    async with httpx2.AsyncClient(verify=False) as aio:
        with httpx2.Client(verify=False) as sync:
            yield {"http_client": sync, "http_async_client": aio}
