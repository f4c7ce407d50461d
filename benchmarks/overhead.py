"""CPU time per call on a cache hit, side by side with ``ChatOpenAI``.

Both models ask the same stand-in server, which runs in a process of its own, the same
questions over the same prefix, in turns. What is measured is the CPU time of this
process: what the server does, and how long it takes, is left out.

A process that waits longer finds the processor's caches colder: with a wait of 20 ms
the very same call over 1 KB costs up to 1.6 times the CPU time that it costs with 1 ms.
Real models take far longer than that, so the server is told to wait before each answer,
and is handed its answers, so that it does not search a large prefix for one. Run it as
``make bench``; ``--help`` tells the options.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
)
from langchain_openai import ChatOpenAI

from langchain_moonshot_cache import ChatMoonshotCached
from langchain_moonshot_cache.testing import MoonshotServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAMED = "moonshot-v1-128k"
AUTOMATIC = "kimi-k3"
KEY = "sk-benchmark"
CODE_RUNNER = {
    "type": "function",
    "function": {
        "name": "CodeRunner",
        "description": "代码执行器，支持运行 python 和 javascript 代码",
        "parameters": {
            "type": "object",
            "properties": {
                "language": {"type": "string", "enum": ["python", "javascript"]},
                "code": {"type": "string", "description": "代码写在这里"},
            },
        },
    },
}
SENTENCE = "缓存的前缀不必再发送。What a cache holds need not be sent again; "
KIB = 1024
ANSWER = "What the cache holds."
SERVER_WAITS = 0.04
"""Seconds before each answer, more than the server needs for its own work on 2 MB."""
WARM_UP = 5
GROWTH = 1.3
"""The most that our own hit path may grow from 1 KB to 2 MB."""


@dataclass(frozen=True, slots=True)
class Case:
    """A prompt, and the most that our CPU time may be of ChatOpenAI's."""

    name: str
    messages: list[BaseMessage]
    bound: float | None
    model: str = NAMED


@dataclass(frozen=True, slots=True)
class Result:
    """Milliseconds of CPU per call, and the ratio of each round."""

    name: str
    ours_ms: float
    theirs_ms: float
    ratio: float
    lowest: float
    highest: float
    bound: float | None


def cases() -> list[Case]:
    """Make prefixes of 1 KB to 2 MB, and conversations for both mechanisms."""
    sizes = [
        ("1 KB", KIB, 1.10),
        ("64 KB", 64 * KIB, None),
        ("512 KB", 512 * KIB, 0.65),
        ("2 MB", 2 * KIB * KIB, 0.35),
    ]
    made = [Case(name, [SystemMessage(text(size))], b) for name, size, b in sizes]
    made.append(Case("200 messages", conversation(199), 0.15))
    turns = [(2, 1.05), (50, 0.35), (200, 0.15)]
    return made + [
        Case(f"{count} messages, prefix", conversation(count - 1), bound, AUTOMATIC)
        for count, bound in turns
    ]


def text(size: int) -> str:
    """Write mixed Chinese and English of so many bytes of UTF-8, about."""
    return SENTENCE * max(size // len(SENTENCE.encode()), 1)


def conversation(length: int) -> list[BaseMessage]:
    """Make a conversation whose last message is marked as the end of the prefix."""
    turns: list[BaseMessage] = [SystemMessage(text(KIB))]
    for index in range(1, length):
        kind = HumanMessage if index % 2 else AIMessage
        turns.append(kind(f"{index}: {text(300)}"))
    turns[-1].additional_kwargs["cache"] = True
    return turns


@contextmanager
def server(directory: Path) -> Iterator[str]:
    """Run the stand-in in a process of its own; give its base URL."""
    command = [sys.executable, "-m", "langchain_moonshot_cache.server", "--port", "0"]
    limits = ["--cache-token-limit", "10000000", "--account-token-limit", "100000000"]
    with (directory / "server.log").open("w") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [*command, *limits], stdout=subprocess.PIPE, stderr=log, text=True
        )
        try:
            assert process.stdout is not None  # noqa: S101 - PIPE was asked for
            line = process.stdout.readline()
            yield next(word for word in line.split() if word.startswith("http"))
        finally:
            process.terminate()
            process.wait()


def cpu_per_call(ask: Callable[[], object], calls: int) -> float:
    """Return milliseconds of CPU time that this process spends on one call."""
    begun = time.process_time()
    for _ in range(calls):
        ask()
    return (time.process_time() - begun) * 1000 / calls


