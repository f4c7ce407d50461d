"""Every error of this package, in one tree with one root.

::

    MoonshotCacheError
    ├── ConfigurationError            a key, an option or a URL is missing or wrong
    ├── InvalidPromptError            messages or tools that no model can take
    ├── ConnectionFailedError         no reply: the outcome of the request is unknown
    ├── ResponseFormatError           a reply that is not what the protocol promises
    ├── APIStatusError                the server answered with an error
    │   ├── InvalidRequestError       400 and other 4xx
    │   ├── AuthenticationError       401
    │   ├── PermissionDeniedError     403
    │   ├── NotFoundError             404
    │   ├── EndpointRetiredError      the endpoint does not speak /v1/caching
    │   ├── RateLimitError            429, worth another try
    │   ├── QuotaExceededError        429 that no retry helps, or 402
    │   └── ServerError               5xx
    ├── CacheFailedError              the server gave up building a cache
    ├── CacheUnavailableError         there is no cache, and no way to do without it
    ├── MixedCurrenciesError          one sum was asked for over several currencies
    └── RegistryError                 the registry could not be read or written

A chat call never raises one of these because of caching: there they become the
``reason`` in the answer's metadata. They reach whoever speaks to the caching API
itself, through a client or a manager.
"""

from __future__ import annotations

__all__ = [
    "APIStatusError",
    "AuthenticationError",
    "CacheFailedError",
    "CacheUnavailableError",
    "ConfigurationError",
    "ConnectionFailedError",
    "EndpointRetiredError",
    "InvalidPromptError",
    "InvalidRequestError",
    "MixedCurrenciesError",
    "MoonshotCacheError",
    "NotFoundError",
    "PermissionDeniedError",
    "QuotaExceededError",
    "RateLimitError",
    "RegistryError",
    "ResponseFormatError",
    "ServerError",
]


class MoonshotCacheError(Exception):
    """The root of the tree.

    Attributes:
        status_code: HTTP status of the reply, if there was a reply.
        request_id: The server's id for the request, if it gave one.
        cache_id: The cache that the request was about, if any.
        retry_after: Seconds that the server asked to wait, if it did.
        error_type: The server's own name for the error, such as
            ``"rate_limit_reached_error"``.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int | None = None,
        request_id: str | None = None,
        cache_id: str | None = None,
        retry_after: float | None = None,
        error_type: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.request_id = request_id
        self.cache_id = cache_id
        self.retry_after = retry_after
        self.error_type = error_type

    @property
    def message(self) -> str:
        """The text of the error, without its type."""
        return str(self.args[0])


class ConfigurationError(MoonshotCacheError):
    """A key, an option or a URL is missing or wrong; nothing was sent.

    Deliberately no ``ValueError``: pydantic would swallow it into a
    ``ValidationError``, and the constructor of a chat model could not raise it.
    """


class InvalidPromptError(MoonshotCacheError, ValueError):
    """The messages or tools cannot be a prompt as they stand; nothing was sent."""


class ConnectionFailedError(MoonshotCacheError):
    """No complete reply arrived, so whether the request took effect is unknown."""


class ResponseFormatError(MoonshotCacheError):
    """The reply is not what the protocol promises: HTML, cut short, wrong fields."""


class APIStatusError(MoonshotCacheError):
    """The server answered with an error."""


class InvalidRequestError(APIStatusError):
    """The server refused the request as it stands (400 and other 4xx)."""


class AuthenticationError(APIStatusError):
    """The key is not valid here (401). Keys are bound to one region."""


class PermissionDeniedError(APIStatusError):
    """The key is valid but may not do this (403)."""


class NotFoundError(APIStatusError):
    """There is no such cache, tag or model for this account (404)."""


class EndpointRetiredError(APIStatusError):
    """The endpoint does not speak the named-caching API (any more)."""


class RateLimitError(APIStatusError):
    """Too many requests, or the engine is overloaded (429): worth another try."""


class QuotaExceededError(APIStatusError):
    """The account has no money or quota left (402, or 429 of that type)."""


class ServerError(APIStatusError):
    """The server failed (5xx)."""


class CacheFailedError(MoonshotCacheError):
    """The server accepted the cache and then gave up building it."""


class CacheUnavailableError(MoonshotCacheError):
    """There is no cache, and what it should hold cannot reach the model otherwise."""


class MixedCurrenciesError(MoonshotCacheError, ValueError):
    """One sum was asked for over amounts of several currencies, which are not added."""


class RegistryError(MoonshotCacheError):
    """The registry could not be read or written."""
