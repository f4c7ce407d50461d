"""The chat model."""

from langchain_moonshot_cache.chat_models.model import ChatMoonshotCached

__all__ = ["ChatMoonshotCached"]
