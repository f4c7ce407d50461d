"""The lifecycle of named caches, without LangChain."""

from langchain_moonshot_cache.manager.aio import AsyncContextCacheManager
from langchain_moonshot_cache.manager.checks import check_conversation, check_tools
from langchain_moonshot_cache.manager.options import check_ttl, chosen_policy
from langchain_moonshot_cache.manager.orphans import Orphan
from langchain_moonshot_cache.manager.shared import Shared
from langchain_moonshot_cache.manager.sync import ContextCacheManager

__all__ = [
    "AsyncContextCacheManager",
    "ContextCacheManager",
    "Orphan",
    "Shared",
    "check_conversation",
    "check_tools",
    "check_ttl",
    "chosen_policy",
]
