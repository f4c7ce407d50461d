"""Time to first token of a real engine, with the prefix cold and with it warm.

llama.cpp runs in this process, and the gateway in a process of its own in front of it.
For each size a prefix that the engine has never seen is asked about once, directly:
that is *cold*. Then come questions about the same prefix, in turns: to the engine
directly, which has the prefix warm by then, and to the gateway through
``ChatMoonshotCached`` by both mechanisms. What is measured is the wall-clock time from
the call until the first text of the answer is there. Times are this computer's; the
ratios were taken side by side. Run it as ``python benchmarks/ttft.py`` with the extra
``local`` installed; ``--help`` tells the options. What the README shows was kept with
``--json benchmarks/results/ttft.json --picture docs/ttft.svg``, and is drawn anew from
there, without measuring, with ``--from benchmarks/results/ttft.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from ttft_results import (
    COLD,
    WAYS,
    Times,
    read,
    readme_rows,
    record,
    summary,
    table,
    verdicts,
)

from langchain_moonshot_cache import ChatMoonshotCached
from langchain_moonshot_cache.demo.document import QUESTIONS, manual
from langchain_moonshot_cache.demo.real import ask_timed
from langchain_moonshot_cache.server.local import LocalLlama, asking, find_weights

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from langchain_core.language_models import BaseChatModel

SIZES = (1024, 4096, 8192, 16384)
ANSWER_TOKENS = 4
"""The first token is what counts; the others show that an answer is coming."""
WAIT = 600.0
"""Seconds for a cold prefix of the largest size on a slow computer."""


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


def tell(line: str) -> None:
    """Tell the progress, apart from the results."""
    sys.stderr.write(f"{line}\n")


def main() -> None:
    """Measure, or read what was measured; print the table; write what was asked for."""
    options = _parser().parse_args()
    if options.read is not None:
        told, results = read(options.read)
    else:
        told, results = run(options)
    lines = readme_rows(results) if options.markdown else judged(results)
    sys.stdout.write("\n".join([*lines, ""]))
    if options.json:
        options.json.write_text(f"{json.dumps(told, indent=1)}\n", "utf-8")
    if options.picture:
        from ttft_picture import draw  # noqa: PLC0415 - for those who want a picture

        draw(told, path=options.picture)


def judged(results: Sequence[Times]) -> list[str]:
    """Write the table, and beneath it which figures were reached."""
    said = verdicts(results).items()
    marks = [f"{'ok    ' if holds else 'MISSED'}  {what}" for what, holds in said]
    return [table(results), *marks]


def run(options: argparse.Namespace) -> tuple[dict[str, Any], list[Times]]:
    """Measure on an engine in this process; return the record, and the times in it."""
    weights = find_weights(options.weights, agreed=asking(yes=options.yes))
    with ExitStack() as stack:
        engine = stack.enter_context(LocalLlama(weights))
        bench = Bench(engine, gateway=stack.enter_context(gateway(engine)))
        results = measure(bench, sizes=options.sizes, rounds=options.rounds)
        bench.named.release()
    return record(results, model=engine.model), results


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--sizes", type=int, nargs="+", default=list(SIZES), help="prefix tokens")
    add("--rounds", type=int, default=3, help="new prefixes of each size")
    add("--weights", type=Path, help="a GGUF file; without it, the small model")
    add("--yes", action="store_true", help="agree to fetching the small model")
    told = "measure nothing: show what --json wrote"
    add("--from", dest="read", type=Path, metavar="FILE", help=told)
    add("--markdown", action="store_true", help="print the rows of the README's table")
    add("--json", type=Path, metavar="FILE", help="write the figures there")
    add("--picture", type=Path, metavar="FILE", help="draw them (wants matplotlib)")
    return parser


if __name__ == "__main__":
    main()
