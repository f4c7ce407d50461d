"""Two clients in every order there is, also when one of them dies on the way."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import lifecycle_scenarios as situations
import pytest
from lifecycle_exploration import explore
from lifecycle_scenarios import TERMS, current, ensuring
from lifecycle_world import KEY, World

from langchain_moonshot_cache.lifecycle import effects as fx
from langchain_moonshot_cache.lifecycle import refused, release

if TYPE_CHECKING:
    from collections.abc import Callable


class Even(random.Random):
    """No chance at all, so that the order of steps is all there is to vary."""

    def random(self) -> float:
        return 0.5


def make_world() -> World:
    world = World()
    world.chance = Even()
    return world


def two_ask(situation: str, *, wait: float) -> Callable[[World], list[fx.Flow[Any]]]:
    def prepare(world: World) -> list[fx.Flow[Any]]:
        getattr(situations, situation)(world)
        terms = replace(TERMS, wait=wait)
        return [ensuring(terms, owner="a/1"), ensuring(terms, owner="b/1")]

    return prepare


def one_lets_go(world: World, *other: fx.Flow[Any]) -> list[fx.Flow[Any]]:
    entry = current(world)
    cache_id = entry.cache_id or ""
    flow = release(
        KEY, cache_id=cache_id, holder="founder", owner="founder/2", terms=TERMS
    )
    return [flow, *other]


def one_asks_while_one_lets_go(world: World) -> list[fx.Flow[Any]]:
    situations.ready(world)
    return one_lets_go(world, ensuring(replace(TERMS, wait=1.5), owner="b/1"))


def one_was_refused_while_one_asks(world: World) -> list[fx.Flow[Any]]:
    situations.ready(world)
    entry = current(world)
    world.server.forget(entry.cache_id)
    return [refused(entry), ensuring(replace(TERMS, wait=1.5), owner="b/1")]


def both_were_refused(world: World) -> list[fx.Flow[Any]]:
    situations.ready(world)
    entry = current(world)
    world.server.forget(entry.cache_id)
    return [refused(entry), refused(entry)]


def both_let_go(world: World) -> list[fx.Flow[Any]]:
    situations.ready(world)
    return [*one_lets_go(world), *one_lets_go(world)]


MAKING = (
    "nothing_known",
    "expired",
    "expired_and_forgotten",
    "creator_died_after_the_create",
    "creator_died_before_the_create",
)
MIXED = (
    one_asks_while_one_lets_go,
    one_was_refused_while_one_asks,
    both_were_refused,
    both_let_go,
)


@pytest.mark.parametrize("situation", MAKING)
def test_two_clients_without_patience_share_one_create(situation: str) -> None:
    result = explore(make_world, two_ask(situation, wait=0.0), deaths=1)
    assert result.complete
    assert result.states > 1_000
    assert result.wrong == []


@pytest.mark.parametrize("prepare", MIXED, ids=lambda prepare: prepare.__name__)
def test_asking_settling_and_letting_go_may_meet_anywhere(
    prepare: Callable[[World], list[fx.Flow[Any]]],
) -> None:
    result = explore(make_world, prepare, deaths=1)
    assert result.complete
    assert result.wrong == []


def test_one_of_two_patient_clients_creates_and_the_other_finds() -> None:
    result = explore(make_world, two_ask("nothing_known", wait=1.5))
    assert result.complete
    assert result.wrong == []
    assert result.endings["found, created"] > 100
    assert result.endings["created, created"] == 0


@pytest.mark.nightly
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("wait", [1.5, 3.0])
@pytest.mark.parametrize("situation", MAKING)
def test_two_patient_clients_of_which_any_may_die(situation: str, wait: float) -> None:
    result = explore(make_world, two_ask(situation, wait=wait), deaths=2)
    assert result.complete
    assert result.wrong == []
