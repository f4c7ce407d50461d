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

LIFE = 0.6
"""Seconds within which a worker is killed: after some tens of calls at the most."""
NAMES = ("ann", "bob")


def nursery() -> None:
    """For each line, start two workers and kill them at random points.

    Importing the package takes longer than all that a worker lives to do.
    """
    _tls()
    for line in sys.stdin:
        base_url, directory, seed = line.split()
        chance = Random(int(seed))  # noqa: S311 - a trial can be repeated
        born = time.monotonic()
        ends: list[tuple[float, int]] = []
        for name in NAMES:
            worker = os.fork()
            if worker == 0:
                work(base_url, Path(directory), name)
            ends.append((born + 0.1 + chance.random() * LIFE, worker))
        for end, worker in sorted(ends):
            time.sleep(max(end - time.monotonic(), 0.0))
            os.kill(worker, signal.SIGKILL)
            os.waitpid(worker, 0)
        sys.stdout.write("dead\n")
        sys.stdout.flush()


def work(base_url: str, directory: Path, name: str) -> None:
    """Call for ever; say of each call that came back what it cost.

    A line that was written is there after a kill: the system keeps it.
    """
    warnings.simplefilter("ignore")
    said = os.open(directory / f"{name}.said", os.O_WRONLY | os.O_CREAT, 0o600)
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
