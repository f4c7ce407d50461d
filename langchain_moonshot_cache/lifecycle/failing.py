"""Writing down that something failed, so that not every call tries it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_moonshot_cache.errors import EndpointRetiredError, MoonshotCacheError
from langchain_moonshot_cache.lifecycle import breaker
from langchain_moonshot_cache.lifecycle.effects import Clock, Flow, Record, do
from langchain_moonshot_cache.lifecycle.judging import left_alone, outcome_unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_moonshot_cache.lifecycle.entry import Entry
    from langchain_moonshot_cache.lifecycle.terms import Bypassed, Terms

__all__ = ["note_failure"]


def note_failure(
    judgement: Callable[..., Entry],
    entry: Entry,
    error: MoonshotCacheError,
    terms: Terms,
) -> Flow[Bypassed]:
    """Record what a failure makes of an entry, and tell the breaker.

    Args:
        judgement: :func:`~langchain_moonshot_cache.lifecycle.judging.failed` or
            :func:`~langchain_moonshot_cache.lifecycle.judging.put_off`.
        entry: The entry as it was recorded last.
        error: What went wrong; no error of the registry.
        terms: For the back-off.
    """
    now = (yield from do(Clock())).wall
    note = judgement(entry, error, now=now, terms=terms)
    yield from do(Record(note))
    if isinstance(error, EndpointRetiredError):
        yield from breaker.retired()
    elif outcome_unknown(error):
        yield from breaker.burdened()
    return left_alone(note, now=now)
