"""Whether to try again, and when: a pure decision."""

from __future__ import annotations

from dataclasses import dataclass

from langchain_moonshot_cache.errors import (
    ConnectionFailedError,
    MoonshotCacheError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
)

__all__ = [
    "NothingSentError",
    "RetryPolicy",
    "is_retryable",
    "next_delay",
    "outcome_is_unknown",
]

_REQUEST_TIMEOUT = 408  # the server gave up waiting for the request
_NOT_IMPLEMENTED = 501  # a server that does not know how will not learn it meanwhile
_FIRST_REFUSAL = 400


class NothingSentError(ConnectionFailedError):
    """No connection was made: the server never saw the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How patient to be.

    Attributes:
        max_retries: Attempts after the first one.
        first_delay: Upper bound of the first pause, in seconds; doubles each time.
        longest_delay: Where the doubling stops, in seconds.
        longest_retry_after: The longest pause a server can impose, in seconds. A
            server that asks for more gets no further attempt: coming back earlier
            would disobey it, and sleeping longer would look like a hang. The error's
            ``retry_after`` tells the caller.
        give_up_after: No attempt begins later than this many seconds after the first.
    """

    max_retries: int = 2
    first_delay: float = 0.5
    longest_delay: float = 8.0
    longest_retry_after: float = 60.0
    give_up_after: float = 180.0


def outcome_is_unknown(error: MoonshotCacheError) -> bool:
    """Whether the request may have taken effect although it ended in ``error``.

    True after a lost reply, a 5xx, a 408, and a success that could not be read.
    """
    if isinstance(error, NothingSentError):
        return False
    if isinstance(error, ResponseFormatError):
        return error.status_code is None or error.status_code < _FIRST_REFUSAL
    return (
        isinstance(error, ConnectionFailedError | ServerError)
        or error.status_code == _REQUEST_TIMEOUT
    )


def is_retryable(error: MoonshotCacheError) -> bool:
    """Whether the same request may succeed a little later.

    Connection trouble, 408, 429 unless it is about quota, and 5xx except 501.
    """
    if error.status_code in {_REQUEST_TIMEOUT, _NOT_IMPLEMENTED}:
        return error.status_code == _REQUEST_TIMEOUT
    return isinstance(error, ConnectionFailedError | RateLimitError | ServerError)


def next_delay(
    policy: RetryPolicy,
    *,
    attempt: int,
    error: MoonshotCacheError,
    elapsed: float,
    chance: float,
) -> float | None:
    """Decide how long to pause before the next attempt.

    Exponential back-off with full jitter: a uniform draw below a bound that doubles,
    so that clients which failed together do not come back together. ``Retry-After``
    is a lower bound, and the draw is added to it for the same reason.

    Args:
        policy: How patient to be.
        attempt: Attempts made so far, at least 1.
        error: How the last one ended.
        elapsed: Seconds since the first attempt began.
        chance: A uniform random number from [0, 1).

    Returns:
        Seconds to pause, or ``None`` to give up and raise ``error``.
    """
    if attempt > policy.max_retries or not is_retryable(error):
        return None
    # 2**attempt overflows a float for absurd max_retries; 30 doublings exceed any cap.
    bound = policy.first_delay * 2.0 ** min(attempt - 1, 30)
    delay = chance * min(policy.longest_delay, bound)
    if error.retry_after is not None:
        if error.retry_after > policy.longest_retry_after:
            return None
        delay += error.retry_after
    return None if elapsed + delay > policy.give_up_after else delay
