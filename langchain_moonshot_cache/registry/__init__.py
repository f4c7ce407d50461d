"""Where clients that share caches keep what they know about them."""

from langchain_moonshot_cache.lifecycle import Claim, Entry, State
from langchain_moonshot_cache.registry.base import Registry
from langchain_moonshot_cache.registry.memory import MemoryRegistry
from langchain_moonshot_cache.registry.opening import open_registry

__all__ = [
    "Claim",
    "Entry",
    "MemoryRegistry",
    "Registry",
    "State",
    "open_registry",
]
