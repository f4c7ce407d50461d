"""Three places for a registry, and a Redis to have one of them in."""

from __future__ import annotations

import atexit
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from langchain_moonshot_cache.registry import MemoryRegistry, SqliteRegistry

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_moonshot_cache.registry import Registry

KINDS = ("memory", "sqlite", "redis")
SHARED_KINDS = ("sqlite", "redis")
AMPLE = 60.0
"""Seconds that a registry waits for others where a test is not about waiting: on a busy
machine whoever has the file, or Redis itself, may be held up."""
CHILDREN = Path(__file__).with_name("registry_children.py")


@dataclass(frozen=True)
class Place:
    """Where a test's registries keep what they know; new and empty for each test."""

    url: str
    make: Callable[[Callable[[], float]], Registry]
    broken: Callable[[], Registry] | None = None


def place(kind: str, directory: Path) -> Place:
    if kind == "memory":
        return Place("memory://", lambda clock: MemoryRegistry(clock=clock))
    if kind == "sqlite":
        file = directory / "registry.sqlite"
        return Place(
            f"sqlite:///{file}?busy_timeout={AMPLE}",
            lambda clock: SqliteRegistry(file, clock=clock, busy_timeout=AMPLE),
            lambda: SqliteRegistry(directory),
        )
    return redis_place(directory)


def redis_place(directory: Path) -> Place:
    redis = shared_redis()
    from langchain_moonshot_cache.registry.redis import (  # noqa: PLC0415 - an extra
        RedisRegistry,
    )

    prefix = f"{uuid4().hex}:"
    return Place(
        redis.patient_url,
        lambda clock: RedisRegistry(
            redis.url, prefix=prefix, clock=clock, timeout=AMPLE
        ),
        lambda: RedisRegistry(f"unix://{directory}/nobody.sock"),
    )


class Redis:
    """A redis-server of our own, which keeps nothing on disk."""

    def __init__(self, *options: str) -> None:
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip(
                "no redis-server here: install it (apt-get install redis-server, "
                "brew install redis) to try the Redis registry"
            )
        pytest.importorskip("redis", reason="redis-py is not installed: extra [redis]")
        # Not pytest's directory: the path of a socket has room for 107 bytes.
        self._directory = tempfile.TemporaryDirectory(prefix="lmc")
        self.socket = f"{self._directory.name}/redis.sock"
        self.url = f"unix://{self.socket}"
        self.patient_url = f"{self.url}?socket_timeout={AMPLE}"
        self._command = [program, "--port", "0", "--unixsocket", self.socket]
        self._command += ["--save", "", "--dir", self._directory.name, *options]
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        told = []
        for line in self._process.stdout:
            told.append(line)
            if "ready to accept connections" in line.lower():
                return
        pytest.fail(f"redis-server did not start: {''.join(told)}")

    def stop(self) -> None:
        self._process.terminate()
        _, _ = self._process.communicate(timeout=AMPLE)
        assert self._process.returncode == 0

    def pause(self) -> None:
        self._process.send_signal(19)  # SIGSTOP: it takes connections, and is silent

    def resume(self) -> None:
        self._process.send_signal(18)

    def close(self) -> None:
        if self._process.returncode is None:
            self.stop()
        self._directory.cleanup()


@cache
def shared_redis() -> Redis:
    """One for all tests of this process; each has a prefix of its own."""
    redis = Redis()
    atexit.register(redis.close)
    return redis


def child(
    *arguments: str, script: Path = CHILDREN, **options: Any
) -> subprocess.Popen[str]:
    """Start a process that uses a registry, with every warning an error."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(script), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
