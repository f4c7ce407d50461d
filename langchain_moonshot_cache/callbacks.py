"""A LangChain callback that says why calls miss the cache, once for each cause."""

from __future__ import annotations

import logging
from threading import Lock
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import BaseCallbackHandler
from typing_extensions import override

from langchain_moonshot_cache.chat_models.report import DRIFT
from langchain_moonshot_cache.prefix.drift import Cause, Drift

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from langchain_core.outputs import LLMResult

__all__ = ["CacheDriftHandler"]

logger = logging.getLogger("langchain_moonshot_cache")

_OF_ALL_TOOLS = {Cause.TOOL_ORDER, Cause.TOOL_SET}
"""What concerns the tools together: which of them is the first to differ is chance."""


def _log(drift: Drift) -> None:
    logger.warning("calls miss the cache: %s", drift)


class CacheDriftHandler(BaseCallbackHandler):
    """Watches the calls of ``ChatMoonshotCached`` and says what keeps them from caches.

    It is told what the models themselves found out, so it costs nothing where a cache
    is hit, and it quotes no prompt. Give it to a model, or to a chain, agent or batch
    with its ``config``; one may watch many.

    Args:
        tell: Called with each new cause, from whichever thread the call ends in; by
            default it is written to the log as a warning. The same cause in another
            message of the same role is not new.

    Example:
        .. code-block:: python

            watch = CacheDriftHandler()
            agent.invoke({"messages": [...]}, config={"callbacks": [watch]})
            for drift in watch.drifts:
                print(drift.cause, drift.place, drift.mend)
    """

    def __init__(self, *, tell: Callable[[Drift], None] = _log) -> None:
        super().__init__()
        self._tell = tell
        self._lock = Lock()
        self._told: dict[Hashable, Drift] = {}

    @property
    def drifts(self) -> list[Drift]:
        """What was told so far, the first first."""
        with self._lock:
            return list(self._told.values())

    @override
    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        for generation in (one for many in response.generations for one in many):
            message = getattr(generation, "message", None)
            found = getattr(message, "response_metadata", {}).get(DRIFT)
            if found is not None:
                self._note(Drift.from_dict(found))

    def _note(self, drift: Drift) -> None:
        place = drift.place
        tool = None if drift.cause in _OF_ALL_TOOLS else place and place.tool
        name = (drift.cause, place and place.role, tool)
        with self._lock:
            if name in self._told:
                return
            self._told[name] = drift
        self._tell(drift)
