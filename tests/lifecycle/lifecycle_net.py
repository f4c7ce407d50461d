"""What must hold after a run, whatever went wrong in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lifecycle_faults import (
    CANCELLED,
    CRASHED,
    Fault,
    FaultyWorld,
    ProcessDied,
    Run,
    faults_of,
    run,
)
from lifecycle_scenarios import TERMS, Scenario, current, ensuring
from lifecycle_world import KEY, World

from langchain_moonshot_cache.errors import MoonshotCacheError
from langchain_moonshot_cache.lifecycle import (
    Bypassed,
    Ready,
    State,
    drive,
    refused,
)
from langchain_moonshot_cache.lifecycle import effects as fx

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

__all__ = [
    "Alter",
    "Plan",
    "next_caller",
    "plans",
    "relayed",
    "show",
    "try_plan",
    "unaltered",
    "unnamed",
]

Plan = dict[int, Fault]
Alter = Callable[[fx.Flow[Any]], fx.Flow[Any]]
"""Makes a mutant of a flow."""
LONG = TERMS.lease + TERMS.longest_backoff
A_DAY = 86_400.0


def unaltered(flow: fx.Flow[Any]) -> fx.Flow[Any]:
    return flow


def try_plan(
    scenario: Scenario, plan: Mapping[int, Fault], *, alter: Alter = unaltered
) -> tuple[Run, list[str]]:
    """Run a scenario with faults; return the run and what is wrong with it."""
    world = World()
    flow = alter(scenario.prepare(world))
    began = world.time.elapsed
    result = run(flow, FaultyWorld(world, plan))
    wrong = list(judge_run(scenario, world, result))
    if world.time.elapsed - began > TERMS.wait:
        wrong.append(f"waited {world.time.elapsed - began} s")
    wrong.extend(judge_aftermath(world, result, alter=alter))
    return result, wrong


def plans(scenario: Scenario, *, faults: int) -> Iterator[Plan]:
    """Yield every plan of so many faults, each later than the one before.

    Later faults are placed in the run as the earlier ones have shaped it.
    """
    yield from _extended(scenario, {}, first=0, faults=faults)


def _extended(
    scenario: Scenario, plan: Plan, *, first: int, faults: int
) -> Iterator[Plan]:
    world = World()
    trace = run(scenario.prepare(world), FaultyWorld(world, plan)).trace
    for step, effect in enumerate(trace[first:], start=first):
        for fault in faults_of(effect):
            longer = {**plan, step: fault}
            if faults == 1:
                yield longer
            elif fault not in CRASHED:
                yield from _extended(
                    scenario, longer, first=step + 1, faults=faults - 1
                )


def relayed(scenario: Scenario) -> Iterator[tuple[Scenario, Plan]]:
    """Yield pairs of faults of which the second one meets the next caller."""
    for first in plans(scenario, faults=1):

        def prepare(world: World, first: Plan = first) -> fx.Flow[Any]:
            result = run(scenario.prepare(world), FaultyWorld(world, first))
            world.time.pass_by(A_DAY if _was_retired(result) else LONG)
            world.server.ready_after = min(world.server.ready_after, 0.5)
            return ensuring(owner="second/1")

        (fault,) = first.values()
        second = Scenario(
            name=f"{scenario.name}, {fault.name} at {min(first)}",
            prepare=prepare,
            honest=scenario.ensures and scenario.honest and fault.name != "missing",
        )
        for plan in plans(second, faults=1):
            yield second, plan


def judge_run(scenario: Scenario, world: World, result: Run) -> Iterator[str]:
    """Judge the outcome and what is left behind."""
    yield from _judge_outcome(scenario, world, result)
    if world.registry.owner(KEY) and not (result.met(*CRASHED) or scenario.leased):
        yield "a claim was kept"
    if scenario.kept and not world.server.living(KEY):
        yield "a cache that somebody uses was deleted"
    yield from unnamed(world)


def _judge_outcome(scenario: Scenario, world: World, result: Run) -> Iterator[str]:
    if result.met(*CRASHED):
        if not isinstance(result.error, ProcessDied | None):
            yield f"a dead process raised {result.error!r}"
    elif result.met(*CANCELLED):
        if not isinstance(result.error, asyncio.CancelledError):
            yield f"a cancellation was swallowed: {result.outcome!r}"
    elif result.error is not None:
        if not (scenario.releases and result.struck and _is_passed_on(result)):
            yield f"raised {result.error!r}"
    elif isinstance(result.outcome, Ready):
        yield from _judge_ready(scenario, world, result)
    elif scenario.ensures and not isinstance(result.outcome, Bypassed):
        yield f"neither a cache nor a reason: {result.outcome!r}"


def _is_passed_on(result: Run) -> bool:
    return isinstance(result.error, MoonshotCacheError | OSError)


def _judge_ready(scenario: Scenario, world: World, result: Run) -> Iterator[str]:
    assert isinstance(result.outcome, Ready)
    cache_id = result.outcome.entry.cache_id
    if not scenario.honest:
        return
    if not world.server.serves(cache_id):
        yield f"ready, but {cache_id} is not"
        return
    left = world.server.caches[cache_id or ""].expires_at - world.time.wall
    renewal_failed = any(isinstance(effect, fx.Renew) for _, effect in result.struck)
    if left <= TERMS.margin and not renewal_failed:
        yield f"ready, but {cache_id} ends in {left} s"


def unnamed(world: World, *, excused: Collection[str] = ()) -> Iterator[str]:
    """Judge whether every cache can be found again, and whether there are two.

    Args:
        world: Where to look.
        excused: Owners who outlived their lease; what they made may stay alone.
    """
    entry = current(world)
    for cache in world.server.living(KEY):
        if cache.owner in excused:
            continue
        if entry.cache_id != cache.cache_id and entry.state is not State.CREATING:
            yield f"{cache.cache_id} is alive and nothing leads to it: {entry}"
    if world.doubles:
        yield f"created beside a living cache, {world.doubles} times"


def judge_aftermath(
    world: World, result: Run, *, alter: Alter = unaltered
) -> Iterator[str]:
    """Judge how the next caller fares: at once, and when all pauses are over."""
    if _create_failed(result) and not _registry_failed(result):
        again = run(alter(ensuring(owner="early/1")), FaultyWorld(world))
        if again.asked(fx.Create):
            yield "created again at once after a failure"
    if _was_retired(result):
        world.time.pass_by(A_DAY)
    world.server.ready_after = min(world.server.ready_after, 0.5)
    # Two rounds: the first may be the one that finds out about an earlier failure.
    if not any(_next_round(world, alter) for _ in range(2)):
        yield f"the next caller has no cache: {current(world)}"
    yield from unnamed(world)
    if world.registry.owner(KEY):
        yield "a claim was kept by the next caller"


def _next_round(world: World, alter: Alter) -> bool:
    world.time.pass_by(LONG)
    return next_caller(world, alter=alter)


def _was_retired(result: Run) -> bool:
    return any(fault.name == "retired" for fault, _ in result.struck)


def _create_failed(result: Run) -> bool:
    return any(
        isinstance(effect, fx.Create) and fault not in CANCELLED + CRASHED
        for fault, effect in result.struck
    )


def _registry_failed(result: Run) -> bool:
    return any(not isinstance(effect, fx.Create) for _, effect in result.struck)


def next_caller(world: World, *, alter: Alter = unaltered) -> bool:
    """Get a cache and use it, as a chat model does; tell whether that worked.

    A refused reference is reported and the cache asked for once more. Twice may be
    necessary: one cache may be lost and another one be spoilt.
    """
    for attempt in range(3):
        outcome = drive(alter(ensuring(owner=f"next/{attempt}")), world)
        if not isinstance(outcome, Ready):
            return False
        if world.server.serves(outcome.entry.cache_id):
            return True
        drive(alter(refused(outcome.entry)), world)
    return False


def show(scenario: Scenario, plan: Plan, wrong: list[str]) -> str:
    """Say what went wrong where, so that it can be run again."""
    faults = ", ".join(f"{step}: {fault.name}" for step, fault in plan.items())
    return f"{scenario.name} {{{faults}}}: " + "; ".join(wrong)
