"""Context caching for Kimi / Moonshot behind the Runnable interface of LangChain."""
