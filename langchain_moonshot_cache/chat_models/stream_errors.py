"""Errors that arrive inside a stream, as LangChain's kinds of errors.

A stream begins with status 200, so the SDK knows no kind for what comes later, and
LangChain has none either: whoever retries or falls back by the kind of an error would
miss these.
"""

from __future__ import annotations

import openai
from langchain_core.exceptions import (
    ModelAPIError,
    ModelInvalidRequestError,
    ModelRateLimitError,
)

__all__ = [
    "StreamAPIError",
    "StreamInvalidRequestError",
    "StreamRateLimitError",
    "of_its_kind",
]


class StreamAPIError(openai.APIError, ModelAPIError):
    """The server failed while it streamed."""


class StreamInvalidRequestError(openai.APIError, ModelInvalidRequestError):
    """The server refused to go on with an answer, such as by its content filter."""


class StreamRateLimitError(openai.APIError, ModelRateLimitError):
    """The engine was overloaded, or a limit reached, while it streamed."""


_KINDS: dict[str | None, type[openai.APIError]] = {
    "content_filter": StreamInvalidRequestError,
    "engine_overloaded_error": StreamRateLimitError,
    "exceeded_current_quota_error": StreamRateLimitError,
    "invalid_request_error": StreamInvalidRequestError,
    "rate_limit_reached_error": StreamRateLimitError,
}
"""The API's own names for errors; what it names otherwise is the server's fault."""


def of_its_kind(error: openai.APIError) -> openai.APIError:
    """Return an error that came inside a stream as one of its kind, others as they are.

    Args:
        error: What the SDK raised.
    """
    if type(error) is not openai.APIError:
        return error
    kind = _KINDS.get(error.type, StreamAPIError)
    told = kind(error.message, request=error.request, body=error.body)
    told.__cause__ = error
    return told
