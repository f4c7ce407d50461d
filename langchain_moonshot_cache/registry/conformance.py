"""Does a registry keep its promises? For whoever writes a fourth one.

Each promise in :mod:`langchain_moonshot_cache.registry.base` has a function with its
name in :mod:`langchain_moonshot_cache.registry.promises`, which is given a registry and
the clock that the registry measures with::

    report = validate(lambda clock: MyRegistry(clock=clock))
    report.raise_for_failures()

The checks use keys of their own, so the registry need not be empty, and never sleep:
they move the clock. It starts at some moment in unix seconds and never goes back.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from langchain_moonshot_cache.errors import RegistryError
from langchain_moonshot_cache.registry.promises import (
    PROMISES,
    BrokenPromiseError,
    Clock,
    trouble_is_a_registryerror,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from langchain_moonshot_cache.registry.base import Registry

__all__ = ["PROMISES", "Clock", "Failure", "Report", "check", "validate"]

_TROUBLE = trouble_is_a_registryerror.__name__


@dataclass(frozen=True, slots=True)
class Failure:
    """A promise that was not kept, and what happened instead."""

    promise: str
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """What became of each promise.

    Attributes:
        passed: Names of the promises that were kept.
        failed: Those that were not, with reasons.
        skipped: Those that could not be looked at, with reasons.
    """

    passed: tuple[str, ...] = ()
    failed: tuple[Failure, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)

    def raise_for_failures(self) -> None:
        """Make a test of it.

        Raises:
            AssertionError: A promise was not kept; the message lists them all.
        """
        if self.failed:
            lines = [f"{failure.promise}: {failure.reason}" for failure in self.failed]
            raise AssertionError("\n".join(["the registry does not conform", *lines]))


def validate(
    make_registry: Callable[[Callable[[], float]], Registry],
    *,
    make_broken: Callable[[], Registry] | None = None,
) -> Report:
    """Check every promise, each on a registry of its own.

    Args:
        make_registry: Makes a registry that measures time with the clock it is given.
        make_broken: Makes a registry whose storage is out of order, such as a server
            that does not answer. Without one the last promise is skipped.

    Returns:
        What became of each promise; nothing that a registry does is raised.
    """
    passed, failed, skipped = [], [], {}
    for promise in PROMISES:
        if promise == _TROUBLE and make_broken is None:
            skipped[promise] = "no broken registry was given to look at"
        elif (reason := check(promise, make_registry, make_broken)) is None:
            passed.append(promise)
        else:
            failed.append(Failure(promise, reason))
    return Report(tuple(passed), tuple(failed), skipped)


def check(
    promise: str,
    make_registry: Callable[[Callable[[], float]], Registry],
    make_broken: Callable[[], Registry] | None = None,
) -> str | None:
    """Check one promise.

    Args:
        promise: A name from :data:`PROMISES`.
        make_registry: See :func:`validate`.
        make_broken: See :func:`validate`; needed for the promise about trouble.

    Returns:
        None if it is kept, else what happened instead.
    """
    clock = Clock()
    try:
        if promise == _TROUBLE and make_broken is not None:
            registry = make_broken()
        else:
            registry = make_registry(clock)
        try:
            PROMISES[promise](registry, clock)
        finally:
            with suppress(RegistryError):
                registry.close()
    except BrokenPromiseError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - whatever a foreign registry may raise
        return f"unexpected {type(error).__name__}: {error}"
    return None
