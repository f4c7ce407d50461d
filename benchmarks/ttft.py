"""Time to first token of a real engine, with the prefix cold and with it warm.

llama.cpp runs in this process, and the gateway in a process of its own in front of it.
For each size a prefix that the engine has never seen is asked about once, directly:
that is *cold*. Then come questions about the same prefix, in turns: to the engine
directly, which has the prefix warm by then, and to the gateway through
``ChatMoonshotCached`` by both mechanisms. What is measured is the wall-clock time from
the call until the first text of the answer is there. Times are this computer's; the
ratios were taken side by side. Run it as ``python benchmarks/ttft.py`` with the extra
``local`` installed; ``--help`` tells the options.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI

from langchain_moonshot_cache import ChatMoonshotCached
from langchain_moonshot_cache.demo.document import QUESTIONS, manual
from langchain_moonshot_cache.demo.real import ask_timed
from langchain_moonshot_cache.server.local import LocalLlama, asking, find_weights

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from langchain_core.language_models import BaseChatModel

SIZES = (1024, 4096, 8192, 16384)
WAYS = ("direct", "named", "prefix")
"""To the engine, and through the gateway: by a named cache, and by resending all."""
COLD = "cold"
ANSWER_TOKENS = 4
"""The first token is what counts; the others show that an answer is coming."""
WAIT = 600.0
"""Seconds for a cold prefix of the largest size on a slow computer."""
SAVED_AT = 8192
SAVED = 0.97
WITHIN = 0.10
WITHIN_SECONDS = 0.020
"""Warm through the gateway may take this much longer than directly, or that many
seconds."""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds to the first token, of several questions.

    Attributes:
        tokens: Size of the prefix.
        way: ``cold``, or how the warm prefix was asked about.
        median: Of all questions.
        lowest: The fastest.
        highest: The slowest.
        questions: How many there were.
    """

    tokens: int
    way: str
    median: float
    lowest: float
    highest: float
    questions: int


class Bench:
    """An engine, a gateway in front of it, and a model for each way to ask.

    Args:
        engine: The engine in this process.
        gateway: Base URL of the gateway.
    """

    def __init__(self, engine: LocalLlama, *, gateway: str) -> None:
        self._engine = httpx.Client(
            base_url=engine.base_url.removesuffix("/v1"),
            headers={"Authorization": f"Bearer {engine.api_key}"},
        )
        common: dict[str, Any] = {
            "model": engine.model,
            "max_completion_tokens": ANSWER_TOKENS,
            "timeout": WAIT,
            "max_retries": 0,
        }
        ours = {**common, "base_url": gateway, "api_key": "sk-benchmark"}
        self.named = ChatMoonshotCached(
            caching="named", registry="memory://", cache_policy="always", **ours
        )
        self.models: dict[str, BaseChatModel] = {
            "direct": ChatOpenAI(
                base_url=engine.base_url, api_key=engine.api_key, **common
            ),
            "named": self.named,
            "prefix": ChatMoonshotCached(caching="prefix", **ours),
        }

    def document(self, tokens: int, *, edition: int) -> str:
        """Cut a document that begins as no other one does to a number of tokens."""
        text = f"Edition {edition} of {tokens} tokens.\n\n{manual()}"
        reply = self._engine.post("/tokenize", json={"content": text}, timeout=WAIT)
        ids = reply.json()["tokens"][:tokens]
        reply = self._engine.post("/detokenize", json={"tokens": ids}, timeout=WAIT)
        return str(reply.json()["content"])


