"""The OpenAI SDK's clients, made to see which 429 no retry helps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
from typing_extensions import override

if TYPE_CHECKING:
    from langchain_openai.chat_models.base import BaseChatOpenAI

__all__ = ["made_here", "use_quota_aware_clients"]

_TOO_MANY = 429
_QUOTA = b"exceeded_current_quota_error"
_NO_RETRY = "x-should-retry"
"""Header by which a server may tell the SDK not to retry; set here on its behalf."""


class _Client(openai.OpenAI):
    @override
    def _send_request(self, request: Any, *, stream: bool, **kwargs: Any) -> Any:
        response = super()._send_request(request, stream=stream, **kwargs)
        if response.status_code == _TOO_MANY and _QUOTA in response.read():
            response.headers[_NO_RETRY] = "false"
        return response


class _AsyncClient(openai.AsyncOpenAI):
    @override
    async def _send_request(self, request: Any, *, stream: bool, **kwargs: Any) -> Any:
        response = await super()._send_request(request, stream=stream, **kwargs)
        if response.status_code == _TOO_MANY and _QUOTA in await response.aread():
            response.headers[_NO_RETRY] = "false"
        return response


def use_quota_aware_clients(model: BaseChatOpenAI) -> None:
    """Exchange a model's SDK clients for ones that do not retry without quota.

    They keep everything else: connections, timeouts, retries, headers. Clients that the
    user handed in are left alone, and so are those of a class of their own.
    """
    if type(model.root_client) is openai.OpenAI:
        model.root_client = _like(model.root_client, _Client)
        model.client = model.root_client.chat.completions
    if type(model.root_async_client) is openai.AsyncOpenAI:
        model.root_async_client = _like(model.root_async_client, _AsyncClient)
        model.async_client = model.root_async_client.chat.completions


def made_here(client: Any) -> bool:
    """Tell whether a client is one that a model exchanged for its own."""
    return isinstance(client, _Client | _AsyncClient)


def _like(client: Any, kind: type[Any]) -> Any:
    """Make a twin of a client, over the same connections, that is of another class."""
    twin = client.copy()
    twin.__class__ = kind
    return twin
