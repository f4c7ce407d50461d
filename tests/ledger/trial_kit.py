"""Random calls of every kind, and what the server charged for those that came back."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

from chat_kit import CACHING, CHAT, KEY, SYSTEM, told
from langchain_core.caches import InMemoryCache
from langchain_core.messages import HumanMessage, SystemMessage

from langchain_moonshot_cache import ChatMoonshotCached, Ledger, MoonshotCacheError

if TYPE_CHECKING:
    from langchain_moonshot_cache.testing import MoonshotServer

MODELS: list[tuple[str, dict[str, Any]]] = [
    ("moonshot-v1-8k", {}),
    ("moonshot-v1-32k", {"cache_reference": "headers"}),
    ("moonshot-v1-128k", {"cache_ttl": 60}),
    ("kimi-k3", {}),
    ("kimi-k3", {"cache_ttl": "1h"}),
    ("kimi-k2.6", {}),
    ("kimi-k2.7-code", {"caching": "off"}),
    ("moonshot-v1-8k", {"caching": "off"}),
]
PREFIXES = [
    SYSTEM,
    SystemMessage("You know every lighthouse, and its keeper. " * 40),
    SystemMessage("你知道每一座灯塔。" * 80),
]
Fault = dict[str, Any]
TOLD: list[Fault] = [
    {"kind": "status", "path": CHAT, "status": 500},
    {"kind": "status", "path": CHAT, "status": 429},
    {"kind": "status", "path": CACHING, "method": "POST", "status": 503},
    {"kind": "reply_lost", "path": CACHING, "method": "POST"},
    {"kind": "build_fails", "path": CACHING, "method": "POST"},
]
"""Faults after which the client knows, or will find out, what was charged."""
LOST: list[Fault] = [
    {"kind": "reply_lost", "path": CHAT},
    {"kind": "malformed", "path": CHAT},
    {"kind": "cut", "path": CHAT},
    {"kind": "cut_body", "path": CHAT},
    {"kind": "cut_stream_after", "path": CHAT, "chunks": 2},
    {"kind": "error_in_stream", "path": CHAT, "error": "server_error", "chunks": 1},
]
"""Faults that leave open whether a call was charged and its cache renewed."""
STYLES = ("invoke", "ainvoke", "stream", "astream", "batch", "retry")


@dataclass
class Clock:
    """The server's time as the ledger is to see it; moved with the server's."""

    server: MoonshotServer
    now: float = 0.0

    def __post_init__(self) -> None:
        self.server.clock.freeze()
        self.server.configure(ready_after=0)
        self.now = self.server.clock.now()

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.server.clock.advance(seconds)
        self.now += seconds


@dataclass
class Trial:
    """Calls one after the other, and the charges of those that came back."""

    server: MoonshotServer
    ledger: Ledger
    clock: Clock
    registry: str
    seed: int
    faults: list[Fault]
    charged: Counter[str] = field(default_factory=Counter)
    seen: int = 0
    failed: int = 0
    lost_creates: int = 0
    lost_charges: int = 0
    replays: int = 0
    kinds: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)  # noqa: S311 - a trial can be repeated
        self.loop = asyncio.new_event_loop()
        self.models = [self.model(name, options) for name, options in MODELS]
        self.asked = 0
        self.before: Any = None

    def model(self, name: str, options: dict[str, Any]) -> ChatMoonshotCached:
        return ChatMoonshotCached(
            **{
                "model": name,
                "base_url": self.server.base_url,
                "api_key": KEY,
                "registry": self.registry,
                "ledger": self.ledger,
                "cache_policy": "always",
                "max_retries": 0,
                "cache": InMemoryCache() if self.chance.random() < 0.3 else None,
                **options,
            }
        )

    def run(self, calls: int) -> None:
        for _ in range(calls):
            self.step()

    def step(self) -> None:
        """Perhaps let time pass, let something fail or let caches go; then call."""
        chance = self.chance
        if chance.random() < 0.2:
            self.clock.advance(chance.choice((0.4, 7, 31, 200, 700, 4000)))
        if chance.random() < 0.02:
            with suppress(MoonshotCacheError):
                chance.choice(self.models).release()
        llm = chance.choice(self.models)
        self.asked += 1
        prompt = [chance.choice(PREFIXES), HumanMessage(f"Question {self.asked}?")]
        if self.before and chance.random() < 0.15:
            llm, prompt = self.before
        fault = chance.choice(self.faults) if chance.random() < 0.1 else None
        if fault is not None:
            # A lost answer tells no time, so the client has to know it from another.
            next(llm._caching.sync.client.list(), None)
            self.server.fail(**{**fault, "nth": 1})
        style = chance.choice(STYLES)
        answers = 0
        try:
            came = self.ask(llm, prompt, style)
            answers = sum(map(_was_charged, came))
            self.replays += sum(map(_is_replay, came))
        except Exception:  # noqa: BLE001 - whatever a fault leads to
            self.failed += 1
        self.kinds[style if answers else "failed"] += 1
        self.before = (llm, prompt)
        if fault is not None:
            lost = fault["kind"] == "reply_lost" and fault["path"] == CACHING
            self.lost_creates += lost
            self.server.control("DELETE", "faults")
        self.settle(answers)

    def ask(self, llm: Any, prompt: Any, style: str) -> list[Any]:
        tag = self.chance.choice((None, "day", "night"))
        with self.ledger.track(tag=tag):
            if style == "invoke":
                return [llm.invoke(prompt)]
            if style == "ainvoke":
                return [self.loop.run_until_complete(llm.ainvoke(prompt))]
            if style == "stream":
                return [_summed(list(llm.stream(prompt)))]
            if style == "astream":
                return [
                    _summed(self.loop.run_until_complete(_drained(llm.astream(prompt))))
                ]
            if style == "batch":
                two = [prompt, [*prompt[:1], HumanMessage(f"And {self.asked}?")]]
                config: Any = {"max_concurrency": 1}
                told = llm.batch(two, config=config, return_exceptions=True)
                return [answer for answer in told if not isinstance(answer, Exception)]
            retrying = llm.with_retry(
                stop_after_attempt=2, wait_exponential_jitter=False
            )
            return [retrying.invoke(prompt)]

    def settle(self, answers: int) -> None:
        """Take down what was charged for calls that came back.

        Of several charges for calls one after the other, the last are for the answers:
        what was lost was lost before.
        """
        lines = [line for line in self.server.bill(KEY).lines if line["kind"] == "chat"]
        fresh, self.seen = lines[self.seen :], len(lines)
        returned = fresh[len(fresh) - answers :]
        assert len(returned) == answers, f"seed {self.seed}: charged too seldom"
        self.lost_charges += len(fresh) - len(returned)
        for line in returned:
            self.charged[line["model"]] += Decimal(line["amount"])  # type: ignore[assignment]  # a Counter adds up whatever adds up

    def check(self) -> None:
        """Compare with the server's bill, model by model and cache by cache.

        Of caches, those count that some answer told of: one whose creation got no
        answer is found, and counted, when its prefix is needed next. Where the answer
        to a renewal was lost, the ledger says that it infers.
        """
        lossy = any(fault in LOST for fault in self.faults)
        totals = self.ledger.totals()
        counted = {model: totals[model].cost["CNY"] for model in self.charged}
        assert counted == dict(self.charged), f"seed {self.seed}"
        assert sum(t.cost_unknown for t in totals.values()) >= self.lost_charges
        fees: dict[str, Decimal] = {}
        for line in self.server.bill(KEY).lines:
            if line["kind"] in {"creation", "storage"}:
                name = line["cache_id"]
                fees[name] = fees.get(name, Decimal(0)) + Decimal(line["amount"])
        for life in self.ledger.caches():
            bill = life.bill(now=self.clock())
            charged = fees.pop(life.cache_id, Decimal(0))
            assert bill is not None
            exact = bill.total == charged
            assert exact or (lossy and life.inferred), f"seed {self.seed}: {life}"
        assert len(fees) <= self.lost_creates, f"seed {self.seed}"


def _is_replay(answer: Any) -> bool:
    """Tell by LangChain's own mark whether its response cache gave an answer."""
    return "total_cost" in (answer.usage_metadata or {})


def _was_charged(answer: Any) -> bool:
    """Tell whether an answer is new, and its usage arrived."""
    return told(answer)["cost"] is not None and not _is_replay(answer)


def _summed(chunks: list[Any]) -> Any:
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return whole


async def _drained(chunks: Any) -> list[Any]:
    return [chunk async for chunk in chunks]
