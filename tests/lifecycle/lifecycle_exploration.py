"""All interleavings of two clients, each state of the world visited once.

A flow is a function of the results it was given, so two orders of steps that gave both
clients the same results and left the world the same have the same future.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import astuple, dataclass, field
from typing import TYPE_CHECKING, Any

from lifecycle_net import unnamed
from lifecycle_world import KEY, World

from langchain_moonshot_cache.errors import MoonshotCacheError
from langchain_moonshot_cache.lifecycle import Bypassed, Ready
from langchain_moonshot_cache.lifecycle import effects as fx

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = ["Exploration", "explore"]

Move = tuple[int, bool]
"""Which client takes a step, and whether it dies instead."""


@dataclass
class Client:
    """One client, by the results that its flow has been given."""

    flow: fx.Flow[Any]
    effect: fx.Effect[Any] | None = None
    results: list[Hashable] = field(default_factory=list)
    outcome: Any = None
    wake_at: float = 0.0

    def start(self) -> None:
        self.effect = next(self.flow)

    def step(self, world: World) -> None:
        """Have the effect carried out, up to the next one that the flow asks for."""
        assert self.effect is not None
        try:
            try:
                result = world.perform(self.effect)
            except MoonshotCacheError as error:
                self.results.append(type(error).__name__)
                self.effect = self.flow.throw(error)
            else:
                self.results.append(result)
                self.effect = self.flow.send(result)
        except StopIteration as stop:
            self.outcome, self.effect = stop.value, None

    def die(self) -> None:
        self.results.append("died")
        self.flow.close()
        self.outcome, self.effect = "died", None


@dataclass
class Exploration:
    """What was found: how many states, how they ended, and what was wrong."""

    states: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    complete: bool = True


def explore(
    make_world: Callable[[], World],
    prepare: Callable[[World], list[fx.Flow[Any]]],
    *,
    deaths: int = 0,
    at_most: int | None = None,
) -> Exploration:
    """Visit every state that some order of steps leads to.

    Args:
        make_world: Makes the world at the beginning.
        prepare: Brings it into the situation and returns the flows.
        deaths: How many clients may die on the way, wherever it may be.
        at_most: Stop after so many states.
    """
    result = Exploration()
    seen: set[Hashable] = set()
    paths: list[tuple[Move, ...]] = [()]
    while paths:
        path = paths.pop()
        world, clients = _replay(make_world, prepare, path)
        state = _state(world, clients)
        if state in seen:
            continue
        seen.add(state)
        if at_most is not None and len(seen) > at_most:
            result.complete = False
            break
        moves = _moves(clients, may_die=_deaths(path) < deaths)
        paths.extend((*path, move) for move in moves)
        if not moves:
            _judge(result, world, clients, path)
    result.states = len(seen)
    return result


def _replay(
    make_world: Callable[[], World],
    prepare: Callable[[World], list[fx.Flow[Any]]],
    path: tuple[Move, ...],
) -> tuple[World, list[Client]]:
    world = make_world()
    clients = [Client(flow) for flow in prepare(world)]
    for client in clients:
        client.start()
    for number, dies in path:
        if dies:
            clients[number].die()
        else:
            _step(world, clients[number])
    return world, clients


def _step(world: World, client: Client) -> None:
    """Take a step. A sleeper is late by as much as the others were at work."""
    if isinstance(client.effect, fx.Sleep) and client.wake_at == 0.0:
        client.wake_at = world.time.elapsed + client.effect.seconds
        return
    if isinstance(client.effect, fx.Sleep):
        world.time.pass_by(max(client.wake_at - world.time.elapsed, 0.0))
        client.wake_at = 0.0
        client.results.append(None)
        client.effect = client.flow.send(None)
        return
    client.step(world)


def _moves(clients: list[Client], *, may_die: bool) -> list[Move]:
    running = [n for n, client in enumerate(clients) if client.effect is not None]
    deaths = [(number, True) for number in running] if may_die else []
    return deaths + [(number, False) for number in running]


def _deaths(path: tuple[Move, ...]) -> int:
    return sum(dies for _, dies in path)


def _state(world: World, clients: list[Client]) -> Hashable:
    registry = world.registry
    return (
        tuple((tuple(client.results), client.wake_at) for client in clients),
        world.time.elapsed,
        tuple(astuple(cache) for cache in world.server.caches.values()),
        tuple(registry._entries.items()),
        tuple(registry._leases.items()),
        tuple((key, *sorted(holds.items())) for key, holds in registry._holds.items()),
        tuple(registry._marks.items()),
    )


def _judge(
    result: Exploration, world: World, clients: list[Client], path: tuple[Move, ...]
) -> None:
    ending = ", ".join(_name(client.outcome) for client in clients)
    result.endings[ending] += 1
    problems = list(unnamed(world, excused=world.outlived))
    if world.registry.owner(KEY) and not _deaths(path):
        problems.append("a claim was kept")
    result.wrong.extend(f"{ending}: {problem}" for problem in problems)


def _name(outcome: object) -> str:
    if isinstance(outcome, Ready):
        return outcome.how
    if isinstance(outcome, Bypassed):
        return "pending" if outcome.pending else "bypassed"
    return str(outcome)
