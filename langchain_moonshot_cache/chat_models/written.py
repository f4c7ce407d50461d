"""What a provider that caches by itself has lately been sent."""

from __future__ import annotations

import time
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Written"]

_LIFE = 240.0
"""Seconds. The provider keeps what it wrote for 5 minutes at least, from the last call
that read it on; a call that comes in the last of them may come too late."""

_MOST = 1024
"""Prefixes remembered. Whoever has more of them loses a little time, and no money."""


class Written:
    """The prefixes that calls of this process had written or read lately.

    Args:
        clock: Seconds, by a clock that never jumps.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._used: OrderedDict[str, float] = OrderedDict()

    def __contains__(self, key: str) -> bool:
        with self._lock:
            used = self._used.get(key)
        return used is not None and self._clock() - used < _LIFE

    def note(self, key: str) -> None:
        """Remember that the provider has a prefix now."""
        with self._lock:
            self._used[key] = self._clock()
            self._used.move_to_end(key)
            while len(self._used) > _MOST:
                self._used.popitem(last=False)