@contextmanager
def gateway(engine: LocalLlama) -> Iterator[str]:
    """Run a gateway in front of the engine; yield its base URL."""
    command = [
        *(sys.executable, "-m", "langchain_moonshot_cache.server"),
        *("--upstream", engine.base_url, "--port", "0", "--no-access-log"),
    ]
    environment = {**os.environ, "MOONSHOT_GATEWAY_UPSTREAM_KEY": engine.api_key}
    with subprocess.Popen(  # noqa: S603 - our own server
        command, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            yield next(word for word in line.split() if word.startswith("http"))
        finally:
            process.terminate()


def measure(bench: Bench, *, sizes: Sequence[int], rounds: int) -> list[Times]:
    """Measure all sizes, smallest first, and tell the progress."""
    results = []
    for tokens in sorted(sizes):
        seconds: dict[str, list[float]] = {way: [] for way in (COLD, *WAYS)}
        for edition in range(rounds):
            tell(f"{tokens} tokens, prefix {edition + 1} of {rounds}: cold")
            for way, took in one_prefix(bench, tokens=tokens, edition=edition):
                seconds[way].append(took)
        for way, taken in seconds.items():
            results.append(summary(tokens, way, taken))
            tell(f"{tokens} tokens, {way}: {results[-1].median:.3f} s")
    return results


def one_prefix(
    bench: Bench, *, tokens: int, edition: int
) -> Iterator[tuple[str, float]]:
    """Ask about one new prefix: cold once, then in turns."""
    # No two runs begin alike, so that cold stays cold.
    system = SystemMessage(bench.document(tokens, edition=time.time_ns()))
    cold, *questions = QUESTIONS
    yield COLD, first_token(bench.models["direct"], [system, HumanMessage(cold)])
    bench.named.warm([system])
    # Each question once: asked again, the engine would have all of it warm.
    for number, question in enumerate(questions):
        way = WAYS[(number + edition) % len(WAYS)]
        yield way, first_token(bench.models[way], [system, HumanMessage(question)])


def first_token(llm: BaseChatModel, messages: Sequence[BaseMessage]) -> float:
    """Ask, and return the seconds until the first text was there."""
    return ask_timed(llm, messages).first_token


def summary(tokens: int, way: str, seconds: Sequence[float]) -> Times:
    """Sum up the times of one way at one size."""
    return Times(
        tokens=tokens,
        way=way,
        median=statistics.median(seconds),
        lowest=min(seconds),
        highest=max(seconds),
        questions=len(seconds),
    )


def verdicts(results: Sequence[Times]) -> dict[str, bool]:
    """Hold the figures against what they are to reach."""
    found = {(row.tokens, row.way): row for row in results}
    said = {}
    for (tokens, way), row in found.items():
        if way in {"named", "prefix"}:
            direct = found[tokens, "direct"].median
            most = direct + max(WITHIN * direct, WITHIN_SECONDS)
            said[f"{tokens} {way}: warm as directly"] = row.median <= most
        if way in {"named", "prefix"} and tokens == SAVED_AT:
            saved = 1 - row.median / found[tokens, COLD].median
            said[f"{tokens} {way}: {SAVED:.0%} less than cold"] = saved >= SAVED
    return said


def table(results: Sequence[Times]) -> str:
    """Write the results as a table: median seconds, lowest and highest."""
    found = {(row.tokens, row.way): row for row in results}
    ways = (COLD, *WAYS)
    lines = ["   tokens" + "".join(f"{way:>26}" for way in ways) + "     saved"]
    for tokens in sorted({row.tokens for row in results}):
        rows = [found[tokens, way] for way in ways]
        cells = [f"{r.median:9.3f} ({r.lowest:.3f}-{r.highest:.3f})" for r in rows]
        saved = 1 - found[tokens, "named"].median / found[tokens, COLD].median
        line = "".join(f"{cell:>26}" for cell in cells)
        lines.append(f"{tokens:9}{line}{-saved:10.1%}")
    return "\n".join(lines)


def picture(results: Sequence[Times], path: Path) -> None:
    """Draw the medians over the size of the prefix."""
    import matplotlib as mpl  # noqa: PLC0415 - for those who ask for a picture
    from matplotlib import pyplot as plt  # noqa: PLC0415 - the same

    mpl.use("agg")
    figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
    styles = {
        COLD: ("cold", "#d55e00", "o-"),
        "named": ("warm, named cache", "#0072b2", "s-"),
        "prefix": ("warm, resent in full", "#009e73", "^--"),
    }
    for way, (label, colour, style) in styles.items():
        rows = [row for row in results if row.way == way]
        sizes = [row.tokens for row in rows]
        medians = [row.median for row in rows]
        axes.plot(sizes, medians, style, color=colour, label=label)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(sizes, [f"{size // 1024}k" for size in sizes])
    axes.set_xlabel("tokens of the prefix")
    axes.set_ylabel("seconds to the first token")
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def tell(line: str) -> None:
    """Tell the progress, apart from the results."""
    sys.stderr.write(f"{line}\n")


def record(results: Sequence[Times], *, model: str) -> dict[str, Any]:
    """Return what is worth keeping of a run."""
    return {
        "model": model,
        "cores": len(os.sched_getaffinity(0)),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "times": [asdict(row) for row in results],
        "verdicts": verdicts(results),
    }


def main() -> None:
    """Measure, print the table, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--sizes", type=int, nargs="+", default=list(SIZES), help="prefix tokens")
    add("--rounds", type=int, default=3, help="new prefixes of each size")
    add("--weights", type=Path, help="a GGUF file; without it, the small model")
    add("--yes", action="store_true", help="agree to fetching the small model")
    add("--json", type=Path, metavar="FILE", help="write the figures there")
    add("--picture", type=Path, metavar="FILE", help="draw them (wants matplotlib)")
    options = parser.parse_args()
    weights = find_weights(options.weights, agreed=asking(yes=options.yes))
    with ExitStack() as stack:
        engine = stack.enter_context(LocalLlama(weights))
        bench = Bench(engine, gateway=stack.enter_context(gateway(engine)))
        results = measure(bench, sizes=options.sizes, rounds=options.rounds)
        bench.named.release()
    sys.stdout.write(f"{table(results)}\n")
    for said, holds in verdicts(results).items():
        sys.stdout.write(f"{'ok    ' if holds else 'MISSED'}  {said}\n")
    if options.json:
        text = json.dumps(record(results, model=engine.model), indent=1)
        options.json.write_text(f"{text}\n", "utf-8")
    if options.picture:
        picture(results, options.picture)


if __name__ == "__main__":
    main()
