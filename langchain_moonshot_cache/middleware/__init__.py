"""Context caching for agents of ``create_agent``; needs the extra ``middleware``.

``ChatMoonshotCached`` takes care of an agent's system prompt and tools by itself. The
middleware here is for what belongs to one agent rather than to its model: how long its
prefix shall live, from which size on it gets a cache, and a word when something in
front of the conversation changes from call to call, which no cache survives.
"""

try:
    import langchain.agents.middleware  # noqa: F401 - tried here, used in the modules
except ImportError as missing:
    raise ImportError(
        "langchain_moonshot_cache.middleware needs LangChain's agents: "
        "pip install 'langchain-moonshot-cache[middleware]'"
    ) from missing

from langchain_moonshot_cache.middleware.caching import MoonshotPromptCachingMiddleware

__all__ = ["MoonshotPromptCachingMiddleware"]
