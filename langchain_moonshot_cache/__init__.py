"""Context caching for Kimi / Moonshot behind LangChain's Runnable interface.

Names are loaded when they are first asked for: who imports only the server or a
registry does not pay for LangChain.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache._version import __version__

if TYPE_CHECKING:
    from langchain_moonshot_cache.chat_models import ChatMoonshotCached
    from langchain_moonshot_cache.economics import CachePolicy, PriceBook
    from langchain_moonshot_cache.errors import (
        APIStatusError,
        AuthenticationError,
        CacheFailedError,
        CacheUnavailableError,
        ConfigurationError,
        ConnectionFailedError,
        EndpointRetiredError,
        InvalidPromptError,
        InvalidRequestError,
        MixedCurrenciesError,
        MoonshotCacheError,
        NotFoundError,
        PermissionDeniedError,
        QuotaExceededError,
        RateLimitError,
        RegistryError,
        ResponseFormatError,
        ServerError,
    )
    from langchain_moonshot_cache.ledger import Ledger
    from langchain_moonshot_cache.manager import (
        AsyncContextCacheManager,
        ContextCacheManager,
    )
    from langchain_moonshot_cache.protocol import (
        AsyncMoonshotCachingClient,
        ContextCache,
        MoonshotCachingClient,
    )
    from langchain_moonshot_cache.runnables import CachedPromptRunnable

__all__ = [
    "APIStatusError",
    "AsyncContextCacheManager",
    "AsyncMoonshotCachingClient",
    "AuthenticationError",
    "CacheFailedError",
    "CachePolicy",
    "CacheUnavailableError",
    "CachedPromptRunnable",
    "ChatMoonshotCached",
    "ConfigurationError",
    "ConnectionFailedError",
    "ContextCache",
    "ContextCacheManager",
    "EndpointRetiredError",
    "InvalidPromptError",
    "InvalidRequestError",
    "Ledger",
    "MixedCurrenciesError",
    "MoonshotCacheError",
    "MoonshotCachingClient",
    "NotFoundError",
    "PermissionDeniedError",
    "PriceBook",
    "QuotaExceededError",
    "RateLimitError",
    "RegistryError",
    "ResponseFormatError",
    "ServerError",
    "__version__",
]

_ROOMS = {
    "AsyncContextCacheManager": "manager",
    "AsyncMoonshotCachingClient": "protocol",
    "CachePolicy": "economics",
    "CachedPromptRunnable": "runnables",
    "ChatMoonshotCached": "chat_models",
    "ContextCache": "protocol",
    "ContextCacheManager": "manager",
    "Ledger": "ledger",
    "MoonshotCachingClient": "protocol",
    "PriceBook": "economics",
}
"""Where names live that are no errors."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room = import_module(f"{__name__}.{_ROOMS.get(name, 'errors')}")
    return getattr(room, name)


def __dir__() -> list[str]:
    return __all__
