"""Runnables that stand where a prompt template stood."""

from langchain_moonshot_cache.runnables.cached_prompt import CachedPromptRunnable

__all__ = ["CachedPromptRunnable"]
