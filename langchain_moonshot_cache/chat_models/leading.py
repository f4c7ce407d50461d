"""Which calls of a batch go first, so that the others read what they wrote."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from langchain_core.runnables.config import get_config_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from langchain_core.runnables import RunnableConfig

__all__ = ["Order", "Wave", "Written"]

_LIFE = 240.0
"""Seconds. The provider keeps what it wrote for 5 minutes at least, from the last call
that read it on; a batch that begins in the last of them may come too late."""

_MOST = 1024
"""Prefixes remembered. Whoever has more of them loses a little time, and no money."""


class Written:
    """The prefixes that batches of this process wrote or read lately.

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

    def note(self, keys: Iterable[str]) -> None:
        """Remember that the provider has these now."""
        with self._lock:
            for key in keys:
                self._used[key] = self._clock()
                self._used.move_to_end(key)
            while len(self._used) > _MOST:
                self._used.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Wave:
    """Calls of a batch that run at once.

    Attributes:
        indices: Where they stand in the batch.
        inputs: What they are given.
        configs: One for each.
    """

    indices: list[int]
    inputs: list[Any]
    configs: list[RunnableConfig]


@dataclass(frozen=True, slots=True)
class Order:
    """In which order the calls of a batch run.

    Attributes:
        keys: The prefix that each call begins with; None where it is not worth a wait.
        leaders: Those that go first: one for each prefix that several calls begin with
            and that the provider does not have yet.
    """

    keys: list[str | None]
    leaders: list[int]

    @classmethod
    def of(cls, keys: list[str | None], *, written: Written) -> Order:
        """Let the first call of each prefix lead, where others follow it."""
        groups: dict[str, list[int]] = {}
        for index, key in enumerate(keys):
            if key is not None:
                groups.setdefault(key, []).append(index)
        leaders = [
            indices[0]
            for key, indices in groups.items()
            if len(indices) > 1 and key not in written
        ]
        return cls(keys, leaders)

    def waves(
        self,
        inputs: Sequence[Any],
        config: RunnableConfig | Sequence[RunnableConfig] | None,
    ) -> list[Wave]:
        """Divide a batch into those who lead, if any do, and the others."""
        configs = get_config_list(config, len(inputs))
        first = set(self.leaders)
        rest = [index for index in range(len(inputs)) if index not in first]
        return [
            Wave(
                indices,
                [inputs[index] for index in indices],
                [_limited(configs[index], by=configs[0]) for index in indices],
            )
            for indices in (self.leaders, rest)
            if indices
        ]

    def answered(self, index: int, answer: object) -> list[str]:
        """Return the prefix that the provider has after this call, if it went well."""
        key = self.keys[index]
        return [] if key is None or isinstance(answer, Exception) else [key]


def _limited(config: RunnableConfig, *, by: RunnableConfig) -> RunnableConfig:
    """Keep a batch's limit: LangChain reads it off the first config alone."""
    return {**config, "max_concurrency": by.get("max_concurrency")}
