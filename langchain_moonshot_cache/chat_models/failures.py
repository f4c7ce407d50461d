"""Errors of a chat call, with the next step in their message."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import openai
from langchain_core.exceptions import ModelError

from langchain_moonshot_cache.chat_models.capabilities import retirement
from langchain_moonshot_cache.chat_models.secrecy import causes, withhold_key
from langchain_moonshot_cache.chat_models.stream_errors import of_its_kind
from langchain_moonshot_cache.errors import InvalidPromptError, ResponseFormatError
from langchain_moonshot_cache.manager import check_conversation, check_tools
from langchain_moonshot_cache.protocol import other_region

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "explain",
    "fault_of",
    "may_be_bad_reference",
    "may_have_been_charged",
    "unreadable",
]

_NOT_ABOUT_THE_REFERENCE = {401, 402, 403, 429}
"""Statuses that say something about the account and nothing about the cache."""

_QUOTA = "exceeded_current_quota_error"
"""The one refusal for too many requests that waiting does not help."""

_INTERRUPTIONS = (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt)
"""What ends a call from outside, perhaps after it was sent."""

_NEVER_CONNECTED = {"ConnectError", "ConnectTimeout", "UnsupportedProtocol"}
"""Names of the errors of httpx, and of the SDK's successor to it, for "not reached"."""


def may_be_bad_reference(error: openai.APIStatusError) -> bool:
    """Tell whether a request may have failed because of the cache it named.

    How a server words that was never recorded, so any other 4xx counts.
    """
    status = error.status_code
    return 400 <= status < 500 and status not in _NOT_ABOUT_THE_REFERENCE  # noqa: PLR2004 - 4xx


def may_have_been_charged(error: BaseException, *, begun: bool) -> bool:
    """Tell whether a call that failed may have been answered, and so charged.

    Args:
        error: How it ended; also a cancellation, or a stream that was closed early.
        begun: Whether a part of the answer had arrived.
    """
    if begun:
        return True
    if isinstance(error, openai.APIStatusError):
        return False
    if isinstance(error, openai.APIConnectionError):
        names = {type(cause).__name__ for cause in causes(error)}
        return not names & _NEVER_CONNECTED
    kinds = (openai.APIError, ResponseFormatError, *_INTERRUPTIONS)
    # The SDK lets errors through that come while it reads the body of a stream.
    of_transport = type(error).__module__.partition(".")[0] in {"httpx", "httpx2"}
    return of_transport or isinstance(error, kinds)


def fault_of(
    messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]
) -> str:
    """Say what is wrong with a prompt that a server refused, if we can tell."""
    try:
        check_conversation(messages)
        check_tools(tools)
    except InvalidPromptError as error:
        return str(error)
    return ""


def unreadable(base_url: str) -> ResponseFormatError:
    """Make the error for an answer that is none of a chat API's."""
    return ResponseFormatError(
        f"{base_url} answered something that is no chat completion: check base_url (or "
        "MOONSHOT_API_BASE), and whether a proxy stands in between."
    )


def explain(
    error: openai.APIError, *, base_url: str, key: Any, model: str, hint: str = ""
) -> openai.APIError:
    """Add the next step to an error's message, where there is one to name.

    Args:
        error: What the call raised.
        base_url: The endpoint.
        key: The account's key, which some servers quote.
        model: The model that was asked.
        hint: The next step, if it is known already.

    Returns:
        The same error, or, if it came inside a stream, one of its kind.
    """
    error = of_its_kind(error)
    withhold_key(error, key)
    message = error.message
    if error.type == _QUOTA and isinstance(error, ModelError):
        # Of its kind, the error says that another try may help.
        error.is_retryable = False
    if isinstance(error, openai.NotFoundError) and isinstance(error.body, dict):
        hint = hint or retirement(model) or ""
    hint = hint or _hint(error, base_url)
    if hint and hint not in message:
        message = f"{message} {hint}"
    if message != error.message:
        error.message = message
        error.args = (message,)
    return error


def _hint(error: openai.APIError, base_url: str) -> str:
    if isinstance(error, openai.AuthenticationError):
        return _hint_of_key(base_url)
    if error.type == _QUOTA:
        return (
            "The account has no money or quota left, so it was not tried again: top "
            "it up, or use another key."
        )
    if isinstance(error, openai.APITimeoutError):
        return f"{base_url} did not answer in time: raise timeout=..., or try later."
    if isinstance(error, openai.APIConnectionError):
        return _hint_of_connection(error, base_url)
    if isinstance(error, openai.APIStatusError) and not isinstance(error.body, dict):
        return str(unreadable(base_url))
    return ""


def _hint_of_key(base_url: str) -> str:
    other = other_region(base_url)
    if other:
        return (
            f"Keys are bound to one region: if this one belongs to the other, set "
            f"base_url={other!r} (or MOONSHOT_API_BASE)."
        )
    return f"Check api_key (or MOONSHOT_API_KEY) for {base_url}."


def _hint_of_connection(error: openai.APIError, base_url: str) -> str:
    if _NEVER_CONNECTED.isdisjoint(type(cause).__name__ for cause in causes(error)):
        return (
            f"The connection to {base_url} broke before the answer was complete: try "
            "again."
        )
    return (
        f"Cannot reach {base_url}: check base_url (or MOONSHOT_API_BASE), the network "
        "and the proxy."
    )
