"""What an engine's failures become in the API's own form.

What the engine says of a request that it refuses is handed on, since it is about the
client's own request. What it says of the gateway's key or address is not: that is the
operator's business, and such texts have been seen to quote keys.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from langchain_moonshot_cache.server.backend import EngineError, loaded
from langchain_moonshot_cache.server.faults import STATUSES

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "broken_off",
    "failed_under_ok",
    "fell_silent",
    "no_answer",
    "no_connection",
    "no_room",
    "unreadable",
    "upstream_refusal",
]

LONGEST_REASON: Final = 500
"""Characters of the engine's own words that are handed on: some engines quote the whole
request in them."""

BUSY: Final = frozenset({429, 503, 529})
NOT_OURS: Final = frozenset({401, 402, 403, 407})
"""Statuses that are about the gateway's account at the engine, not about the client's
at the gateway."""
CLIENT_ERROR, SERVER_ERROR = 400, 500
NOT_FOUND, TOO_LARGE, RATE_LIMITED = 404, 413, 429
REDIRECTED: Final = range(300, 400)
UNKNOWN_PATH: Final = frozenset({404, 405})
NO_SUCH_ROUTE: Final = frozenset(
    {None, "Not Found", "File Not Found", "Method Not Allowed", "url.not_found"}
)
"""What servers say of a path that they do not know, and not of a model: nothing in
JSON (Ollama, proxies), FastAPI's words (vLLM, SGLang), llama.cpp's, Moonshot's."""


def fell_silent(message: str) -> EngineError:
    """Return what becomes of a question that took too long."""
    return EngineError("timeout", message, status=504)


def no_room() -> EngineError:
    """Return what becomes of a question that waited in vain for a connection."""
    message = "Too many calls are waiting for the engine."
    return EngineError("busy", message, status=503, kind="engine_overloaded_error")


def no_connection() -> EngineError:
    """Return what becomes of a question when the engine is not there."""
    return EngineError("unreachable", "The engine cannot be reached.", status=502)


def no_answer() -> EngineError:
    """Return what becomes of a question that the engine hung up on."""
    message = "The engine closed the connection without an answer."
    return EngineError("broken", message, status=502)


def broken_off() -> EngineError:
    """Return what becomes of an answer that did not end."""
    return EngineError("broken", "The engine's answer broke off.", status=502)


def unreadable(wanted: str) -> EngineError:
    """Return what becomes of an answer that is not what it should be."""
    message = f"The engine answered something else than {wanted}."
    return EngineError("malformed", message, status=502)


def failed_under_ok(answer: Mapping[str, Any]) -> EngineError:
    """Return what becomes of an error that calls itself a success."""
    message = _sentence("The engine failed under status 200", _told(answer)[1])
    return EngineError("malformed", message, status=502)


def upstream_refusal(
    status: int, headers: Mapping[str, str], body: bytes
) -> EngineError:
    """Return what becomes of an answer with an error status.

    Args:
        status: HTTP status of the engine.
        headers: Its headers by their names in lower case; ``Retry-After`` is handed
            on.
        body: Its body, or the beginning of it.
    """
    wait = headers.get("retry-after")
    passed = {} if wait is None else {"Retry-After": wait}
    kind, reason = _told(loaded(body))
    if status in BUSY:
        ours = RATE_LIMITED if status == RATE_LIMITED else 503
        default = "rate_limit_reached_error" if ours == RATE_LIMITED else "server_error"
        message = _sentence("The engine has no room at the moment", reason)
        return EngineError(
            "busy", message, status=ours, kind=kind or default, headers=passed
        )
    mistaken = _operators(status, reason)
    if mistaken is not None:
        return EngineError("refused", mistaken, status=502)
    if status == TOO_LARGE and reason is None:
        reason = "it, or a proxy before it, takes no request of this size"
    if not CLIENT_ERROR <= status < SERVER_ERROR or reason is None:
        message = _sentence(f"The engine failed with status {status}", reason)
        return EngineError("broken", message, status=502)
    message = _sentence("The engine refused the request", reason)
    if kind is None:
        missing = status == NOT_FOUND
        kind = "resource_not_found_error" if missing else "invalid_request_error"
    return EngineError("refused", message, status=status, kind=kind)


def _operators(status: int, reason: str | None) -> str | None:
    """Return what to tell of a status that only the gateway's operator can mend."""
    if status in NOT_OURS:
        return (
            f"The engine does not let the gateway in ({status}): "
            "--upstream-key-file should hold a key that it takes."
        )
    if status in REDIRECTED:
        return (
            f"The engine sends the gateway elsewhere ({status}): "
            "--upstream should name the address where that ends."
        )
    if status in UNKNOWN_PATH and reason in NO_SUCH_ROUTE:
        return (
            f"The engine does not know this address ({status}): --upstream should be "
            "all that stands before /chat/completions, and most often ends with /v1."
        )
    return None


def _sentence(beginning: str, reason: str | None) -> str:
    return f"{beginning}: {reason}" if reason else f"{beginning}."


def _told(value: Any) -> tuple[str | None, str | None]:
    """Read type and message of an error, in any of the forms that engines use.

    A type is handed on only if it is one of this API's.
    """
    if not isinstance(value, dict):
        return None, None
    error = value.get("error", value)
    if isinstance(error, str):
        return None, error[:LONGEST_REASON]
    if not isinstance(error, dict):
        return None, None
    reason = error.get("message") or error.get("detail") or error
    text = reason if isinstance(reason, str) else json.dumps(reason)
    kind = error.get("type")
    return kind if kind in STATUSES else None, text[:LONGEST_REASON]
