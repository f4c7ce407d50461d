"""From a chat model's options to the managers behind it."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.chat_models.caching import Caching
from langchain_moonshot_cache.chat_models.recall import Recall
from langchain_moonshot_cache.errors import ConfigurationError
from langchain_moonshot_cache.manager import (
    AsyncContextCacheManager,
    ContextCacheManager,
    Shared,
)
from langchain_moonshot_cache.protocol import (
    AsyncMoonshotCachingClient,
    MoonshotCachingClient,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from langchain_core.messages import BaseMessage

    from langchain_moonshot_cache.chat_models.call import Reference
    from langchain_moonshot_cache.economics import CachePolicy, PriceBook
    from langchain_moonshot_cache.ledger import Ledger
    from langchain_moonshot_cache.registry import Registry

__all__ = ["open_caching", "secret_of"]

_NEVER_SENT = "-"
"""In place of a key that only the OpenAI client can get at: a model that makes no named
caches sends nothing that would need it."""

_ONE_REQUEST = {"Connection": "close"}
"""For event loops. Caches are made rarely, and a connection kept for the next one would
outlive its loop, where nobody could close it any more."""


def secret_of(key: Any) -> str:
    """Get at a key that is a secret, a string, or a function that gives one.

    Raises:
        ConfigurationError: It is an asynchronous function, which only the OpenAI
            client can await.
    """
    value = key() if callable(key) else key
    value = getattr(value, "get_secret_value", lambda: value)()
    if not isinstance(value, str):
        close = getattr(value, "close", None)
        if close is not None:
            close()
        raise ConfigurationError(
            "named caching needs a key at hand: give api_key as a string or as a "
            "synchronous function, or set caching='prefix' or 'off'."
        )
    return value


def open_caching(
    *,
    api_key: Any,
    base_url: str,
    headers: Mapping[str, str] | None,
    http_clients: tuple[Any, Any],
    setting: str,
    reference: Reference,
    registry: str | Registry | None,
    policy: str | CachePolicy,
    ttl: int | None,
    wait: float,
    ledger: Ledger | None = None,
    prices: PriceBook | None = None,
    convert: Callable[[Sequence[BaseMessage]], list[dict[str, Any]]],
    origin: Caching | None = None,
) -> Caching:
    """Put together what stands behind one chat model; nothing is connected yet.

    With an origin, from which the model was made, both know and own the same caches and
    remember the same calls, as far as account and registry are the same.

    Raises:
        ConfigurationError: An option is out of range or unknown.
    """
    key = _key(api_key, setting=setting)
    sync, aio = (_if_httpx(client) for client in http_clients)
    client = MoonshotCachingClient(
        api_key=key, base_url=base_url, default_headers=headers, http_client=sync
    )
    shared = Shared.of(
        account=client.account(),
        registry=registry,
        policy=policy,
        ttl=ttl,
        wait=wait,
        ledger=ledger,
        prices=prices,
        base_url=base_url,
        like=origin.shared if origin else None,
    )
    same = origin if origin and shared.knows_as(origin.shared) else None
    if same is not None:
        client.server_time_offset = same.offset()
    aclient = AsyncMoonshotCachingClient(
        api_key=key,
        base_url=base_url,
        default_headers={**(headers or {}), **_ONE_REQUEST},
        http_client=aio,
    )
    caching = Caching(
        setting=setting,
        reference=reference,
        ttl=ttl,
        shared=shared,
        sync=ContextCacheManager(client, shared=shared),
        aio=AsyncContextCacheManager(aclient, shared=shared),
        convert=convert,
        recall=same.recall if same else Recall(),
    )
    # A chat model is dropped, not closed; its connections go with it.
    weakref.finalize(caching, client.close)
    return caching


def _key(api_key: Any, *, setting: str) -> str:
    try:
        return secret_of(api_key)
    except ConfigurationError:
        if setting in {"off", "prefix"}:
            return _NEVER_SENT
        raise


def _if_httpx(client: Any) -> Any:
    """Use the application's own connections where they are httpx's.

    The OpenAI SDK also takes clients of httpx2, which this package does not speak.
    """
    return client if type(client).__module__.partition(".")[0] == "httpx" else None
