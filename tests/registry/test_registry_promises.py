"""Every promise of the contract, for every registry that comes with the package."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from registry_kit import KINDS, place

from langchain_moonshot_cache.registry import (
    MemoryRegistry,
    Registry,
    base,
)
from langchain_moonshot_cache.registry.conformance import PROMISES, check, validate

if TYPE_CHECKING:
    from pathlib import Path

TROUBLE = "trouble_is_a_registryerror"


@pytest.mark.parametrize(
    ("kind", "promise"),
    [
        (kind, promise)
        for kind in KINDS
        for promise in PROMISES
        # Memory that is out of order takes the process with it.
        if (kind, promise) != ("memory", TROUBLE)
    ],
)
def test_the_registry_keeps_its_promise(
    kind: str, promise: str, tmp_path: Path
) -> None:
    where = place(kind, tmp_path)
    assert check(promise, where.make, where.broken) is None


def test_the_kit_checks_exactly_what_the_contract_says() -> None:
    said = re.findall(r"^- \*\*(.+?)\*\*", str(base.__doc__), re.MULTILINE)
    names = [re.sub(r"\W+", "_", line.lower()).strip("_") for line in said]
    assert names == list(PROMISES)
    assert [promise.__name__ for promise in PROMISES.values()] == names


def test_a_report_tells_what_was_kept_and_what_could_not_be_seen() -> None:
    report = validate(lambda clock: MemoryRegistry(clock=clock))
    report.raise_for_failures()
    assert {*report.passed, *report.skipped} == set(PROMISES)
    assert list(report.skipped) == [TROUBLE]


def test_a_registry_that_cannot_even_be_made_fails_with_the_reason() -> None:
    def make(_clock: object) -> Registry:
        raise OSError("no such place")

    report = validate(make)
    assert [failure.promise for failure in report.failed] == list(PROMISES)[:-1]
    assert {failure.reason for failure in report.failed} == {
        "unexpected OSError: no such place"
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_registry_has_all_methods_of_the_contract(kind: str, tmp_path: Path) -> None:
    registry = place(kind, tmp_path).make(lambda: 0.0)
    assert isinstance(registry, Registry)
    assert registry.nonblocking is (kind == "memory")
    registry.close()
