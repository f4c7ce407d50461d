"""The wire of the named-caching API: models, two clients, nothing else."""

from langchain_moonshot_cache.protocol.async_client import AsyncMoonshotCachingClient
from langchain_moonshot_cache.protocol.client import MoonshotCachingClient
from langchain_moonshot_cache.protocol.endpoint import DEFAULT_BASE_URL, other_region
from langchain_moonshot_cache.protocol.headers import server_time
from langchain_moonshot_cache.protocol.models import (
    CREATE_ID_KEY,
    CacheError,
    CacheStatus,
    CacheTag,
    ContextCache,
)
from langchain_moonshot_cache.protocol.retry import (
    NothingSentError,
    outcome_is_unknown,
)

__all__ = [
    "CREATE_ID_KEY",
    "DEFAULT_BASE_URL",
    "AsyncMoonshotCachingClient",
    "CacheError",
    "CacheStatus",
    "CacheTag",
    "ContextCache",
    "MoonshotCachingClient",
    "NothingSentError",
    "other_region",
    "outcome_is_unknown",
    "server_time",
]
