"""Everything that can go wrong at a step, and a world in which it does."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

from langchain_moonshot_cache.errors import (
    ConnectionFailedError,
    EndpointRetiredError,
    InvalidRequestError,
    MoonshotCacheError,
    NotFoundError,
    RateLimitError,
    RegistryError,
    ResponseFormatError,
    ServerError,
)
from langchain_moonshot_cache.lifecycle import drive, drive_async
from langchain_moonshot_cache.lifecycle import effects as fx

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lifecycle_world import World

__all__ = [
    "CANCELLED",
    "CRASHED",
    "Fault",
    "FaultyWorld",
    "ProcessDied",
    "Run",
    "faults_of",
    "run",
    "run_async",
    "strike",
]

T = TypeVar("T")

MOST_STEPS = 120
"""Far more than any flow needs within its budget: beyond it a flow goes in circles."""

REGISTRY_EFFECTS = (
    fx.Lookup,
    fx.Lease,
    fx.Record,
    fx.Release,
    fx.Clear,
    fx.Hold,
    fx.Drop,
    fx.Mark,
    fx.Marked,
    fx.Unmark,
)
SERVER_EFFECTS = (
    fx.Create,
    fx.Find,
    fx.Poll,
    fx.Renew,
    fx.Delete,
    fx.Survey,
)
ABOUT_ONE_CACHE = (fx.Poll, fx.Renew, fx.Delete)


class ProcessDied(BaseException):
    """The process is gone: neither this effect nor a later one is carried out."""


class WentInCirclesError(BaseException):
    """A flow took more steps than it can have a use for."""


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong, before the effect took place or after it."""

    name: str
    error: Callable[[], BaseException]
    after: bool = False


CANCELLED = (
    Fault("cancelled before", asyncio.CancelledError),
    Fault("cancelled after", asyncio.CancelledError, after=True),
)
CRASHED = (
    Fault("crash before", ProcessDied),
    Fault("crash after", ProcessDied, after=True),
)
ANYWHERE = CANCELLED + CRASHED
OF_THE_REGISTRY = (
    *ANYWHERE,
    Fault("busy", lambda: RegistryError("locked")),
    Fault("error after success", lambda: RegistryError("disk"), after=True),
    Fault("foreign error", lambda: OSError("not as the contract has it")),
)
OF_THE_SERVER = (
    *ANYWHERE,
    Fault("refused", lambda: InvalidRequestError("no", status_code=400)),
    Fault("missing", lambda: NotFoundError("gone", status_code=404)),
    Fault("retired", lambda: EndpointRetiredError("url.not_found", status_code=404)),
    Fault(
        "rate limited", lambda: RateLimitError("429", status_code=429, retry_after=7)
    ),
    Fault("unavailable", lambda: ServerError("503", status_code=503)),
    Fault("failed after", lambda: ServerError("500", status_code=500), after=True),
    Fault("unreachable", lambda: ConnectionFailedError("refused")),
    Fault("reply lost", lambda: ConnectionFailedError("reset"), after=True),
    Fault("reply garbled", lambda: ResponseFormatError("html"), after=True),
)


def faults_of(effect: fx.Effect[Any]) -> tuple[Fault, ...]:
    """Return what can go wrong with an effect."""
    if isinstance(effect, SERVER_EFFECTS):
        return OF_THE_SERVER
    if isinstance(effect, REGISTRY_EFFECTS):
        return OF_THE_REGISTRY
    return ANYWHERE


@dataclass
class FaultyWorld:
    """Carries out effects in a world, except where the plan has a fault."""

    world: World
    plan: Mapping[int, Fault] = field(default_factory=dict)
    trace: list[fx.Effect[Any]] = field(default_factory=list)
    struck: list[tuple[Fault, fx.Effect[Any]]] = field(default_factory=list)
    dead: bool = False

    def perform(self, effect: fx.Effect[T]) -> T:
        if self.dead:
            raise ProcessDied
        step = len(self.trace)
        self.trace.append(effect)
        if step > MOST_STEPS:
            self.dead = True
            raise WentInCirclesError
        fault = self.plan.get(step)
        if fault is None:
            return self.world.perform(effect)
        self.struck.append((fault, effect))
        self.dead = fault in CRASHED
        return strike(fault, effect, self.world)


def strike(fault: Fault, effect: fx.Effect[T], world: World) -> T:
    """Let an effect fail, before it takes place or after it did."""
    if fault.name == "missing" and isinstance(effect, ABOUT_ONE_CACHE):
        # A truthful 404: somebody deleted the cache just before.
        world.server.forget(effect.cache_id)
        gone: T = world.perform(cast("fx.Effect[Any]", effect))
        return gone
    if fault.after:
        with suppress(MoonshotCacheError):
            world.perform(effect)
    raise fault.error()


class _AsyncFace:
    """The same world for the asynchronous driver."""

    def __init__(self, world: FaultyWorld) -> None:
        self._world = world

    async def perform(self, effect: fx.Effect[T]) -> T:
        return self._world.perform(effect)


@dataclass
class Run:
    """How a flow went: what it returned or raised, and every effect on the way."""

    outcome: object
    error: BaseException | None
    trace: list[fx.Effect[Any]]
    struck: list[tuple[Fault, fx.Effect[Any]]]

    def met(self, *faults: Fault) -> bool:
        return any(fault in faults for fault, _ in self.struck)

    def asked(self, *kinds: type) -> int:
        return sum(isinstance(effect, kinds) for effect in self.trace)


def run(flow: fx.Flow[Any], world: FaultyWorld) -> Run:
    """Run a flow through the blocking driver."""
    outcome, error = None, None
    try:
        outcome = drive(flow, world)
    except BaseException as caught:  # noqa: BLE001 - whatever it is, it is judged
        error = caught
    return Run(outcome, error, world.trace, world.struck)


async def run_async(flow: fx.Flow[Any], world: FaultyWorld) -> Run:
    """Run a flow through the asynchronous driver."""
    outcome, error = None, None
    try:
        outcome = await drive_async(flow, _AsyncFace(world))
    except BaseException as caught:  # noqa: BLE001 - whatever it is, it is judged
        error = caught
    return Run(outcome, error, world.trace, world.struck)
