"""Flows with one safeguard taken out, to see whether the net would notice.

A mutant is the real flow behind a filter: the filter leaves an effect out, carries out
another one in its place, or changes what the flow is told.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lifecycle_scenarios import TERMS
from lifecycle_world import KEY

from langchain_moonshot_cache.errors import MoonshotCacheError
from langchain_moonshot_cache.lifecycle import Claim, Entry, State
from langchain_moonshot_cache.lifecycle import effects as fx
from langchain_moonshot_cache.lifecycle.judging import outcome_unknown

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MUTANTS", "altered"]


def altered(make_filter: Callable[[], Any], flow: fx.Flow[Any]) -> fx.Flow[Any]:
    """Run a flow behind a filter; each flow gets one of its own."""
    through = make_filter()
    try:
        effect = next(flow)
        while True:
            try:
                result = yield from through(effect)
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001 - the flow decides on it
                effect = flow.throw(error)
            else:
                effect = flow.send(result)
    except StopIteration as stop:
        return stop.value


def no_intent(effect: fx.Effect[Any]) -> fx.Flow[Any]:
    if isinstance(effect, fx.Record) and effect.entry.state is State.CREATING:
        return True
    return (yield effect)


def no_release(effect: fx.Effect[Any]) -> fx.Flow[Any]:
    return None if isinstance(effect, fx.Release) else (yield effect)


def one_release(effect: fx.Effect[Any]) -> fx.Flow[Any]:
    """Give up after the first attempt to give the claim back."""
    if not isinstance(effect, fx.Release):
        return (yield effect)
    try:
        return (yield effect)
    except MoonshotCacheError:
        return None


def stale_write_accepted(effect: fx.Effect[Any]) -> fx.Flow[Any]:
    if not isinstance(effect, fx.Record):
        return (yield effect)
    latest = yield fx.Lookup(effect.entry.key)
    fence = effect.entry.fence if latest is None else latest.fence
    return (yield fx.Record(replace(effect.entry, fence=fence)))


def margin_dropped(effect: fx.Effect[Any]) -> fx.Flow[Any]:
    result = yield effect
    if isinstance(effect, fx.Clock):
        return fx.Instant(result.wall - TERMS.margin, result.elapsed)
    return result


def create_retried_blindly(effect: fx.Effect[Any]) -> fx.Flow[Any]:
    try:
        return (yield effect)
    except MoonshotCacheError as error:
        if isinstance(effect, fx.Create) and outcome_unknown(error):
            return (yield effect)
        raise


def settle_skipped(effect: fx.Effect[Any]) -> fx.Flow[Any]:
    if isinstance(effect, fx.Record) and effect.entry.note == "ReferenceRefused":
        return True
    return (yield effect)


def hold_ignored_on_release(effect: fx.Effect[Any]) -> fx.Flow[Any]:
    result = yield effect
    return 0 if isinstance(effect, fx.Drop) else result


def orphan_not_looked_for(effect: fx.Effect[Any]) -> fx.Flow[Any]:
    return None if isinstance(effect, fx.Find) else (yield effect)


def back_off_ignored(effect: fx.Effect[Any]) -> fx.Flow[Any]:
    result = yield effect
    if isinstance(effect, fx.Lookup) and result is not None:
        return replace(result, retry_at=0.0)
    if isinstance(effect, fx.Lease):
        return Claim(won=result.won, entry=replace(result.entry, retry_at=0.0))
    return result


def revival_failed_and_forgot(effect: fx.Effect[Any]) -> fx.Flow[Any]:
    """Drop the id of a cache when asking for it failed."""
    if isinstance(effect, fx.Record) and effect.entry.retry_at:
        return (yield fx.Record(replace(effect.entry, cache_id=None)))
    return (yield effect)


def forgotten_before_deleted(effect: fx.Effect[Any]) -> fx.Flow[Any]:
    if isinstance(effect, fx.Delete):
        yield fx.Clear(KEY, effect.cache_id)
    return (yield effect)


def pending_taken_for_ready(effect: fx.Effect[Any]) -> fx.Flow[Any]:
    result = yield effect
    if isinstance(result, fx.Seen) and result.status == "pending":
        return replace(result, status="ready")
    return result


def _always(filter_: Callable[[fx.Effect[Any]], Any]) -> Callable[[], Any]:
    return lambda: filter_


def no_double_check() -> Any:
    """Go by what was read before the claim, not by what came with it."""
    read: list[Entry | None] = [None]

    def through(effect: fx.Effect[Any]) -> fx.Flow[Any]:
        result = yield effect
        if isinstance(effect, fx.Lookup):
            read[0] = result
        elif isinstance(effect, fx.Lease) and result.won:
            before = read[0] or Entry(key=effect.key)
            return Claim(won=True, entry=replace(before, fence=result.entry.fence))
        return result

    return through


def waiter_never_re_reads() -> Any:
    """Once a claim is lost, wait and look at nothing."""
    lost: list[Claim] = []

    def through(effect: fx.Effect[Any]) -> fx.Flow[Any]:
        if lost and isinstance(effect, fx.Lookup):
            return lost[0].entry
        if lost and isinstance(effect, fx.Lease):
            return lost[0]
        result = yield effect
        if isinstance(effect, fx.Lease) and not result.won:
            lost.append(result)
        return result

    return through


def waiting_by_attempts() -> Any:
    """Never look at the time while waiting."""
    first: list[fx.Instant] = []

    def through(effect: fx.Effect[Any]) -> fx.Flow[Any]:
        result = yield effect
        if not isinstance(effect, fx.Clock):
            return result
        first.append(result)
        return fx.Instant(result.wall, first[0].elapsed)

    return through


MUTANTS: dict[str, Callable[[], Any]] = {
    **{
        mutant.__name__: _always(mutant)
        for mutant in (
            no_intent,
            no_release,
            one_release,
            stale_write_accepted,
            margin_dropped,
            create_retried_blindly,
            settle_skipped,
            hold_ignored_on_release,
            orphan_not_looked_for,
            back_off_ignored,
            revival_failed_and_forgot,
            forgotten_before_deleted,
            pending_taken_for_ready,
        )
    },
    "no_double_check": no_double_check,
    "waiter_never_re_reads": waiter_never_re_reads,
    "waiting_by_attempts": waiting_by_attempts,
}
