"""CPU time that the ledger adds to a call on a cache hit.

Three models ask the same stand-in, in a process of its own, the same question over the
same cached prefix, in turns: one whose ledger writes nothing, one with the ledger in
memory, and one with it in the registry's SQLite file, which is the default. What is
measured is the CPU time of this process with its threads. ``--help`` tells the options.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from langchain_core.messages import HumanMessage, SystemMessage
from overhead import ANSWER, KEY, KIB, NAMED, SERVER_WAITS, cpu_per_call, server, text

from langchain_moonshot_cache import ChatMoonshotCached, Ledger
from langchain_moonshot_cache.testing import MoonshotServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_moonshot_cache.ledger import CallEntry

AT_MOST = 1.03
"""The most that ledger and policy together may cost, as a share of a call."""
WARM_UP = 10


class Silent(Ledger):
    """A ledger that counts nothing, to measure the others against."""

    def record(self, entry: CallEntry) -> None:
        """Count nothing."""


def ledgers(directory: str) -> dict[str, Ledger]:
    """Make the ledgers to compare, the one that counts nothing first."""
    return {
        "none": Silent(),
        "memory": Ledger(),
        "sqlite": Ledger.open(f"sqlite:///{directory}/registry.sqlite"),
    }


def asking(
    ledger: Ledger, url: str, directory: str, *, loop: asyncio.AbstractEventLoop | None
) -> Callable[[], object]:
    """Make a model with a ledger, and a function that asks it one question.

    With a loop it is asked asynchronously.
    """
    llm = ChatMoonshotCached(
        model=NAMED,
        api_key=KEY,
        base_url=url,
        registry=f"sqlite:///{directory}/registry.sqlite",
        cache_policy="always",
        cache_wait=30,
        ledger=ledger,
    )
    prompt = [SystemMessage(text(KIB)), HumanMessage("What need not be sent again?")]
    if loop is None:
        return lambda: llm.invoke(prompt)
    return lambda: loop.run_until_complete(llm.ainvoke(prompt))


def measured(
    url: str,
    directory: str,
    *,
    loop: asyncio.AbstractEventLoop | None,
    rounds: int,
    calls: int,
) -> dict[str, list[float]]:
    """Return milliseconds of CPU per call, by ledger and round."""
    handle = MoonshotServer(url, api_key=KEY)
    asks = {
        name: asking(ledger, url, directory, loop=loop)
        for name, ledger in ledgers(directory).items()
    }
    for ask in asks.values():
        for _ in range(WARM_UP):
            ask()
    spent: dict[str, list[float]] = {name: [] for name in asks}
    for index in range(rounds):
        names = list(asks) if index % 2 else list(asks)[::-1]
        for name in names:
            gc.collect()
            handle.answer_next(*[ANSWER] * calls)
            handle.fail(
                "delay",
                path="/v1/chat/completions",
                seconds=SERVER_WAITS,
                times=calls,
            )
            spent[name].append(cpu_per_call(asks[name], calls))
    return spent


def show(colour: str, spent: dict[str, list[float]]) -> float:
    """Print a table; return the ratio of the default."""
    ratio = 1.0
    for name, found in spent.items():
        pairs = zip(found, spent["none"], strict=True)
        ratios = sorted(mine / base for mine, base in pairs)
        ratio = statistics.median(ratios)
        quarter = len(ratios) // 4
        print(
            f"{colour:>6} {name:>8} {statistics.median(found):8.3f} ms {ratio:7.3f} "
            f"({ratios[quarter]:.3f}-{ratios[-quarter - 1]:.3f})"
        )
    return ratio


def main() -> int:
    """Run the benchmark; exit with 1 if the default costs too much."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="rounds")
    parser.add_argument("--calls", type=int, default=20, help="calls in a round")
    options = parser.parse_args()
    print("colour   ledger  CPU per call   ratio (middle half of the rounds)")
    worst = 0.0
    with tempfile.TemporaryDirectory() as name, server(Path(name)) as url:
        for colour in ("sync", "async"):
            # One loop for all: LangChain shares connections between models.
            loop = asyncio.new_event_loop() if colour == "async" else None
            spent = measured(
                url, name, loop=loop, rounds=options.rounds, calls=options.calls
            )
            worst = max(worst, show(colour, spent))
    return int(worst > AT_MOST)


if __name__ == "__main__":
    sys.exit(main())
