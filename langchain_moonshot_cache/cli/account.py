"""The account that a command works for: a client of the API and a registry."""

from __future__ import annotations

import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import SecretStr

from langchain_moonshot_cache.economics import PriceBook
from langchain_moonshot_cache.errors import ConfigurationError
from langchain_moonshot_cache.protocol import MoonshotCachingClient
from langchain_moonshot_cache.registry import open_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from langchain_moonshot_cache.registry import Registry

__all__ = ["Account", "open_account", "read_key", "read_prices"]


@dataclass(frozen=True, slots=True)
class Account:
    """A client, a registry and prices.

    Attributes:
        client: Speaks to the caching API.
        registry: What is known about caches.
        prices: What they are priced by.
    """

    client: MoonshotCachingClient
    registry: Registry
    prices: PriceBook

    @property
    def currency(self) -> str:
        """What the account is billed in."""
        return self.prices.currency(self.client.base_url)

    def now(self) -> float:
        """Return unix seconds of the server's clock, once it has answered something."""
        return time.time() + (self.client.server_time_offset or 0.0)


@contextmanager
def open_account(
    *,
    base_url: str | None,
    key_file: Path | None,
    registry: str | None,
    prices: Path | None = None,
) -> Iterator[Account]:
    """Open what the options name, and close it in the end.

    Args:
        base_url: Root of the API; None for the environment's, else Moonshot's.
        key_file: File with the key; None for the environment's key.
        registry: URL of a registry; None for the environment's, else the default.
        prices: File with prices; None for those that come with the package.

    Raises:
        ConfigurationError: There is no key, or an option cannot be right.
    """
    key = None if key_file is None else read_key(key_file)
    book = read_prices(prices)
    with (
        closing(open_registry(registry)) as known,
        MoonshotCachingClient(api_key=key, base_url=base_url) as client,
    ):
        yield Account(client, known, book)


def read_prices(path: Path | None) -> PriceBook:
    """Read prices from a file; without one, take those that come with the package.

    Raises:
        ConfigurationError: The file cannot be read, or holds no prices.
    """
    return PriceBook.builtin() if path is None else PriceBook.from_file(path)


def read_key(path: Path) -> SecretStr:
    """Read a key from a file.

    Raises:
        ConfigurationError: The file cannot be read. Nothing of it is repeated.
    """
    try:
        return SecretStr(path.read_text("utf-8"))
    except UnicodeDecodeError:
        trouble = "it is no text"
    except OSError as error:
        trouble = error.strerror or type(error).__name__
    raise ConfigurationError(
        f"the key cannot be read from {path}: {trouble}. Name a file that holds the "
        "key and nothing else, or set MOONSHOT_API_KEY."
    )
