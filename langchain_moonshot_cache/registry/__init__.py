"""Where clients that share caches keep what they know about them."""

from langchain_moonshot_cache.lifecycle import Claim, Entry, State
from langchain_moonshot_cache.registry.base import Registry
from langchain_moonshot_cache.registry.memory import MemoryRegistry
from langchain_moonshot_cache.registry.opening import default_path, open_registry
from langchain_moonshot_cache.registry.sqlite import SqliteRegistry

__all__ = [
    "Claim",
    "Entry",
    "MemoryRegistry",
    "Registry",
    "SqliteRegistry",
    "State",
    "default_path",
    "open_registry",
]