class Rival:
    """The two models on one case, warm, and what they spent in each round."""

    def __init__(self, case: Case, url: str, registry: str) -> None:
        self.case = case
        self.server = MoonshotServer(url, api_key=KEY)
        prompt = [*case.messages, HumanMessage("What need not be sent again?")]
        self.cached = ChatMoonshotCached(
            model=case.model,
            api_key=KEY,
            base_url=url,
            registry=registry,
            cache_policy="always",
            cache_wait=30,
        )
        plain = ChatOpenAI(model=case.model, api_key=KEY, base_url=url)
        ours = self.cached.bind_tools([CODE_RUNNER])
        theirs = plain.bind_tools([CODE_RUNNER])
        self.asks: list[Callable[[], BaseMessage]] = [
            lambda: ours.invoke(prompt),
            lambda: theirs.invoke(prompt),
        ]
        self.rounds: list[tuple[float, float]] = []
        for _ in range(WARM_UP):
            answer, _ = (ask() for ask in self.asks)
        told = answer.response_metadata["moonshot_cache"]
        if case.model == NAMED and told["outcome"] != "hit":
            raise SystemExit(f"{case.name}: expected a hit, got {told['outcome']}")

    def run(self, *, calls: int, ours_first: bool) -> None:
        """Add a round, one model after the other."""
        gc.collect()
        asks = self.asks if ours_first else self.asks[::-1]
        spent = []
        for ask in asks:
            self.server.answer_next(*[ANSWER] * calls)
            self.server.fail(
                "delay",
                path="/v1/chat/completions",
                seconds=SERVER_WAITS,
                times=calls,
            )
            spent.append(cpu_per_call(ask, calls))
        ours, theirs = spent if ours_first else spent[::-1]
        self.rounds.append((ours, theirs))

    def result(self) -> Result:
        """Sum the rounds up."""
        ratios = [ours / theirs for ours, theirs in self.rounds]
        return Result(
            name=self.case.name,
            ours_ms=statistics.median(ours for ours, _ in self.rounds),
            theirs_ms=statistics.median(theirs for _, theirs in self.rounds),
            ratio=statistics.median(ratios),
            lowest=min(ratios),
            highest=max(ratios),
            bound=self.case.bound,
        )


def growth(small: Rival, large: Rival) -> Result:
    """Compare our own hit path over two prefixes, round by round."""
    pairs = zip(large.rounds, small.rounds, strict=True)
    ratios = [big[0] / little[0] for big, little in pairs]
    return Result(
        name="2 MB to 1 KB",
        ours_ms=large.result().ours_ms,
        theirs_ms=small.result().ours_ms,
        ratio=statistics.median(ratios),
        lowest=min(ratios),
        highest=max(ratios),
        bound=GROWTH,
    )


def show(results: list[Result]) -> None:
    """Print the table."""
    print(
        "CPU time per call of the client process: named caches on a hit, by message\n"
        "reference, then conversations with automatic prefix caching\n"
        f"{'prompt':>20} {'ours ms':>9} {'ChatOpenAI ms':>14} {'ratio':>7} "
        f"{'lowest-highest':>16} {'at most':>8}"
    )
    for result in results:
        spread = f"{result.lowest:.3f}-{result.highest:.3f}"
        bound = "-" if result.bound is None else f"{result.bound:.2f}"
        print(
            f"{result.name:>20} {result.ours_ms:9.3f} {result.theirs_ms:14.3f} "
            f"{result.ratio:7.3f} {spread:>16} {bound:>8}"
        )
    print("The last line is the growth of our own hit path, 2 MB against 1 KB.")


def main() -> int:
    """Run the benchmark; exit with 1 if a bound is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="rounds")
    parser.add_argument(
        "--calls",
        type=int,
        default=10,
        help="calls of each model and prefix in a round",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, no table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, server(Path(name)) as url:
        registry = f"sqlite:///{name}/registry.sqlite"
        rivals = [Rival(case, url, registry) for case in cases()]
        for index in range(options.rounds):
            print(f"round {index + 1} of {options.rounds}", file=sys.stderr, flush=True)
            for rival in rivals:
                rival.run(calls=options.calls, ours_first=bool(index % 2))
        for rival in rivals:
            rival.cached.release()
    results = [rival.result() for rival in rivals]
    results.append(growth(rivals[0], rivals[3]))
    if options.json:
        print(json.dumps([asdict(result) for result in results], indent=1))
    else:
        show(results)
    return int(any(r.bound is not None and r.ratio > r.bound for r in results))


if __name__ == "__main__":
    sys.exit(main())
