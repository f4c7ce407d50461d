"""The command ``moonshot-cache``."""

from langchain_moonshot_cache.cli.entry import main

__all__ = ["main"]
