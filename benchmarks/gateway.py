"""What the gateway adds to an engine: time a call, and memory.

The gateway and the engine behind it run in processes of their own, and this process
asks: the engine itself and the gateway in turns, so that whatever else the machine does
falls on both. Engines take their time over an answer, so the scripted one is told to
wait before each; twenty callers then keep twenty calls in flight without any of the
three processes being worn out, which would measure the machine. Run it as
``python benchmarks/gateway.py``; ``--help`` tells the options.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from gateway_engine import CHUNKS, PACE

from langchain_moonshot_cache.server.gateway_options import UPSTREAM_KEY
from langchain_moonshot_cache.testing import MoonshotServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    Ask = Callable[[httpx.AsyncClient], Awaitable[None]]

MODULE = [sys.executable, "-m", "langchain_moonshot_cache.server", "--port", "0"]
ENGINE = [sys.executable, str(Path(__file__).with_name("gateway_engine.py"))]
HEADERS = {"Authorization": "Bearer sk-benchmark"}
MODEL = "moonshot-v1-128k"
QUESTION = {"role": "user", "content": "How tall is the lighthouse of Alexandria?"}
SENTENCE = "Every lighthouse has a keeper, and every keeper has a light. "
TOKENS = 100_000
LETTERS_A_TOKEN = 4
CALLERS = 20
ENGINE_WAITS = 0.5
"""Seconds before each answer of the scripted engine: a fast model's short answer."""
STREAMS = 200
PAGE = 4096
MEGABYTE = 1e6


@dataclass(frozen=True, slots=True)
class Result:
    """One figure.

    Attributes:
        name: What was measured.
        value: The figure.
        unit: Its unit.
        spread: The least and the most of it over the rounds.
        bound: The most that it may be; None if it only tells.
    """

    name: str
    value: float
    unit: str
    spread: tuple[float, float]
    bound: float | None = None


@contextmanager
def running(*command: str) -> Iterator[tuple[str, int]]:
    """Run a server; lend its URL and its process."""
    environment = os.environ | {UPSTREAM_KEY: "sk-benchmark-engine"}
    with tempfile.TemporaryFile("w") as log:
        process = subprocess.Popen(  # noqa: S603 - our own commands
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
        )
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        greeting = re.search(r"http://[\d.:]+", process.stdout.readline())
        if greeting is None:
            sys.exit(f"{command[-1]} did not start")
        try:
            yield f"{greeting[0]}/v1", process.pid
        finally:
            process.terminate()
            process.communicate()


def before(engine: str, *options: str) -> list[str]:
    """Return the command of a gateway before an engine."""
    return [*MODULE, "--upstream", engine, "--no-access-log", *options]


def client(url: str, *, connections: int = CALLERS) -> httpx.AsyncClient:
    """Return a client that keeps its connections."""
    limits = httpx.Limits(
        max_connections=connections, max_keepalive_connections=connections
    )
    return httpx.AsyncClient(base_url=url, headers=HEADERS, limits=limits, timeout=120)


def resident(process: int) -> float:
    """Return the megabytes of memory that a process holds."""
    pages = Path(f"/proc/{process}/statm").read_text("ascii").split()[1]
    return int(pages) * PAGE / MEGABYTE


