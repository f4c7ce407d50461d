"""Each operation of the API, written once.

A flow yields a `Request` and receives a `Reply` or a `Failure`, or yields a `Sleep`;
its return value is the result. Whoever drives it decides whether that happens in a
thread or in an event loop. Flows read no clock and draw no random number themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

from langchain_moonshot_cache.errors import (
    ConnectionFailedError,
    MoonshotCacheError,
    NotFoundError,
)
from langchain_moonshot_cache.protocol.decode import read
from langchain_moonshot_cache.protocol.encode import CACHES, page
from langchain_moonshot_cache.protocol.exchange import (
    Failure,
    Flow,
    Reply,
    Request,
    Sleep,
)
from langchain_moonshot_cache.protocol.models import CacheList, ContextCache
from langchain_moonshot_cache.protocol.retry import (
    NothingSentError,
    RetryPolicy,
    is_retryable,
    next_delay,
    outcome_is_unknown,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from langchain_moonshot_cache.protocol.endpoint import Endpoint

__all__ = ["Attempts", "create", "delete", "exchange", "find", "once", "repeat"]

M = TypeVar("M", bound=BaseModel)
_NO_CONTENT = 204


@dataclass(slots=True, kw_only=True)
class Attempts:
    """The attempts of one operation: where they go and what they have cost so far.

    Attributes:
        endpoint: Where requests go.
        policy: How patient to be.
        chance: Draws a uniform random number from [0, 1).
        failed: Attempts that ended in an error.
        elapsed: Seconds spent in exchanges and pauses.
        in_doubt: Whether one of the failed attempts may have taken effect.
    """

    endpoint: Endpoint
    policy: RetryPolicy
    chance: Callable[[], float] = field(repr=False)
    failed: int = 0
    elapsed: float = 0.0
    in_doubt: bool = False

    def pause(self, error: MoonshotCacheError) -> Sleep:
        """Count a failure and say how long to pause, or raise it when that was all."""
        self.failed += 1
        self.in_doubt = self.in_doubt or outcome_is_unknown(error)
        delay = next_delay(
            self.policy,
            attempt=self.failed,
            error=error,
            elapsed=self.elapsed,
            chance=self.chance(),
        )
        if delay is None:
            raise error
        self.elapsed += delay
        return Sleep(delay)


def exchange(attempts: Attempts, request: Request) -> Flow[Reply]:
    """Send a request once.

    Raises:
        ConnectionFailedError: No complete reply came.
    """
    outcome: Reply | Failure = yield request
    attempts.elapsed += outcome.seconds
    if isinstance(outcome, Reply):
        return outcome
    base_url = attempts.endpoint.base_url
    if outcome.sent:
        raise ConnectionFailedError(
            f"No complete reply to {request.method} {request.path} from {base_url} "
            f"({outcome.reason}); it may have taken effect all the same.",
            cache_id=request.cache_id,
        )
    raise NothingSentError(
        f"Could not reach {base_url} for {request.method} {request.path} "
        f"({outcome.reason}); nothing was sent. Check base_url, network and proxy.",
        cache_id=request.cache_id,
    )


def once(attempts: Attempts, request: Request, model: type[M]) -> Flow[M]:
    """Send a request once and read its reply."""
    reply = yield from exchange(attempts, request)
    return read(attempts.endpoint, request, reply, model)


def repeat(attempts: Attempts, request: Request, model: type[M]) -> Flow[M]:
    """Send a request whose repetition does no harm, until it succeeds or time is up."""
    while True:
        try:
            return (yield from once(attempts, request, model))
        except MoonshotCacheError as error:
            pause = attempts.pause(error)
        yield pause


def delete(attempts: Attempts, request: Request, model: type[M]) -> Flow[bool]:
    """Delete, and take a 404 for an answer.

    Returns:
        Whether it existed. A 404 after an attempt whose reply was lost counts as
        existed: most likely that attempt deleted it.
    """
    while True:
        try:
            reply = yield from exchange(attempts, request)
            # Undocumented, but what many gateways answer to a deletion.
            if reply.status != _NO_CONTENT:
                read(attempts.endpoint, request, reply, model)
        except NotFoundError:
            return attempts.in_doubt
        except MoonshotCacheError as error:
            pause = attempts.pause(error)
        else:
            return True
        yield pause


def find(
    attempts: Attempts, create: Request, *, model: str, metadata: Mapping[str, str]
) -> Flow[ContextCache | None]:
    """Look for a live cache of a model that carries all these metadata pairs.

    One page is enough: the newest come first, and what is looked for is new or rare.
    The pairs are compared here too, since a server may not know the filter.

    Args:
        attempts: Shared with the create.
        create: The create on whose behalf this looks.
        model: The model family.
        metadata: The pairs.
    """
    newest = page(
        CACHES, limit=20, order="desc", after=None, before=None, metadata=metadata
    )
    request = replace(newest, private=create.body)
    caches = yield from repeat(attempts, request, CacheList)
    for cache in caches.data:
        matches = metadata.items() <= cache.metadata.items()
        if matches and cache.is_live and cache.model in {None, model}:
            return cache
    return None


def create(
    attempts: Attempts, request: Request, *, model: str, stamp: Mapping[str, str] | None
) -> Flow[ContextCache]:
    """Create a cache, and never blindly a second time.

    Args:
        attempts: Shared by creates and look-ups.
        request: The create.
        model: Its model family.
        stamp: The metadata pair that no other create carries; ``None`` when there
            was no room for one.

    Raises:
        ConnectionFailedError: The outcome is unknown and cannot be looked up.
    """
    while True:
        try:
            return (yield from once(attempts, request, ContextCache))
        except MoonshotCacheError as error:
            problem = error
        if outcome_is_unknown(problem) and stamp is None:
            raise _cannot_look_up(problem) from problem
        if is_retryable(problem):
            yield attempts.pause(problem)
        if outcome_is_unknown(problem) and stamp is not None:
            found = yield from find(attempts, request, model=model, metadata=stamp)
            if found is not None:
                return found
        if not is_retryable(problem):
            raise problem


def _cannot_look_up(problem: MoonshotCacheError) -> ConnectionFailedError:
    return ConnectionFailedError(
        "Whether the cache was created is unknown, and it was not tried again: all 16 "
        "metadata pairs were taken, so it carries no id to look it up by. List the "
        f"caches by your metadata before creating it again. Cause: {problem.message}",
        status_code=problem.status_code,
        request_id=problem.request_id,
        retry_after=problem.retry_after,
        error_type=problem.error_type,
    )
