"""CPU time that the ledger takes of a call on a cache hit.

A model asks the stand-in, which runs in a process of its own, one question over a
cached prefix, again and again, with its ledger in memory and with it in the registry's
SQLite file, which is the default; with a policy that renews the cache with every call,
and with the default one. What is measured is the share of this process's CPU time that
passes within the ledger, so that both figures of a ratio come from the same calls.
``--help`` tells the options.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from langchain_core.messages import HumanMessage, SystemMessage
from overhead import ANSWER, KEY, KIB, NAMED, SERVER_WAITS, cpu_per_call, server, text

from langchain_moonshot_cache import ChatMoonshotCached, Ledger
from langchain_moonshot_cache.registry import open_registry
from langchain_moonshot_cache.testing import MoonshotServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_moonshot_cache.ledger import CallEntry

AT_MOST = 0.03
"""The most that the ledger may take of a call."""
WARM_UP = 10
PREFIX = 16 * KIB


class Timed(Ledger):
    """A ledger that measures what it costs."""

    spent = 0
    """Nanoseconds of CPU time."""

    def record(self, entry: CallEntry) -> None:
        """Count one call."""
        begun = time.process_time_ns()
        super().record(entry)
        self.spent += time.process_time_ns() - begun

    async def arecord(self, entry: CallEntry) -> None:
        """Count one call; nothing else runs meanwhile."""
        begun = time.process_time_ns()
        await super().arecord(entry)
        self.spent += time.process_time_ns() - begun


class Trial:
    """A model with a ledger, and what both spent in each round."""

    def __init__(
        self,
        url: str,
        ledger: Timed,
        *,
        registry: str,
        policy: str,
        loop: asyncio.AbstractEventLoop | None,
    ) -> None:
        llm = ChatMoonshotCached(
            model=NAMED,
            api_key=KEY,
            base_url=url,
            registry=registry,
            cache_policy=policy,
            cache_wait=30,
            ledger=ledger,
        )
        prompt = [SystemMessage(text(PREFIX)), HumanMessage("What need not be sent?")]
        self.ask: Callable[[], object] = (
            (lambda: llm.invoke(prompt))
            if loop is None
            else (lambda: loop.run_until_complete(llm.ainvoke(prompt)))
        )
        self.ledger = ledger
        self.server = MoonshotServer(url, api_key=KEY)
        self.rounds: list[tuple[float, float]] = []
        for _ in range(WARM_UP):
            self.ask()

    def run(self, calls: int) -> None:
        """Add a round: milliseconds of a call, and of the ledger within it."""
        gc.collect()
        self.server.answer_next(*[ANSWER] * calls)
        self.server.fail(
            "delay", path="/v1/chat/completions", seconds=SERVER_WAITS, times=calls
        )
        self.ledger.spent = 0
        whole = cpu_per_call(self.ask, calls)
        self.rounds.append((whole, self.ledger.spent / calls / 1e6))

    def show(self, name: str) -> float:
        """Print a line of the table; return the share."""
        shares = sorted(part / whole for whole, part in self.rounds)
        whole, part = map(statistics.median, zip(*self.rounds, strict=True))
        share = statistics.median(shares)
        print(
            f"{name:>24} {whole:8.3f} {part:9.3f} {share:8.2%} "
            f"({shares[0]:.2%}-{shares[-1]:.2%})"
        )
        return share


def main() -> int:
    """Run the benchmark; exit with 1 if the ledger takes too much."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="rounds")
    parser.add_argument("--calls", type=int, default=20, help="calls in a round")
    options = parser.parse_args()
    # One loop for all: LangChain shares connections between models.
    loop = asyncio.new_event_loop()
    with tempfile.TemporaryDirectory() as name, server(Path(name)) as url:
        file = f"sqlite:///{name}/registry.sqlite"
        trials = {
            f"{colour} {kind} {policy}": Trial(
                url,
                Timed.of(open_registry(file)) if kind == "sqlite" else Timed(),
                registry=file,
                policy=policy,
                loop=loop if colour == "async" else None,
            )
            for colour, kind, policy in product(
                ("sync", "async"), ("memory", "sqlite"), ("always", "economic")
            )
        }
        for _ in range(options.rounds):
            for trial in trials.values():
                trial.run(options.calls)
    print(f"{'':>24} {'call ms':>8} {'ledger ms':>9} {'share':>8} (lowest-highest)")
    shares = [trial.show(name) for name, trial in trials.items()]
    return int(max(shares) > AT_MOST)


if __name__ == "__main__":
    sys.exit(main())
