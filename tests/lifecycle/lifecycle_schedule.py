"""Many clients at once, step by step, in an order that a seed decides."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from lifecycle_faults import CRASHED, faults_of, strike
from lifecycle_net import A_DAY, LONG, Alter, next_caller, unaltered, unnamed
from lifecycle_scenarios import TERMS, current, ensuring
from lifecycle_world import KEY, World

from langchain_moonshot_cache.errors import MoonshotCacheError
from langchain_moonshot_cache.lifecycle import Bypassed, Ready, drive, release
from langchain_moonshot_cache.lifecycle import effects as fx

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Kind", "Schedule", "run_schedule"]

CLIENTS = 8
MOST_STEPS = 4000
PATIENT = replace(TERMS, wait=60.0)


class Kind(Enum):
    """What a schedule is about."""

    CLEAN = "nothing goes wrong"
    FAULTY = "anything may fail, be cancelled or die"
    SLOW = "holders are paused for longer than their lease"
    JUMPING = "wall clocks are skewed and jump by a day"


@dataclass
class Client:
    """One client in the middle of its flow."""

    name: str
    flow: fx.Flow[Any]
    skew: float = 0.0
    wake_at: float = 0.0
    result: Any = None
    error: BaseException | None = None
    outcome: Any = None
    done: bool = False
    dead: bool = False

    def advance(self) -> fx.Effect[Any] | None:
        """Tell the flow what came of its last effect; return the next one."""
        error, result = self.error, self.result
        self.error = self.result = None
        try:
            if error is not None:
                return self.flow.throw(error)
            return self.flow.send(result)
        except StopIteration as stop:
            self.outcome = stop.value
        except (asyncio.CancelledError, MoonshotCacheError, OSError) as passed:
            self.outcome = passed
        self.done = True
        return None


@dataclass
class Schedule:
    """A run of several clients; ``wrong`` says what should not have happened."""

    seed: int
    kind: Kind
    alter: Alter = unaltered
    clients: list[Client] = field(default_factory=list)
    crashes: int = 0
    retired: bool = False
    steps: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311 - repeatable on purpose
        self.world = World(ready_after=self.chance.choice([0.0, 0.5, 3.0]))
        self._begin()
        for number in range(CLIENTS):
            flow = self.alter(ensuring(PATIENT, owner=f"c{number}/1"))
            self.clients.append(Client(f"c{number}/1", flow))

    def _begin(self) -> None:
        """Start from nothing, from an expired cache or from one that pends."""
        start = self.chance.randrange(4)
        if start > 1:
            drive(ensuring(replace(TERMS, wait=0.0), owner="founder/1"), self.world)
            self.world.time.pass_by(0.0 if start == 2 else TERMS.ttl)

    def run(self) -> None:
        """Let one client after the other take a step until all are done."""
        while running := [c for c in self.clients if not (c.done or c.dead)]:
            self.steps += 1
            if self.steps > MOST_STEPS:
                raise AssertionError(f"seed {self.seed}: no end after {self.steps}")
            time = self.world.time
            awake = [c for c in running if c.wake_at <= time.elapsed]
            if not awake:
                time.pass_by(min(c.wake_at for c in running) - time.elapsed)
                continue
            client = self.chance.choice(awake)
            effect = client.advance()
            if effect is None:
                self._let_go(client)
            else:
                self._perform(client, effect)
            time.pass_by(self._pause())

    def _pause(self) -> float:
        if self.kind is Kind.SLOW and self.chance.random() < 0.02:
            return TERMS.lease + 1.0
        return self.chance.choice([0.0, 0.001, 0.01])

    def _let_go(self, client: Client) -> None:
        """Now and then a client that is done lets go of the cache."""
        if isinstance(client.outcome, Ready) and self.chance.random() < 0.1:
            name = client.name.partition("/")[0]
            flow = release(
                KEY,
                cache_id=client.outcome.entry.cache_id or "",
                holder=name,
                owner=f"{name}/2",
                terms=PATIENT,
            )
            self.clients.append(Client(f"{name}/2", self.alter(flow), client.skew))

    def _perform(self, client: Client, effect: fx.Effect[Any]) -> None:
        if self.kind is Kind.FAULTY and self.chance.random() < 0.02:
            self._strike(client, effect)
            return
        if isinstance(effect, fx.Sleep):
            client.wake_at = self.world.time.elapsed + effect.seconds
            return
        try:
            client.result = self.world.perform(effect)
        except MoonshotCacheError as error:
            client.error = error
        if isinstance(effect, fx.Clock):
            client.result = self._as_it_seems(client)

    def _as_it_seems(self, client: Client) -> fx.Instant:
        if self.kind is Kind.JUMPING and self.chance.random() < 0.1:
            client.skew = self.chance.choice([0.0, -5.0, 5.0, -86_400.0, 86_400.0])
        true: fx.Instant = client.result
        return fx.Instant(true.wall + client.skew, true.elapsed)

    def _strike(self, client: Client, effect: fx.Effect[Any]) -> None:
        fault = self.chance.choice(faults_of(effect))
        client.dead = fault in CRASHED
        self.crashes += client.dead
        self.retired = self.retired or fault.name == "retired"
        try:
            client.result = strike(fault, effect, self.world)
        except BaseException as error:  # noqa: BLE001 - the flow decides on it
            client.error = error

    def wrong(self) -> Iterator[str]:
        """Say what does not hold."""
        for client in self.clients:
            yield from self._wrong_outcome(client)
        if not self.crashes and self.world.registry.owner(KEY):
            yield "a claim was kept"
        yield from unnamed(self.world, excused=self.world.outlived)
        created = len(self.world.server.caches)
        if self.kind is Kind.CLEAN and not self._was_deleted() and created != 1:
            yield f"{created} creates"
        if self.world.outlived and self.kind not in {Kind.SLOW, Kind.FAULTY}:
            yield f"a claim was taken from {self.world.outlived}"
        self.world.time.pass_by(A_DAY if self.retired else LONG)
        if not any(next_caller(self.world, alter=self.alter) for _ in range(2)):
            yield f"the next caller has no cache: {current(self.world)}"
        yield from unnamed(self.world, excused=self.world.outlived)

    def _wrong_outcome(self, client: Client) -> Iterator[str]:
        if client.dead or isinstance(client.outcome, Ready | bool):
            return
        if self.kind is Kind.FAULTY and isinstance(client.outcome, BaseException):
            if isinstance(client.outcome, asyncio.CancelledError):
                return
            if client.name.endswith("/2"):  # release passes errors on
                return
        if isinstance(client.outcome, Bypassed) and self.kind is not Kind.CLEAN:
            return
        if isinstance(client.outcome, Bypassed) and self._was_deleted():
            return
        yield f"{client.name} ended with {client.outcome!r}"

    def _was_deleted(self) -> bool:
        return any(cache.deleted for cache in self.world.server.caches.values())


def run_schedule(seed: int, *, kind: Kind, alter: Alter = unaltered) -> list[str]:
    """Run one schedule; return what was wrong with it, with the seed."""
    schedule = Schedule(seed, kind, alter)
    schedule.run()
    return [f"seed {seed}, {kind.name}: {wrong}" for wrong in schedule.wrong()]
