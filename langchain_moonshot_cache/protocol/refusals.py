"""From an error body to the right error of the tree, with advice."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from langchain_moonshot_cache.errors import (
    APIStatusError,
    AuthenticationError,
    EndpointRetiredError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
)
from langchain_moonshot_cache.protocol.encode import CACHES
from langchain_moonshot_cache.protocol.endpoint import Endpoint, other_region
from langchain_moonshot_cache.protocol.headers import request_id, retry_after
from langchain_moonshot_cache.protocol.redaction import withhold

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_moonshot_cache.protocol.exchange import Reply, Request

__all__ = ["refusal"]

_BY_STATUS: Mapping[int, type[APIStatusError]] = {
    401: AuthenticationError,
    402: QuotaExceededError,
    403: PermissionDeniedError,
    404: NotFoundError,
    429: RateLimitError,
}
_QUOTA = "exceeded_current_quota_error"
# For an error object under a status of success: there only the type can tell.
_BY_TYPE: Mapping[str, type[APIStatusError]] = {
    _QUOTA: QuotaExceededError,
    "content_filter": InvalidRequestError,
    "engine_overloaded_error": RateLimitError,
    "incorrect_api_key_error": AuthenticationError,
    "invalid_authentication_error": AuthenticationError,
    "invalid_request_error": InvalidRequestError,
    "permission_denied_error": PermissionDeniedError,
    "rate_limit_reached_error": RateLimitError,
    "resource_not_found_error": NotFoundError,
    "server_error": ServerError,
}
_GATEWAY_ROUTE_UNKNOWN = "url.not_found"
# Statuses that mean the same whoever answers, so that a proxy's HTML page under one
# of them is still that error, and is retried (or not) as that error.
_PLAIN_STATUSES = frozenset({401, 402, 403, 408, 429})
_NAME = re.compile(r"[\w.-]{1,80}", re.ASCII)
_FIRST_ERROR, _NOT_FOUND, _FIRST_SERVER_ERROR = 400, 404, 500


@dataclass(frozen=True, slots=True)
class _Complaint:
    """An error body, in either form."""

    kind: str | None
    message: str


def refusal(
    endpoint: Endpoint, request: Request, reply: Reply, body: Any
) -> APIStatusError | None:
    """Make the error that a reply stands for.

    Args:
        endpoint: Where it came from.
        request: What was refused.
        reply: Status and headers.
        body: The parsed body, or ``None`` when it is no JSON.

    Returns:
        The error, or ``None`` if the reply is no refusal in the API's terms.
    """
    complaint = _complaint(body)
    error_class = _error_class(reply.status, complaint, body)
    if error_class is None:
        return None
    said = ""
    if complaint is not None and complaint.message:
        key = endpoint.key.get_secret_value()
        private = request.body or request.private
        said = withhold(complaint.message, key=key, body=private)
    kind = None if complaint is None else complaint.kind
    named = ", ".join(filter(None, [f"status {reply.status}", kind]))
    text = f"{request.method} {request.path} was refused ({named})"
    advice = _advice(endpoint, error_class, path=request.path)
    return error_class(
        " ".join(filter(None, [f"{text}: {said}" if said else f"{text}.", advice])),
        status_code=reply.status,
        request_id=request_id(reply.headers),
        cache_id=request.cache_id,
        retry_after=retry_after(reply.headers, received_at=reply.received_at),
        error_type=kind,
    )


def _complaint(body: Any) -> _Complaint | None:
    """Recognise both forms of an error body; a cache's own error is neither."""
    if not isinstance(body, dict) or isinstance(body.get("id"), str):
        return None
    error = body.get("error")
    if isinstance(error, str):
        message = body.get("message")
        words = message if isinstance(message, str) else ""
        return _Complaint(_name(error), words)
    if not isinstance(error, dict):
        return None
    kind, code, message = error.get("type"), error.get("code"), error.get("message")
    # Gateways put the type into code; for quota it matters wherever it stands.
    named = code if code == _QUOTA else kind or code
    return _Complaint(_name(named), message if isinstance(message, str) else "")


def _name(value: Any) -> str | None:
    """An error's type, unless it is prose or worse."""
    return value if isinstance(value, str) and _NAME.fullmatch(value) else None


def _error_class(
    status: int, complaint: _Complaint | None, body: Any
) -> type[APIStatusError] | None:
    kind = "" if complaint is None else complaint.kind or ""
    if kind == _GATEWAY_ROUTE_UNKNOWN:
        return EndpointRetiredError
    # Quota comes as 429 and looks like a rate limit but for its type. A status of
    # success tells nothing, so there the type has to.
    if kind == _QUOTA or status < _FIRST_ERROR:
        return _BY_TYPE.get(kind)
    if status >= _FIRST_SERVER_ERROR:
        return ServerError
    # Frameworks answer an unknown route with a JSON form of their own.
    if complaint is None and status == _NOT_FOUND and isinstance(body, dict):
        return EndpointRetiredError
    if complaint is None and status not in _PLAIN_STATUSES:
        return None
    return _BY_STATUS.get(status, InvalidRequestError)


def _advice(endpoint: Endpoint, error_class: type[APIStatusError], *, path: str) -> str:
    """The next step."""
    if issubclass(error_class, AuthenticationError):
        return _advice_on_key(endpoint)
    if issubclass(error_class, EndpointRetiredError) and not path.startswith(CACHES):
        return f"{endpoint.base_url} does not offer this route."
    if issubclass(error_class, EndpointRetiredError):
        return (
            f"{endpoint.base_url} does not offer this route. Moonshot retired "
            "/v1/caching with its moonshot-v1 models: use caching='prefix' there, or "
            "a base_url that speaks it (it usually ends in /v1)."
        )
    if issubclass(error_class, QuotaExceededError):
        return "No retry helps: recharge the account or raise its quota."
    return ""


def _advice_on_key(endpoint: Endpoint) -> str:
    twin = other_region(endpoint.base_url)
    if twin is None:
        host = urlsplit(endpoint.base_url).netloc
        return f"Check that api_key (or MOONSHOT_API_KEY) is a key of {host}."
    return (
        f"Keys are bound to one region, and this one was tried at {endpoint.base_url}: "
        f"if it was made for the other, set base_url (or MOONSHOT_API_BASE) to {twin}."
    )
