"""What the trials of misery share: prompts, models, waiting, counting."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import registry_kit

from langchain_moonshot_cache import (
    AsyncContextCacheManager,
    AsyncMoonshotCachingClient,
    ContextCacheManager,
    MoonshotCachingClient,
)
from langchain_moonshot_cache.testing import MoonshotServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator


MODEL = "moonshot-v1-8k"
CREATE = ("POST", "/v1/caching")
ONE_CACHE = "/v1/caching/{id}"
CHAT = ("POST", "/v1/chat/completions")
SHARED_KINDS = ("sqlite", "redis")
CHILDREN = Path(__file__).with_name("faults_children.py")


def system(text: str) -> list[dict[str, Any]]:
    """Return the messages of a prefix, in the wire's form."""
    return [{"role": "system", "content": f"You know all about {text}."}]


def manager_at(
    server: MoonshotServer, *, registry: Any = "memory://", **options: Any
) -> ContextCacheManager:
    """Make a manager whose requests are answered by ``server``."""
    client = MoonshotCachingClient(api_key=server.api_key, base_url=server.base_url)
    return ContextCacheManager(client, registry=registry, policy="always", **options)


@asynccontextmanager
async def async_manager_at(
    server: MoonshotServer, *, registry: Any = "memory://", **options: Any
) -> AsyncIterator[AsyncContextCacheManager]:
    """Lend a manager for event loops, whose connections are closed at the end."""
    client = AsyncMoonshotCachingClient(
        api_key=server.api_key, base_url=server.base_url
    )
    async with client:
        yield AsyncContextCacheManager(
            client, registry=registry, policy="always", **options
        )


@contextmanager
def serving(
    *options: str, api_key: str = "sk-test"
) -> Iterator[tuple[MoonshotServer, list[str]]]:
    """Run the server by its command; lend a handle and, later, all that it printed."""
    command = [sys.executable, "-m", "langchain_moonshot_cache.server", "--port", "0"]
    process = subprocess.Popen(
        [*command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    greeting = process.stdout.readline()
    url = re.search(r"http://\S+", greeting)
    assert url is not None, greeting
    printed = [greeting]
    try:
        yield MoonshotServer(url.group(), api_key=api_key), printed
    finally:
        process.terminate()
        printed.append(process.communicate(timeout=60)[0])


def empty_registry(kind: str, directory: Path) -> str:
    """Return the URL of a registry that nobody has used, for several processes."""
    if kind == "sqlite":
        patience = registry_kit.AMPLE
        return f"sqlite:///{directory}/registry.sqlite?busy_timeout={patience}"
    redis = registry_kit.shared_redis()
    redis.stop()  # it keeps nothing: what other tests left is gone
    redis.start()
    return redis.patient_url


def child(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Start a process of these trials."""
    return registry_kit.child(*arguments, script=CHILDREN, **options)


def eventually(met: Callable[[], bool], *, within: float = 60.0) -> None:
    """Wait for what happens in another thread; the time only bounds a failure."""
    deadline = time.monotonic() + within
    while not met():
        if time.monotonic() > deadline:
            pytest.fail(f"it did not happen within {within:g} s")
        time.sleep(0.002)
