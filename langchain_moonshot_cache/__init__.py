"""Context caching for Kimi / Moonshot behind LangChain's Runnable interface."""

from langchain_moonshot_cache._version import __version__
from langchain_moonshot_cache.chat_models import ChatMoonshotCached
from langchain_moonshot_cache.economics import CachePolicy, Ledger, PriceBook
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
    MoonshotCacheError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    RegistryError,
    ResponseFormatError,
    ServerError,
)
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
