"""Errors in the API's own form."""

from __future__ import annotations

from starlette.responses import JSONResponse

__all__ = ["RefusedError", "bad_request", "not_found", "refuse", "unknown_route"]


class RefusedError(Exception):
    """A request that is answered with an error.

    Attributes:
        status: HTTP status.
        kind: The ``type`` of the error object.
        message: What was wrong, for a person.
        headers: Further answer headers.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        *,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message
        self.headers = headers or {}


def bad_request(message: str) -> RefusedError:
    """Return the refusal of a request that is wrong as it stands (400)."""
    return RefusedError(400, "invalid_request_error", message)


def not_found(message: str) -> RefusedError:
    """Return the refusal of a request for something that is not there (404)."""
    return RefusedError(404, "resource_not_found_error", message)


def refuse(refusal: RefusedError) -> JSONResponse:
    """Return the answer that carries a refusal."""
    return JSONResponse(
        {"error": {"type": refusal.kind, "message": refusal.message}},
        status_code=refusal.status,
        headers=refusal.headers,
    )


def unknown_route(*, method: str, path: str, agent: str, status: int) -> JSONResponse:
    """Return the answer of Moonshot's gateway to a route that it does not have.

    Its ``error`` is a string, not an object, and one host sends it under 200.
    """
    body = {
        "code": 5,
        "error": "url.not_found",
        "message": "the requested URL was not found on this server",
        "method": method,
        "scode": "0x5",
        "status": False,
        "ua": agent,
        "url": path,
    }
    return JSONResponse(body, status_code=status)
