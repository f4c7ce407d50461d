"""The long document on a real engine: how long it takes until an answer begins."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.messages import HumanMessage, SystemMessage

from langchain_moonshot_cache.chat_models import ChatMoonshotCached
from langchain_moonshot_cache.demo.document import manual
from langchain_moonshot_cache.server.gateway import (
    Gateway,
    GatewaySettings,
    Upstream,
    UpstreamSettings,
)
from langchain_moonshot_cache.server.local import LocalLlama

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage

__all__ = ["Asked", "RealReport", "ask_timed", "run_real"]

MODULES = ("statistics",)
"""About 6,000 tokens: a processor reads them in some twenty seconds."""

QUESTIONS = (
    "When does the harmonic mean raise StatisticsError?",
    "How does the median treat data with an even number of points?",
    "What does NormalDist.overlap compute?",
    "How do I compute the geometric mean?",
)
ANSWER_TOKENS = 24
PATIENCE = 600.0
"""Seconds that a slow computer may take to read the document."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question, and what it took.

    Attributes:
        question: As it was asked.
        answer: As the engine put it.
        first_token: Seconds until the answer began.
        prompt_tokens: Input tokens, as the engine counted them; None if it did not say.
        cached_tokens: Those of them that it held already, likewise.
    """

    question: str
    answer: str
    first_token: float
    prompt_tokens: int | None
    cached_tokens: int | None


@dataclass(frozen=True, slots=True)
class RealReport:
    """What the demo on a real engine found.

    Attributes:
        model: Name of the weights.
        cold: A question about a document that the engine had not seen.
        reading: Seconds until the cache of another one was ready.
        warm: Questions about that one.
    """

    model: str
    cold: Asked
    reading: float
    warm: tuple[Asked, ...]

    @property
    def first_token(self) -> float:
        """Median seconds until the answer to a warm question began."""
        return statistics.median(asked.first_token for asked in self.warm)

    @property
    def saved(self) -> float:
        """Share of the time to the first token that the cache spared."""
        return 1 - self.first_token / self.cold.first_token


def run_real(
    weights: Path, *, progress: Callable[[str], None] = lambda _: None
) -> RealReport:
    """Ask a model in this process about a document, with its cache and without.

    Args:
        weights: A GGUF file.
        progress: Told what is being done, in a few words.

    Raises:
        LocalEngineError: If the file cannot be loaded.
    """
    progress("loading the model")
    with LocalLlama(weights) as llama:
        settings = UpstreamSettings(url=llama.base_url, key=llama.api_key)
        with Gateway(GatewaySettings(), engine=lambda: Upstream(settings)) as gateway:
            return _report(gateway.base_url, model=llama.model, progress=progress)


def _report(
    base_url: str, *, model: str, progress: Callable[[str], None]
) -> RealReport:
    options: dict[str, Any] = {
        "model": model,
        "base_url": base_url,
        "api_key": "sk-demo",
        "registry": "memory://",
        "cache_policy": "always",
        "max_completion_tokens": ANSWER_TOKENS,
        "timeout": PATIENCE,
        "max_retries": 0,
    }
    progress("asking without a cache: the model reads the whole document")
    with ChatMoonshotCached(caching="off", **options) as plain:
        cold = ask_timed(plain, [_document(1), HumanMessage(QUESTIONS[0])])
    with ChatMoonshotCached(caching="named", **options) as llm:
        progress("making the cache: the model reads another document")
        begin = time.perf_counter()
        llm.warm([_document(2)], wait=PATIENCE)
        reading = time.perf_counter() - begin
        progress("asking with the cache")
        warm = [ask_timed(llm, [_document(2), HumanMessage(q)]) for q in QUESTIONS]
    return RealReport(model=model, cold=cold, reading=reading, warm=tuple(warm))


def _document(edition: int) -> SystemMessage:
    """Return the document; editions differ from their first line on."""
    return SystemMessage(f"Edition {edition}.\n\n{manual(MODULES)}")


def ask_timed(llm: BaseChatModel, messages: Sequence[BaseMessage]) -> Asked:
    """Ask, and note how long it took until the first text was there.

    Args:
        llm: The model; its answer is streamed.
        messages: The last one is the question.
    """
    begin = time.perf_counter()
    first: float | None = None
    whole: AIMessageChunk | None = None
    for chunk in llm.stream(messages):
        if first is None and chunk.text:
            first = time.perf_counter() - begin
        whole = chunk if whole is None else whole + chunk
    took = time.perf_counter() - begin
    prompt, cached = _tokens(whole)
    return Asked(
        question=messages[-1].text,
        answer=whole.text if whole else "",
        first_token=took if first is None else first,
        prompt_tokens=prompt,
        cached_tokens=cached,
    )


def _tokens(answer: AIMessage | None) -> tuple[int | None, int | None]:
    usage = answer.usage_metadata if answer else None
    if usage is None:
        return None, None
    details = usage.get("input_token_details", {})
    return usage["input_tokens"], details.get("cache_read")
