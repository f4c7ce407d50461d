"""Notices when a coroutine of this package blocks its event loop.

BlockBuster knows what can block and looks at each such call. It would raise at the
place, where a package that survives every failure of its cache would survive that
as well; so what it notices is written down here, and told when the test is over.
"""

from __future__ import annotations

import inspect
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blockbuster import BlockBuster

import langchain_moonshot_cache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import FrameType

_OURS = str(Path(langchain_moonshot_cache.__file__).parent)
_STAND_IN = str(Path(_OURS, "server"))
"""Keeps its books in memory with SQLite, and serves nobody but tests and demos."""
_GATEWAY = str(Path(_STAND_IN, "gateway"))

_MAY_BLOCK = [
    ("<frozen importlib._bootstrap>", {"_find_and_load"}),
    ("logging/__init__.py", {"handle"}),
    ("server/gateway/sqlite.py", {"find"}),
]
"""A first import happens once; where the log goes is the application's choice;
the gateway reads a record in less time than it takes to ask a thread for it."""

_COROUTINE = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


@contextmanager
def watched() -> Iterator[list[str]]:
    """Watch all event loops of this process; lend the list of what blocked them."""
    seen: list[str] = []
    buster = BlockBuster()
    for function in buster.functions.values():
        function.can_block_predicate = _recorder(
            function.full_name,
            function.can_block_predicate,
            [*_MAY_BLOCK, *function.can_block_functions],
            seen,
        )
    buster.activate()
    try:
        yield seen
    finally:
        buster.deactivate()


def _recorder(
    name: str,
    harmless: Callable[..., bool],
    allowed: Sequence[tuple[str, Iterable[str]]],
    seen: list[str],
) -> Callable[..., bool]:
    def record(*args: Any, **kwargs: Any) -> bool:
        if not harmless(*args, **kwargs):
            place = _culprit(sys._getframe(1), allowed)
            if place is not None:
                seen.append(f"{name} in {place}")
        return True

    return record


def _culprit(
    frame: FrameType | None, allowed: Sequence[tuple[str, Iterable[str]]]
) -> str | None:
    """Name the innermost coroutine of ours that a call came from, if one did."""
    while frame is not None:
        code = frame.f_code
        file = code.co_filename
        if any(file.endswith(end) and code.co_name in names for end, names in allowed):
            return None
        if file.startswith(_OURS) and code.co_flags & _COROUTINE:
            theirs = file.startswith(_STAND_IN) and not file.startswith(_GATEWAY)
            return None if theirs else f"{file}:{frame.f_lineno} {code.co_name}"
        frame = frame.f_back
    return None
