"""CPU time that the ledger and the policy take of a call on a cache hit.

A model asks the stand-in, which runs in a process of its own, one question over a
cached prefix, again and again, with its ledger in memory and with it in the registry's
SQLite file, which is the default; with a policy that renews the cache with every call,
and with the default one. What is measured is the share of this process's CPU time that
passes within the ledger and within what asks the policy, so that both figures of a
ratio come from the same calls. ``--help`` tells the options.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import sys
import tempfile
import time
from functools import wraps
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_core.messages import HumanMessage, SystemMessage
from overhead import ANSWER, KEY, KIB, NAMED, SERVER_WAITS, cpu_per_call, server, text

from langchain_moonshot_cache import ChatMoonshotCached, Ledger
from langchain_moonshot_cache.registry import open_registry
from langchain_moonshot_cache.testing import MoonshotServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_moonshot_cache.ledger import CallEntry

T = TypeVar("T")

AT_MOST = 0.03
"""The most that both together may take of a call."""
POLICY = ("used", "look_is_due", "create", "extend", "keep", "settled")
"""Where a call asks the policy, or tells it something."""
WARM_UP = 10
PREFIX = 16 * KIB


class Meter:
    """Adds up the CPU time that passes within functions of one thread."""

    def __init__(self) -> None:
        self.spent = 0
        """Nanoseconds."""
        self._inside = False

    def watch(self, owner: Any, *names: str) -> None:
        """Measure these methods of an object; one within another counts once."""
        for name in names:
            setattr(owner, name, self._metered(getattr(owner, name)))

    def _metered(self, work: Callable[..., T]) -> Callable[..., T]:
        @wraps(work)
        def metered(*args: Any, **options: Any) -> T:
            if self._inside:
                return work(*args, **options)
            self._inside = True
            before = time.process_time_ns()
            nothing(*args, **options)
            begun = time.process_time_ns()
            try:
                return work(*args, **options)
            finally:
                # Less what measuring costs by itself.
                self.spent += time.process_time_ns() - begun - (begun - before)
                self._inside = False

        return metered


def nothing(*_: Any, **__: Any) -> None:
    """Do what is measured where nothing is."""


class Timed(Ledger):
    """A ledger that measures what it costs."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.meter = Meter()
        self.meter.watch(self, "record")

    async def arecord(self, entry: CallEntry) -> None:
        """Count one call; nothing else runs meanwhile."""
        begun = time.process_time_ns()
        await super().arecord(entry)
        self.meter.spent += time.process_time_ns() - begun


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
        self.meters = {"ledger": ledger.meter, "policy": Meter()}
        around = llm._caching  # noqa: SLF001 - who asks the policy
        self.meters["policy"].watch(around.advising, *POLICY)
        self.meters["policy"].watch(around, "_extended")
        self.server = MoonshotServer(url, api_key=KEY)
        self.rounds: list[tuple[float, float, float]] = []
        for _ in range(WARM_UP):
            self.ask()

    def run(self, calls: int) -> None:
        """Add a round: milliseconds of a call, and of both within it."""
        gc.collect()
        self.server.answer_next(*[ANSWER] * calls)
        self.server.fail(
            "delay", path="/v1/chat/completions", seconds=SERVER_WAITS, times=calls
        )
        for meter in self.meters.values():
            meter.spent = 0
        whole = cpu_per_call(self.ask, calls)
        ledger, policy = (m.spent / calls / 1e6 for m in self.meters.values())
        self.rounds.append((whole, ledger, policy))

    def show(self, name: str) -> float:
        """Print a line of the table; return the share of both together."""
        shares = sorted(
            (ledger + policy) / whole for whole, ledger, policy in self.rounds
        )
        whole, ledger, policy = map(statistics.median, zip(*self.rounds, strict=True))
        share = statistics.median(shares)
        print(
            f"{name:>24} {whole:8.3f} {ledger:9.3f} {policy:9.3f} {share:8.2%} "
            f"({shares[0]:.2%}-{shares[-1]:.2%})"
        )
        return share


def main() -> int:
    """Run the benchmark; exit with 1 if both together take too much."""
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
    print(
        f"{'':>24} {'call ms':>8} {'ledger ms':>9} {'policy ms':>9} {'share':>8} "
        "(lowest-highest)"
    )
    shares = [trial.show(name) for name, trial in trials.items()]
    return int(max(shares) > AT_MOST)


if __name__ == "__main__":
    sys.exit(main())
