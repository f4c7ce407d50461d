"""The conformance kit catches whoever breaks a promise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from registry_mutants import CAUGHT_BY

from langchain_moonshot_cache.registry import MemoryRegistry
from langchain_moonshot_cache.registry.conformance import PROMISES, validate

Mutant = Callable[..., MemoryRegistry]


@pytest.mark.parametrize("mutant", CAUGHT_BY, ids=lambda mutant: mutant.__name__)
def test_the_kit_catches_the_mutant(mutant: type[MemoryRegistry]) -> None:
    report = validate(lambda clock: mutant(clock=clock), make_broken=mutant)
    caught = [failure.promise for failure in report.failed]
    assert CAUGHT_BY[mutant] in caught
    with pytest.raises(AssertionError, match=CAUGHT_BY[mutant]):
        report.raise_for_failures()


def test_every_promise_has_a_mutant_that_breaks_it() -> None:
    assert set(CAUGHT_BY.values()) == set(PROMISES)


def test_the_mutants_have_nothing_wrong_but_their_fault() -> None:
    options: dict[str, Any] = {}
    validate(lambda clock: MemoryRegistry(clock=clock, **options)).raise_for_failures()