def peak(process: int) -> float:
    """Return the most megabytes of memory that a process ever held."""
    status = Path(f"/proc/{process}/status").read_text("ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None  # noqa: S101 - Linux tells it of every process
    return int(found[1]) * 1024 / MEGABYTE


def cpu(process: int) -> float:
    """Return the seconds of CPU time that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def document(number: int, *, tokens: int) -> dict[str, str]:
    """Return a system message of about so many tokens, another for each number."""
    letters = tokens * LETTERS_A_TOKEN
    text = f"Document {number}. " + SENTENCE * (letters // len(SENTENCE))
    return {"role": "system", "content": text}


async def create(gate: httpx.AsyncClient, message: dict[str, str]) -> dict[str, str]:
    """Make a cache, wait until it is ready, and return the message that names it."""
    body = {"model": MODEL, "messages": [message]}
    cache = (await gate.post("/caching", json=body)).raise_for_status().json()
    while cache["status"] == "pending":
        await asyncio.sleep(0.02)
        cache = (await gate.get(f"/caching/{cache['id']}")).json()
    if cache["status"] != "ready":
        sys.exit(f"a cache was not built: {cache['error']}")
    return {"role": "cache", "content": f"cache_id={cache['id']}"}


def asking(*messages: dict[str, str], stream: bool) -> Ask:
    """Return what asks these messages, and reads the answer to its end."""
    body = {"model": MODEL, "messages": list(messages), "stream": stream}

    async def ask(at: httpx.AsyncClient) -> None:
        (await at.post("/chat/completions", json=body)).raise_for_status()

    return ask


def leaving(*messages: dict[str, str]) -> Ask:
    """Return what asks these messages, and hangs up once the answer begins."""
    body = {"model": MODEL, "messages": list(messages), "stream": True}

    async def ask(at: httpx.AsyncClient) -> None:
        async with at.stream("POST", "/chat/completions", json=body) as reply:
            await anext(reply.aiter_raw())

    return ask


async def added_seconds(
    direct: Callable[[], Awaitable[None]],
    through: Callable[[], Awaitable[None]],
    *,
    calls: int,
) -> float:
    """Return how much longer the median call takes through the gateway.

    Callers ask here and there in turns, so that what disturbs the one disturbs the
    other. Each pauses for a random time before each call, half an answer's on average:
    callers that ask on and on end up asking all at once, and then they measure how long
    the queue is. Three of them thus keep one call in flight at either place.
    """
    taken: dict[bool, list[float]] = {False: [], True: []}

    async def caller(number: int) -> None:
        for turn in range(2 * calls):
            await asyncio.sleep(random.uniform(0, ENGINE_WAITS))  # noqa: S311 - no secret
            there = bool((turn + number) % 2)
            begin = time.perf_counter()
            await (through if there else direct)()
            taken[there].append(time.perf_counter() - begin)

    await asyncio.gather(*(caller(number) for number in range(3 * CALLERS)))
    return statistics.median(taken[True]) - statistics.median(taken[False])


async def overhead(*, rounds: int, calls: int) -> list[Result]:
    """Measure what the gateway adds to the median call, with 20 in flight."""
    results = []
    with ExitStack() as stack:
        engine_url, _ = stack.enter_context(running(*MODULE))
        gate_url, process = stack.enter_context(running(*before(engine_url)))
        server = MoonshotServer(engine_url.removesuffix("/v1"))
        async with client(engine_url) as engine, client(gate_url) as gate:
            short, long = document(1, tokens=1000), document(2, tokens=TOKENS)
            named = [await create(gate, message) for message in (short, long)]
            server.fail("delay", seconds=ENGINE_WAITS, path="/v1/chat/completions")
            for name, prefix, cached in (
                ("without a cache", None, None),
                ("over a cache of 1,000 tokens", short, named[0]),
                ("over a cache of 100,000 tokens", long, named[1]),
            ):
                for stream in (False, True):
                    full = asking(*filter(None, [prefix, QUESTION]), stream=stream)
                    brief = asking(*filter(None, [cached, QUESTION]), stream=stream)
                    direct, through = partial(full, engine), partial(brief, gate)
                    added, worked = [], []
                    for _ in range(rounds):
                        began = cpu(process)
                        server.answer_next(*["It was tall."] * 6 * CALLERS * calls)
                        more = await added_seconds(direct, through, calls=calls)
                        added.append(more * 1000)
                        spent = cpu(process) - began
                        worked.append(spent / (3 * CALLERS * calls) * 1000)
                    kind = "stream" if stream else "call"
                    results += [
                        _result(f"added to a {kind} {name}", added, "ms", 3),
                        _result("  CPU time of the gateway for it", worked, "ms"),
                    ]
    return results


def _result(
    name: str, values: list[float], unit: str, bound: float | None = None
) -> Result:
    spread = min(values), max(values)
    return Result(name, statistics.median(values), unit, spread, bound)


async def streams(*, rounds: int) -> list[Result]:
    """Open 200 streams at once; measure the longest silence within any of them."""
    direct: list[float] = []
    added: list[float] = []
    wrong = 0
    with ExitStack() as stack:
        engine_url, _ = stack.enter_context(running(*ENGINE))
        gate_url, _ = stack.enter_context(running(*before(engine_url)))
        async with (
            client(engine_url, connections=STREAMS) as engine,
            client(gate_url, connections=STREAMS) as gate,
        ):
            for _ in range(rounds):
                for at, gaps in ((engine, direct), (gate, added)):
                    told = await asyncio.gather(*(_listen(at) for _ in range(STREAMS)))
                    wrong += sum(numbers != list(range(CHUNKS)) for numbers, _ in told)
                    gaps.append(max(gap for _, gap in told) * 1000)
    pace = f"{PACE * 1000:.0f} ms between chunks"
    return [
        Result("streams with a chunk lost or moved", wrong, "", (wrong, wrong), 0),
        _result(f"longest silence, asked directly ({pace})", direct, "ms"),
        _result("longest silence, through the gateway", added, "ms", 1000),
    ]


async def _listen(at: httpx.AsyncClient) -> tuple[list[int], float]:
    """Read one stream; return the numbers in it and the longest time between two."""
    numbers: list[int] = []
    last, longest = None, 0.0
    body = {"model": MODEL, "messages": [QUESTION], "stream": True}
    async with at.stream("POST", "/chat/completions", json=body) as reply:
        async for line in reply.aiter_lines():
            if not line.startswith('data: {"'):
                continue
            now = time.perf_counter()
            longest = max(longest, now - (last or now))
            last = now
            deltas = (choice["delta"] for choice in json.loads(line[6:])["choices"])
            numbers += [int(delta["content"]) for delta in deltas if delta]
    return numbers, longest


async def memory(*, calls: int) -> list[Result]:
    """Measure how the gateway's memory grows over thousands of calls.

    A third of them are answered as a whole, a third are streams, and of a third the
    clients hang up in the middle.
    """
    with ExitStack() as stack:
        engine_url, _ = stack.enter_context(running(*ENGINE, "--at-once"))
        gate_url, process = stack.enter_context(running(*before(engine_url)))
        async with client(gate_url) as gate:
            cached = await create(gate, document(1, tokens=1000))
            asks = [
                *(asking(cached, QUESTION, stream=stream) for stream in (False, True)),
                leaving(cached, QUESTION),
            ]

            async def some(count: int) -> None:
                for number in range(count // CALLERS):
                    ask = asks[number % len(asks)]
                    await asyncio.gather(*(ask(gate) for _ in range(CALLERS)))

            await some(calls // 5)
            before_it, grown = resident(process), []
            for _ in range(4):
                await some(calls // 4)
                grown.append(resident(process) - before_it)
    name = f"grown by in {calls:,} calls"
    return [Result(name, grown[-1], "MB", (min(grown), max(grown)), 5)]


async def caches(*, count: int) -> list[Result]:
    """Make caches of 100,000 tokens, use them, and measure what stays in memory."""
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        path = Path(directory, "state.sqlite")
        options = ("--data", str(path), "--account-token-limit", str(10**9))
        engine_url, _ = stack.enter_context(running(*ENGINE, "--at-once"))
        gate_url, process = stack.enter_context(running(*before(engine_url, *options)))
        begin, before_it = time.perf_counter(), resident(process)
        async with client(gate_url) as gate:
            named = [
                await create(gate, document(number, tokens=TOKENS))
                for number in range(count)
            ]
            taken, made = time.perf_counter() - begin, resident(process) - before_it
            for cached in named:
                await asking(cached, QUESTION, stream=False)(gate)
            used = resident(process) - before_it
            most = peak(process) - before_it
        stored = sum(file.stat().st_size for file in Path(directory).iterdir())  # noqa: ASYNC240 - nobody waits
    each = taken / count * 1000
    return [
        Result(f"{count:,} caches stored", stored / MEGABYTE, "MB", (stored, stored)),
        Result("memory grown by making them", made, "MB", (made, made), 150),
        Result("memory grown by using each of them", used, "MB", (used, used), 150),
        Result("most that it had grown by meanwhile", most, "MB", (most, most), 150),
        Result("from create to ready, each", each, "ms", (each, each)),
    ]


def show(results: list[Result]) -> None:
    """Print a line for each figure."""
    for result in results:
        least, most = result.spread
        bound = "" if result.bound is None else f"   at most {result.bound:g}"
        spread = "" if least == most else f" ({least:.2f} to {most:.2f})"
        figure = f"{result.value:10.2f} {result.unit}"
        print(f"{result.name:58}{figure}{spread}{bound}")


def main() -> int:
    """Measure what was asked for; return 1 if a bound is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parts: dict[str, Callable[[argparse.Namespace], Any]] = {
        "overhead": lambda o: overhead(rounds=o.rounds, calls=o.calls),
        "streams": lambda o: streams(rounds=o.rounds),
        "memory": lambda o: memory(calls=o.memory_calls),
        "caches": lambda o: caches(count=o.caches),
    }
    parser.add_argument("--only", choices=parts, help="one part of it")
    parser.add_argument("--rounds", type=int, default=5, help="of each comparison")
    parser.add_argument("--calls", type=int, default=6, help="of a caller in a round")
    parser.add_argument("--memory-calls", type=int, default=10_000)
    parser.add_argument("--caches", type=int, default=1000)
    parser.add_argument("--json", action="store_true", help="print JSON, no table")
    options = parser.parse_args()
    results: list[Result] = []
    for name, part in parts.items():
        if options.only in (None, name):
            found = asyncio.run(part(options))
            results += found
            if not options.json:
                show(found)
    if options.json:
        print(json.dumps([asdict(result) for result in results], indent=1))
    return int(any(r.bound is not None and r.value > r.bound for r in results))


if __name__ == "__main__":
    sys.exit(main())
