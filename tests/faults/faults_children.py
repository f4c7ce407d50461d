"""What other processes do in these trials: ``python FILE TASK ...``."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import time
import warnings
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from langchain_core.messages import HumanMessage, SystemMessage

from langchain_moonshot_cache import (
    ChatMoonshotCached,
    ContextCacheManager,
    MoonshotCachingClient,
)
from langchain_moonshot_cache.lifecycle import Ready
from langchain_moonshot_cache.protocol.http import _tls

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.synchronize import Barrier

    from langchain_core.messages import BaseMessage

    from langchain_moonshot_cache.prefix import Prefix

MODEL = "moonshot-v1-8k"
SHARED_PREFIXES = 4
OWN_PREFIXES = 3
LIFE = 0.3
"""Seconds within which a worker is killed. Some die while they open the registry, and
some after they ensured twenty prefixes."""


def caches_at(base_url: str, registry: str, key: str) -> ContextCacheManager:
    client = MoonshotCachingClient(api_key=key, base_url=base_url)
    return ContextCacheManager(client, registry=registry, policy="always", wait=60)


def prefix_of(caches: ContextCacheManager, name: str) -> Prefix:
    content = f"You know all about {name}."
    return caches.prefix(model=MODEL, messages=[{"role": "system", "content": content}])


def race(base_url: str, registry: str, processes: str, prefixes: str) -> None:
    """Have many processes ask for the same new prefixes, and say what they got."""
    fork = multiprocessing.get_context("fork")
    start = fork.Barrier(int(processes))
    workers = [
        fork.Process(target=run, args=(base_url, registry, start, int(prefixes)))
        for _ in range(int(processes))
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    sys.exit(any(worker.exitcode for worker in workers))


def run(base_url: str, registry: str, start: Barrier, prefixes: int) -> None:
    caches = caches_at(base_url, registry, "sk-test")
    start.wait()
    for number in range(prefixes):
        outcome = caches.ensure(prefix_of(caches, f"chapter {number}"))
        got = outcome.entry.cache_id if isinstance(outcome, Ready) else outcome.reason
        os.write(1, f"{number} {got}\n".encode())
    caches.client.close()
    caches.shared.registry.close()


def nursery() -> None:
    """For each line, start two workers and kill them at random points.

    Importing the package takes longer than all that a worker lives to do.
    """
    _tls()
    for line in sys.stdin:
        base_url, key, directory, seed = line.split()
        chance = Random(int(seed))  # noqa: S311 - a trial can be repeated
        born = time.monotonic()
        ends: list[tuple[float, int]] = []
        for name in ("ann", "bob"):
            worker = os.fork()
            if worker == 0:
                work(base_url, key, Path(directory), name, chance.randrange(10**9))
            chance.randrange(10**9)  # so that the second differs from the first
            ends.append((born + chance.random() * LIFE, worker))
        for end, worker in sorted(ends):
            time.sleep(max(end - time.monotonic(), 0.0))
            os.kill(worker, signal.SIGKILL)
            os.waitpid(worker, 0)
        sys.stdout.write("dead\n")
        sys.stdout.flush()


def work(base_url: str, key: str, directory: Path, name: str, seed: int) -> None:
    """Use caches for ever; say what is about to be let go and what was got.

    A line that was written is there after a kill: the system keeps it.
    """
    chance = Random(seed)  # noqa: S311 - as above
    registry = f"sqlite:///{directory}/registry.sqlite?busy_timeout=60"
    told = os.open(directory / f"{name}.told", os.O_WRONLY | os.O_CREAT, 0o600)
    caches = caches_at(base_url, registry, key)
    while True:
        if chance.random() < 0.2:
            caches = caches_at(base_url, registry, key)  # one that knows nothing
        shared = chance.random() < 0.6
        number = chance.randrange(SHARED_PREFIXES if shared else OWN_PREFIXES)
        text = f"{'shared' if shared else name}-{number}"
        prefix = prefix_of(caches, text)
        if not shared and chance.random() < 0.3:
            os.write(told, f"- {text} -\n".encode())
            caches.release(prefix=prefix)
            continue
        outcome = caches.ensure(prefix, wait=0.5)
        if isinstance(outcome, Ready):
            os.write(told, f"+ {text} {outcome.entry.cache_id}\n".encode())


def fork(base_url: str, registry: str) -> None:
    """Use a chat model before a fork and on both sides of it, one after the other.

    One after the other, since the OpenAI SDK's connections are shared by a fork; ours
    are not. LangChain never closes them either.
    """
    warnings.filterwarnings("ignore", "unclosed", ResourceWarning)
    llm = ChatMoonshotCached(
        model=MODEL,
        base_url=base_url,
        api_key="sk-test",
        registry=registry,
        cache_policy="always",
        cache_wait=30.0,
    )
    say("parent before", outcome(llm, "ships"))
    process = os.fork()
    status = os.waitpid(process, 0)[1] if process else 0
    name = "parent" if process else "child"
    say(name, outcome(llm, "ships"), outcome(llm, f"what a {name} does"))
    if process:
        llm.release()
    else:
        llm.release(prompt_about("what a child does")[:1])
    sys.exit(status)


def prompt_about(subject: str) -> list[BaseMessage]:
    about = f"You know everything about {subject}."
    return [SystemMessage(about), HumanMessage("What is new?")]


def outcome(llm: ChatMoonshotCached, subject: str) -> str:
    answer = llm.invoke(prompt_about(subject))
    return str(answer.response_metadata["moonshot_cache"]["outcome"])


def say(*words: str) -> None:
    os.write(1, f"{json.dumps(words)}\n".encode())


if __name__ == "__main__":
    tasks: dict[str, Callable[..., None]] = {
        "fork": fork,
        "nursery": nursery,
        "race": race,
    }
    tasks[sys.argv[1]](*sys.argv[2:])
