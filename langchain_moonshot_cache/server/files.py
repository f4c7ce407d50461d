"""Files that were uploaded, and the text that was extracted from them."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass
from mimetypes import MimeTypes
from typing import TYPE_CHECKING, Any

from .extraction import text_of
from .marks import implements
from .refusals import bad_request, not_found
from .rules import ACCOUNTS, FILE_FAILURE, FILE_ID, FILE_MEMORY, FILE_TEXT

if TYPE_CHECKING:
    from .clock import Clock

__all__ = ["Files"]

Json = dict[str, Any]

# Python's own table: that of the system would make another answer of every computer.
_TYPES = MimeTypes()
_ID_LETTERS = string.ascii_lowercase + string.digits
_ID_LENGTH = 20


@dataclass(frozen=True, slots=True)
class _File:
    account: str
    id: str
    name: str
    size: int
    created_at: int
    text: str | None

    def wire(self) -> Json:
        failed = self.text is None
        return {
            "id": self.id,
            "object": "file",
            "bytes": self.size,
            "created_at": self.created_at,
            "filename": self.name,
            "purpose": "file-extract",
            "status": "error" if failed else "ok",
            "status_details": "No text was found." if failed else "",
        }


@implements(FILE_MEMORY)
class Files:
    """The files of all accounts; of each, only the text is kept."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._files: dict[str, _File] = {}

    @implements(FILE_ID)
    def add(self, data: bytes, *, name: str, account: str) -> Json:
        """Take a file in."""
        file = _File(
            account=account,
            id="".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH)),
            name=name,
            size=len(data),
            created_at=self._clock.seconds(),
            text=text_of(data),
        )
        self._files[file.id] = file
        return file.wire()

    def all(self, *, account: str) -> list[Json]:
        """Return an account's files, oldest first."""
        return [file.wire() for file in self._files.values() if file.account == account]

    def get(self, file_id: str, *, account: str) -> Json:
        """Return a file.

        Raises:
            RefusedError: 404, when this account has no such file.
        """
        return self._file(file_id, account=account).wire()

    @implements(FILE_TEXT, FILE_FAILURE)
    def content(self, file_id: str, *, account: str) -> Json:
        """Return what was extracted from a file.

        Raises:
            RefusedError: 404 for an unknown file, 400 for one without text.
        """
        file = self._file(file_id, account=account)
        if file.text is None:
            raise bad_request("No text could be extracted from this file.")
        kind, _ = _TYPES.guess_type(file.name)
        return {
            "content": file.text,
            "file_type": kind or "text/plain",
            "filename": file.name,
            "title": "",
            "type": "file",
        }

    def delete(self, file_id: str, *, account: str) -> Json:
        """Forget a file.

        Raises:
            RefusedError: 404, when this account has no such file.
        """
        del self._files[self._file(file_id, account=account).id]
        return {"deleted": True, "id": file_id, "object": "file"}

    @implements(ACCOUNTS)
    def _file(self, file_id: str, *, account: str) -> _File:
        file = self._files.get(file_id)
        if file is None or file.account != account:
            raise not_found("There is no such file.")
        return file
