"""The claim: who may change an entry, and how it is given back whatever happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from langchain_moonshot_cache.lifecycle.effects import Flow, Lease, Release, do

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_moonshot_cache.lifecycle.entry import Entry

__all__ = ["give_back", "under_claim"]

R = TypeVar("R")

_ATTEMPTS = 3
"""A claim that stays behind keeps everybody waiting for the rest of its lease. Two more
tries outlast a registry that is locked for a moment and an impatient second Ctrl-C."""


def under_claim(
    key: str, work: Callable[[Entry], Flow[R]], *, owner: str, lease: float
) -> Flow[R | None]:
    """Run a flow while holding the claim on a prefix.

    Args:
        key: Fingerprint of the prefix.
        work: Makes the flow from the entry as it was when the claim was won.
        owner: Name for the claim; unique, so that giving it back hits no other.
        lease: Seconds that the claim lasts at most.

    Returns:
        What the flow returned; None if somebody else holds the claim.
    """
    try:
        claim = yield from do(Lease(key, owner, lease))
        if not claim.won:
            return None
        outcome = yield from work(claim.entry)
    except GeneratorExit:
        # Dropped half-run: nobody is left to carry anything out. The lease ends alone.
        raise
    except BaseException:
        # The claim may have been won although its reply was an error.
        yield from give_back(key, owner=owner)
        raise
    yield from give_back(key, owner=owner)
    return outcome


def give_back(key: str, *, owner: str) -> Flow[None]:
    """Release a claim; failing that, its lease ends by itself.

    Releasing twice is harmless, so whatever goes wrong it is simply tried again. A
    cancellation at this point is passed on once the claim is given back.
    """
    interruption: BaseException | None = None
    for _ in range(_ATTEMPTS):
        try:
            yield from do(Release(key, owner))
        except GeneratorExit:
            raise
        except Exception:  # noqa: BLE001, S112 - what is left is the end of the lease
            continue
        except BaseException as error:  # noqa: BLE001 - raised below
            interruption = error
        else:
            break
    if interruption is not None:
        raise interruption
