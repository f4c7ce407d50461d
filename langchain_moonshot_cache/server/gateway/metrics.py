"""What a gateway counts, for Prometheus."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from langchain_moonshot_cache.server.backend import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_moonshot_cache.server.gateway.state import Counts
    from langchain_moonshot_cache.server.gateway.usage import Outcome, Reported

__all__ = ["Metrics"]

Built = Literal["ready", "error"]

NAMESPACE: Final = "moonshot_gateway"
FIRST_TOKEN_BUCKETS: Final = (
    *(0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6),
    *(3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8),
)
"""Seconds: from a warm prefix on a fast machine to a cold one on a small machine, each
bucket twice the one before, so that a saving of 50 % moves a call by one."""
_log = logging.getLogger(__name__)
STATUSES: Final = ("pending", "ready", "error", "inactive")


class Metrics:
    """The figures of one gateway, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = self._counter("requests", "Requests answered.", "status")
        self._calls = self._counter(
            "chat_calls",
            "Chat calls answered by the engine, by what it said of the cache: hit, "
            "partial, miss, unknown, or none where no cache was used.",
            "cache",
        )
        self._tokens = self._counter(
            "tokens", "Tokens that the engine reported.", "kind"
        )
        self._saved = self._counter(
            "tokens_saved", "Prompt tokens of cached prefixes that the engine held."
        )
        self._built = self._counter("caches_built", "Caches built.", "result")
        self._rewarmed = self._counter(
            "caches_rewarmed", "Prefixes run again because they were lost.", "result"
        )
        self._troubles = self._counter(
            "upstream_errors", "Questions that the engine did not answer.", "trouble"
        )
        self._state_failures = self._counter(
            "state_errors", "Times that the state could not be used."
        )
        self._lost_lines = self._counter(
            "access_log_lines_lost", "Lines of the access log that were not written."
        )
        self._first_token = Histogram(
            "time_to_first_token_seconds",
            "From the request to the first piece of a stream, by what the engine said "
            "of the cache.",
            ["cache"],
            namespace=NAMESPACE,
            buckets=FIRST_TOKEN_BUCKETS,
            registry=self._registry,
        )
        self._caches = Gauge(
            "caches",
            "Caches by status; those of all gateways that share the state.",
            ["status"],
            namespace=NAMESPACE,
            registry=self._registry,
        )
        self._asking = Gauge(
            "questions_in_flight",
            "Questions that the engine is answering.",
            namespace=NAMESPACE,
            registry=self._registry,
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=NAMESPACE, registry=self._registry)

    def answered(self, status: int) -> None:
        """Count a request by its status; 0 for a client that went away before."""
        self._requests.labels(str(status) if status else "gone").inc()

    def called(
        self, reported: Reported, *, outcome: Outcome | None, first: float | None
    ) -> None:
        """Count a chat call.

        Args:
            reported: What the engine said.
            outcome: What that means for the cache; None if the call used none.
            first: Seconds to the first piece; None if the answer came as a whole.
        """
        cache = outcome or "none"
        self._calls.labels(cache).inc()
        for kind in ("prompt", "cached", "completion"):
            self._tokens.labels(kind).inc(getattr(reported, kind) or 0)
        if outcome is not None:
            self._saved.inc(reported.cached or 0)
        if first is not None:
            self._first_token.labels(cache).observe(first)

    def built(self, result: Built) -> None:
        """Count a cache that was built, or not."""
        self._built.labels(result).inc()

    def rewarmed(self, result: Built) -> None:
        """Count a prefix that was run again."""
        self._rewarmed.labels(result).inc()

    def state_failed(self, error: Exception) -> None:
        """Count, and log, that the state could not be used."""
        self._state_failures.inc()
        # An exception's text may hold what is nobody's business.
        _log.warning("the state cannot be used: %s", type(error).__name__)

    def lost_line(self) -> None:
        """Count a line of the access log that was not written."""
        self._lost_lines.inc()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Count a question while it is asked, and what goes wrong with it."""
        self._asking.inc()
        try:
            yield
        except EngineError as error:
            self.failed(error)
            raise
        finally:
            self._asking.dec()

    def failed(self, error: EngineError) -> None:
        """Count a question that the engine did not answer, or not to its end."""
        self._troubles.labels(error.trouble).inc()

    def exposition(self, census: Counts) -> bytes:
        """Return everything in the text format of Prometheus.

        Args:
            census: Caches by status, at this moment.
        """
        for status in STATUSES:
            self._caches.labels(status).set(census.get(status, 0))
        return generate_latest(self._registry)
