"""The one clock of the server: everything that asks for the time asks here."""

from __future__ import annotations

import math
import time

__all__ = ["Clock"]


class Clock:
    """Wall time plus an offset, or standing still.

    Readiness, expiry, bills and the ``Date`` header all follow it, and nothing runs in
    the background: what time changes is worked out when somebody asks.
    """

    def __init__(self) -> None:
        self._offset = 0.0
        self._frozen_at: float | None = None

    @property
    def frozen(self) -> bool:
        """Whether the clock stands still."""
        return self._frozen_at is not None

    def now(self) -> float:
        """Return the current time in unix seconds."""
        if self._frozen_at is not None:
            return self._frozen_at
        return time.time() + self._offset

    def seconds(self) -> int:
        """Return the current time in whole unix seconds, as the wire shows it."""
        return math.floor(self.now())

    def set(self, now: float) -> None:
        """Jump to a time, forwards or backwards; a running clock runs on from there."""
        if self._frozen_at is not None:
            self._frozen_at = now
        else:
            self._offset = now - time.time()

    def advance(self, seconds: float) -> None:
        """Move by some seconds; negative ones move back."""
        self.set(self.now() + seconds)

    def freeze(self) -> None:
        """Stand still at the current time."""
        self._frozen_at = self.now()

    def thaw(self) -> None:
        """Run on from where the clock stands."""
        now = self.now()
        self._frozen_at = None
        self._offset = now - time.time()
