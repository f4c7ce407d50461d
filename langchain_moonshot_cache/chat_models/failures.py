"""Errors of a chat call, with the next step in their message."""

from __future__ import annotations

import openai

from langchain_moonshot_cache.protocol import other_region

__all__ = ["explain", "may_be_bad_reference"]

_NOT_ABOUT_THE_REFERENCE = {401, 402, 403, 429}
"""Statuses that say something about the account and nothing about the cache."""


def may_be_bad_reference(error: openai.APIStatusError) -> bool:
    """Tell whether a request may have failed because of the cache it named.

    How a server words that was never recorded, so any other 4xx counts.
    """
    status = error.status_code
    return 400 <= status < 500 and status not in _NOT_ABOUT_THE_REFERENCE  # noqa: PLR2004 - 4xx


def explain(error: openai.APIError, *, base_url: str) -> openai.APIError:
    """Add the next step to an error's message, where there is one to name."""
    hint = _hint(error, base_url)
    if hint and hint not in error.message:
        error.message = f"{error.message} {hint}"
        error.args = (error.message,)
    return error


def _hint(error: openai.APIError, base_url: str) -> str:
    if isinstance(error, openai.AuthenticationError):
        other = other_region(base_url)
        if other:
            return (
                f"Keys are bound to one region: if this one belongs to the other, set "
                f"base_url={other!r} (or MOONSHOT_API_BASE)."
            )
        return f"Check api_key (or MOONSHOT_API_KEY) for {base_url}."
    if isinstance(error, openai.APITimeoutError):
        return f"{base_url} did not answer in time: raise timeout=..., or try later."
    if isinstance(error, openai.APIConnectionError):
        return (
            f"Cannot reach {base_url}: check base_url (or MOONSHOT_API_BASE), the "
            "network and the proxy."
        )
    return ""
