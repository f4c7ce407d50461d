"""Errors in the API's own form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ExceptionHandler

__all__ = [
    "RefusedError",
    "bad_request",
    "not_found",
    "refuse",
    "unknown_route",
    "usual_refusals",
]


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


def usual_refusals(server: str) -> dict[Any, ExceptionHandler]:
    """Return what a server answers where none of its routes decides.

    Args:
        server: What it calls itself.
    """

    async def failed(_: Request, error: Exception) -> JSONResponse:
        # The cause is logged; its text may hold what is nobody's business.
        kind = type(error).__name__
        return refuse(RefusedError(500, "server_error", f"{server} failed: {kind}."))

    return {RecursionError: _too_deep, 405: _wrong_method, Exception: failed}


async def _too_deep(_: Request, __: Exception) -> JSONResponse:
    return refuse(bad_request("The body is nested too deeply."))


async def _wrong_method(request: Request, error: Exception) -> JSONResponse:
    allowed = getattr(error, "headers", None) or {}
    message = f"{request.method} is not allowed here."
    kind = "invalid_request_error"
    return refuse(RefusedError(405, kind, message, headers=dict(allowed)))
