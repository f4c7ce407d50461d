"""A circuit breaker for the caching endpoint, shared through the registry.

Chat calls never pass through it: only making caches does. The state is a few marks that
end by themselves, so nothing has to be repaired when a client dies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_moonshot_cache.errors import RegistryError
from langchain_moonshot_cache.lifecycle.effects import Mark, Marked, Unmark, do

if TYPE_CHECKING:
    from langchain_moonshot_cache.lifecycle.effects import Flow

__all__ = ["RETIRED", "blocked", "burdened", "refused", "relieved", "retired"]

FAILURES = "caching-failures"
OPEN = "caching-open"
RETIRED = "caching-retired"
REFUSED = "caching-refused:"

THRESHOLD = 3
"""Failures in a row that open the breaker: one is chance, three are an outage."""
WINDOW = 120.0
"""Seconds within which failures count as in a row."""
COOL_DOWN = 30.0
"""Seconds that an open breaker keeps everybody from creating; then one may try."""
RETIRED_FOR = 86_400.0
"""Seconds until an endpoint that does not speak the API is asked again: one day."""


def blocked(key: str) -> Flow[str | None]:
    """Return why no cache may be made for a prefix now, or None."""
    if (yield from do(Marked(RETIRED))):
        return "the endpoint does not offer /v1/caching"
    if (yield from do(Marked(OPEN))):
        return "the caching endpoint failed repeatedly and is left alone for a while"
    if _count((yield from do(Marked(REFUSED + key)))) >= THRESHOLD:
        return "references to this cache were refused repeatedly"
    return None


def retired() -> Flow[None]:
    """Remember that the endpoint does not speak the API."""
    yield from do(Mark(RETIRED, "1", RETIRED_FOR))


def burdened() -> Flow[None]:
    """Count a failure of the endpoint; open the breaker at the threshold."""
    failures = _count((yield from do(Marked(FAILURES)))) + 1
    if failures >= THRESHOLD:
        yield from do(Mark(OPEN, "1", COOL_DOWN))
    yield from do(Mark(FAILURES, str(failures), WINDOW))


def refused(key: str) -> Flow[int]:
    """Count a refused reference; return how many there were in a row.

    An endpoint may build caches and refuse every use of them. Each one costs money.
    """
    times = _count((yield from do(Marked(REFUSED + key)))) + 1
    yield from do(Mark(REFUSED + key, str(times), WINDOW))
    return times


def relieved() -> Flow[None]:
    """Forget the failures after a success."""
    try:
        if (yield from do(Marked(FAILURES))):
            yield from do(Unmark(FAILURES))
    except RegistryError:
        # The success stands whether or not it could be noted.
        return


def _count(value: str | None) -> int:
    return int(value) if value and value.isdecimal() else 0
