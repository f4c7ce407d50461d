"""Keep a key that a server quotes out of errors and of what tracers make of them.

LangChain's tracers are given the whole reply that an error came with, and 400s carry
the SDK's own error as their cause.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["causes", "withhold_key"]

_PLACEHOLDER = "[key]"

_ABOUT_THE_BYTES = {"content-encoding", "content-length", "transfer-encoding"}
"""Headers that would be wrong about a body that was unpacked and changed."""


def withhold_key(error: openai.APIError, key: Any) -> None:
    """Replace a key in an error, its causes and their replies, in place.

    Args:
        error: What a call raised.
        key: The account's key: a secret, a string or a function, of which nothing is
            known here.
    """
    secret = getattr(key, "get_secret_value", str)()
    if not secret:
        return
    for cause in causes(error):
        if not isinstance(cause, openai.APIError):
            continue
        cause.message = cause.message.replace(secret, _PLACEHOLDER)
        cause.args = tuple(_without(secret, arg) for arg in cause.args)
        cause.body = _without(secret, cause.body)
        if isinstance(cause, openai.APIStatusError):
            cause.response = _reply_without(secret, cause.response)


def causes(error: BaseException) -> Iterator[BaseException]:
    """Go from an error to what caused it, and on."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _without(secret: str, value: Any) -> Any:
    if isinstance(value, str):
        return value.replace(secret, _PLACEHOLDER)
    if isinstance(value, dict):
        return {name: _without(secret, part) for name, part in value.items()}
    if isinstance(value, list):
        return [_without(secret, part) for part in value]
    return value


def _reply_without(secret: str, reply: Any) -> Any:
    """Return a reply that does not quote the key; the same one if it never did."""
    if secret.encode() not in reply.content:
        return reply
    kept = [
        (name, value)
        for name, value in reply.headers.multi_items()
        if name.lower() not in _ABOUT_THE_BYTES
    ]
    # Of the same library: the SDK has one, and applications may hand in another.
    return type(reply)(
        status_code=reply.status_code,
        headers=kept,
        content=reply.content.replace(secret.encode(), _PLACEHOLDER.encode()),
        request=reply.request,
    )
