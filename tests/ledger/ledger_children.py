"""Processes that make calls and are killed: ``python FILE``, then a line for each."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import warnings
from pathlib import Path
from random import Random

from langchain_core.messages import HumanMessage, SystemMessage

from langchain_moonshot_cache import ChatMoonshotCached
from langchain_moonshot_cache.protocol.http import _tls

MOST_CALLS = 20
"""Calls that have come back, at the most, when a worker is killed."""
LATER = 0.03
"""Seconds within which it is killed after that: about as long as a few calls take, so
that it may be anywhere in one."""
PATIENCE = 30.0
"""Seconds, for a machine that does other things."""
NAMES = ("ann", "bob")


def nursery() -> None:
    """For each line, start two workers and kill them at random points.

    Importing the package takes longer than all that a worker lives to do.
    """
    _tls()
    for line in sys.stdin:
        base_url, directory, seed = line.split()
        chance = Random(int(seed))  # noqa: S311 - a trial can be repeated
        lives: list[tuple[int, Path, int]] = []
        for name in NAMES:
            said = Path(directory) / f"{name}.said"
            said.touch()
            worker = os.fork()
            if worker == 0:
                work(base_url, Path(directory), name)
            lives.append((chance.randrange(MOST_CALLS), said, worker))
        for calls, said, worker in sorted(lives):
            await_calls(said, calls)
            time.sleep(chance.random() * LATER)
            os.kill(worker, signal.SIGKILL)
            os.waitpid(worker, 0)
        sys.stdout.write("dead\n")
        sys.stdout.flush()


def await_calls(said: Path, calls: int) -> None:
    """Wait until so many calls came back to a worker."""
    deadline = time.monotonic() + PATIENCE
    while said.read_bytes().count(b"\n") < calls and time.monotonic() < deadline:
        time.sleep(0.002)


def work(base_url: str, directory: Path, name: str) -> None:
    """Call for ever; say of each call that came back what it cost.

    A line that was written is there after a kill: the system keeps it.
    """
    warnings.simplefilter("ignore")
    said = os.open(directory / f"{name}.said", os.O_WRONLY)
    models = [
        ChatMoonshotCached(
            model=model,
            base_url=base_url,
            api_key=f"sk-{name}",
            registry=f"sqlite:///{directory}/registry.sqlite",
            cache_policy="always",
        )
        for model in ("moonshot-v1-8k", "kimi-k3")
    ]
    count = 0
    while True:
        count += 1
        llm = models[count % 2]
        prompt = [SystemMessage(f"You are {name}."), HumanMessage(f"Call {count}?")]
        with llm.ledger.track(tag=name):
            if count % 3:
                told = llm.invoke(prompt).response_metadata
            else:
                *_, last = llm.stream(prompt)
                told = last.response_metadata
        caching = told["moonshot_cache"]
        line = json.dumps([caching["cost"], caching["cache_id"]])
        os.write(said, f"{line}\n".encode())


if __name__ == "__main__":
    nursery()
