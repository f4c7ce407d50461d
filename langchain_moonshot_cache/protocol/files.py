"""Having the text of a file extracted: it goes up, its text comes down, it is deleted.

The routes are those of the chat API: ``POST /v1/files`` with the purpose
``file-extract``, ``GET /v1/files/{id}/content`` and ``DELETE /v1/files/{id}``.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING

from langchain_moonshot_cache.errors import MoonshotCacheError
from langchain_moonshot_cache.protocol import flows
from langchain_moonshot_cache.protocol.encode import FILES, file_path
from langchain_moonshot_cache.protocol.exchange import Request
from langchain_moonshot_cache.protocol.models import (
    FileDeleted,
    FileText,
    FileUploaded,
)
from langchain_moonshot_cache.protocol.retry import outcome_is_unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_moonshot_cache.protocol.exchange import Flow

__all__ = ["extract"]

PURPOSE = "file-extract"

logger = logging.getLogger("langchain_moonshot_cache")


def extract(
    attempts: Callable[[], flows.Attempts], *, name: str, data: bytes
) -> Flow[str]:
    """Have the text of a file extracted.

    Args:
        attempts: Gives each request its own count of attempts.
        name: Its name, from which the server tells its format.
        data: Its bytes.

    Returns:
        The text. The file is deleted by then, or the log says that it was not.

    Raises:
        MoonshotCacheError: The server refused the file, or could not be reached.
    """
    upload = _upload_of(name, data)
    file = yield from _uploaded(attempts(), upload)
    delete = Request(method="DELETE", path=file_path(file.id), private=upload.body)
    content = replace(delete, method="GET", path=f"{delete.path}/content")
    problem = None
    try:
        extraction = yield from flows.repeat(attempts(), content, FileText)
    except MoonshotCacheError as error:
        problem = error
    yield from _deleted(attempts(), delete)
    if problem is not None:
        raise problem
    return extraction.content


def _upload_of(name: str, data: bytes) -> Request:
    """Encode a file as ``multipart/form-data`` (RFC 7578)."""
    # No file holds its own digest, so the boundary occurs nowhere in it. A retry sends
    # the very same bytes.
    boundary = blake2b(data, digest_size=20).hexdigest()
    # What HTML's forms do with the characters that would end the name.
    quoted = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n'
        f"{PURPOSE}\r\n--{boundary}\r\n"
        f'Content-Disposition: form-data; name="file"; filename="{quoted}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    body = b"".join(
        [head.encode("utf-8", "replace"), data, f"\r\n--{boundary}--\r\n".encode()]
    )
    kind = f"multipart/form-data; boundary={boundary}"
    return Request(method="POST", path=FILES, body=body, content_type=kind)


def _uploaded(attempts: flows.Attempts, upload: Request) -> Flow[FileUploaded]:
    """Upload, and not again where the file may have arrived: it would stay for ever."""
    while True:
        try:
            return (yield from flows.once(attempts, upload, FileUploaded))
        except MoonshotCacheError as error:
            if outcome_is_unknown(error):
                raise
            pause = attempts.pause(error)
        yield pause


def _deleted(attempts: flows.Attempts, request: Request) -> Flow[None]:
    """Delete the file; its text is worth having even where that fails."""
    try:
        yield from flows.delete(attempts, request, FileDeleted)
    except MoonshotCacheError as error:
        logger.warning("An uploaded file was left behind. %s", error.message)
