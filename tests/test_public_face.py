"""The names that other people's code relies on."""

from __future__ import annotations

import subprocess
import sys

import langchain_moonshot_cache
from langchain_moonshot_cache import errors

FACE = [
    "APIStatusError",
    "AsyncContextCacheManager",
    "AsyncMoonshotCachingClient",
    "AuthenticationError",
    "CacheFailedError",
    "CachePolicy",
    "CacheUnavailableError",
    "CachedPromptRunnable",
    "ChatMoonshotCached",
    "ConfigurationError",
    "ConnectionFailedError",
    "ContextCache",
    "ContextCacheManager",
    "EndpointRetiredError",
    "InvalidPromptError",
    "InvalidRequestError",
    "Ledger",
    "MixedCurrenciesError",
    "MoonshotCacheError",
    "MoonshotCachingClient",
    "NotFoundError",
    "PermissionDeniedError",
    "PriceBook",
    "QuotaExceededError",
    "RateLimitError",
    "RegistryError",
    "ResponseFormatError",
    "ServerError",
    "__version__",
]


def test_the_public_names_are_frozen_and_sorted() -> None:
    assert langchain_moonshot_cache.__all__ == FACE
    assert dir(langchain_moonshot_cache) == FACE


def test_every_public_name_can_be_had() -> None:
    for name in FACE:
        assert getattr(langchain_moonshot_cache, name) is not None


def test_every_error_is_public_and_of_one_tree() -> None:
    assert set(errors.__all__) <= set(FACE)
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), errors.MoonshotCacheError)


def test_the_tree_in_the_docstring_names_every_error() -> None:
    for name in errors.__all__:
        assert name in str(errors.__doc__)


def test_importing_the_package_loads_neither_langchain_nor_a_web_server() -> None:
    script = (
        "import sys, langchain_moonshot_cache;"
        "print([m for m in ('langchain_core', 'openai', 'httpx', 'starlette')"
        " if m in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
