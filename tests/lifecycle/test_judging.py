"""What an entry allows at a given time, and what an event makes of it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from langchain_moonshot_cache.errors import (
    CacheFailedError,
    ConnectionFailedError,
    EndpointRetiredError,
    InvalidRequestError,
    MoonshotCacheError,
    NotFoundError,
    QuotaExceededError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
)
from langchain_moonshot_cache.lifecycle import (
    Bypassed,
    Entry,
    Ready,
    State,
    Terms,
    describe,
    usable,
)
from langchain_moonshot_cache.lifecycle.effects import Seen
from langchain_moonshot_cache.lifecycle.judging import (
    Verdict,
    as_seen,
    doubted,
    failed,
    judge,
    outcome_unknown,
    put_off,
    refused_repeatedly,
    standing,
)
from langchain_moonshot_cache.lifecycle.terms import Pending

NOW = 1_800_000_000.0
TERMS = Terms(margin=10.0, backoff=15.0, longest_backoff=900.0)
READY = Entry(
    key="k",
    state=State.READY,
    fence=3,
    cache_id="cache-1",
    tokens=72,
    ttl=3600,
    expires_at=NOW + 3600,
)
PENDING = replace(READY, state=State.PENDING)


def test_a_cache_is_usable_up_to_its_margin_and_not_beyond() -> None:
    assert usable(READY, now=NOW + 3589, margin=10.0)
    assert not usable(READY, now=NOW + 3590, margin=10.0)
    assert not usable(PENDING, now=NOW, margin=10.0)


@pytest.mark.parametrize(
    ("entry", "verdict"),
    [
        (None, Verdict.MAKE),
        (Entry(key="k"), Verdict.MAKE),
        (READY, Verdict.USE),
        (replace(READY, retry_at=NOW + 5), Verdict.USE),
        (replace(READY, expires_at=NOW + 10), Verdict.MAKE),
        (PENDING, Verdict.AWAIT),
        (replace(PENDING, expires_at=NOW + 10), Verdict.MAKE),
        (replace(PENDING, retry_at=NOW + 5), Verdict.LEAVE),
        (Entry(key="k", state=State.CREATING), Verdict.MAKE),
        (Entry(key="k", state=State.CREATING, retry_at=NOW + 5), Verdict.LEAVE),
        (Entry(key="k", state=State.FAILED, retry_at=NOW), Verdict.MAKE),
        (Entry(key="k", state=State.FAILED, retry_at=NOW + 900), Verdict.LEAVE),
        (Entry(key="k", state=State.FAILED, retry_at=NOW + 901), Verdict.MAKE),
    ],
)
def test_an_entry_asks_for(entry: Entry | None, verdict: Verdict) -> None:
    assert judge(entry, now=NOW, terms=TERMS) is verdict


def test_an_entry_alone_answers_where_it_can() -> None:
    assert standing(None, TERMS, now=NOW) is None
    assert standing(READY, TERMS, now=NOW) == Ready(READY)
    assert standing(PENDING, TERMS, now=NOW) == Pending(PENDING)
    left = Entry(
        key="k", state=State.FAILED, retry_at=NOW + 7, note="RateLimitError (429)"
    )
    assert standing(left, TERMS, now=NOW) == Bypassed(
        "creating the cache failed (RateLimitError (429)); next attempt in 7 s"
    )


def test_what_the_server_says_replaces_what_was_thought() -> None:
    entry = replace(PENDING, retry_at=NOW, failures=2, note="ServerError (500)")
    seen = Seen("cache-2", "ready", tokens=80, expires_at=NOW + 60)
    assert as_seen(entry, seen, now=NOW, ttl=300) == replace(
        READY, cache_id="cache-2", tokens=80, ttl=300, expires_at=NOW + 60
    )


def test_what_the_server_leaves_out_is_filled_in() -> None:
    entry = as_seen(PENDING, Seen("cache-1", "ready"), now=NOW, ttl=300)
    assert (entry.tokens, entry.expires_at) == (72, NOW + 300)


def test_failures_are_forgotten_when_a_cache_is_ready_and_not_before() -> None:
    entry = Entry(key="k", state=State.CREATING, failures=3)
    accepted = as_seen(entry, Seen("cache-1", "pending"), now=NOW, ttl=300)
    assert accepted.failures == 3
    assert as_seen(accepted, Seen("cache-1", "ready"), now=NOW, ttl=300).failures == 0


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (ConnectionFailedError("cut"), State.CREATING),
        (ResponseFormatError("html"), State.CREATING),
        (ServerError("500", status_code=500), State.CREATING),
        (InvalidRequestError("400", status_code=400), State.FAILED),
        (RateLimitError("429", status_code=429), State.FAILED),
        (QuotaExceededError("429", status_code=429), State.FAILED),
        (CacheFailedError("no"), State.FAILED),
    ],
)
def test_a_create_of_unknown_outcome_stays_an_intent(
    error: MoonshotCacheError, state: State
) -> None:
    noted = failed(READY, error, now=NOW, terms=TERMS)
    assert (noted.state, noted.cache_id, noted.failures) == (state, None, 1)
    assert noted.fence == READY.fence
    assert outcome_unknown(error) == (state is State.CREATING)


def test_a_failure_before_the_create_forgets_nothing() -> None:
    error = RateLimitError("429", status_code=429)
    noted = put_off(READY, error, now=NOW, terms=TERMS)
    assert noted == replace(
        READY, retry_at=NOW + 15, failures=1, note="RateLimitError (429)"
    )


@pytest.mark.parametrize(
    ("retry_after", "pause"),
    [(None, 15.0), (0.0, 0.0), (7.0, 7.0), (-3.0, 0.0), (1e9, 900.0), (math.nan, 0.0)],
)
def test_the_server_may_set_the_pause_within_limits(
    retry_after: float | None, pause: float
) -> None:
    error = RateLimitError("429", status_code=429, retry_after=retry_after)
    assert failed(READY, error, now=NOW, terms=TERMS).retry_at == NOW + pause


def test_failures_in_a_row_are_tried_again_ever_more_rarely() -> None:
    entry, pauses = Entry(key="k"), []
    for _ in range(8):
        entry = failed(entry, CacheFailedError("no"), now=NOW, terms=TERMS)
        pauses.append(entry.retry_at - NOW)
    assert pauses == [15, 30, 60, 120, 240, 480, 900, 900]


def test_a_doubted_cache_is_asked_about_and_twice_doubted_not_believed() -> None:
    once = doubted(READY, times=1)
    assert judge(once, now=NOW, terms=TERMS) is Verdict.MAKE
    assert once.cache_id == "cache-1"
    assert not refused_repeatedly(once)
    assert refused_repeatedly(doubted(READY, times=2))
    assert not refused_repeatedly(replace(READY, failures=2))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            NotFoundError("Not found the model x", status_code=404),
            "NotFoundError (404)",
        ),
        (EndpointRetiredError("url.not_found"), "EndpointRetiredError"),
        (ConnectionFailedError("my secret prompt"), "ConnectionFailedError"),
    ],
)
def test_an_error_is_described_without_its_message(
    error: MoonshotCacheError, words: str
) -> None:
    assert describe(error) == words
