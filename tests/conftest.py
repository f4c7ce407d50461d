from langchain_moonshot_cache.testing import moonshot_server, moonshot_server_factory

__all__ = ["moonshot_server", "moonshot_server_factory"]
