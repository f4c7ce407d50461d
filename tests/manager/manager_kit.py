"""What the tests of the managers share: both colours behind one face."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_moonshot_cache import AsyncContextCacheManager, ContextCacheManager
    from langchain_moonshot_cache.prefix import Prefix

KEY = "sk-canary-9f8e7d6c5b4a"
MODEL = "moonshot-v1-8k"
SYSTEM = {"role": "system", "content": "You know everything about lighthouses."}
TOOL = {
    "type": "function",
    "function": {"name": "height", "parameters": {"type": "object", "properties": {}}},
}


class Face:
    """A manager of either colour, always to be awaited."""

    def __init__(self, manager: ContextCacheManager | AsyncContextCacheManager) -> None:
        self.manager = manager

    def prefix(self, *messages: Any, **options: Any) -> Prefix:
        given = {"model": MODEL, "messages": list(messages) or [SYSTEM], **options}
        return self.manager.prefix(**given)

    async def do(self, name: str, *args: Any, **kwargs: Any) -> Any:
        result = getattr(self.manager, name)(*args, **kwargs)
        return await result if inspect.isawaitable(result) else result

    async def leave(self) -> None:
        """Enter and leave it as a context manager."""
        manager: Any = self.manager
        if hasattr(manager, "__enter__"):
            with manager:
                pass
        else:
            async with manager:
                pass
