"""``multipart/form-data`` (RFC 7578), as far as uploads of files need it."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message

from .refusals import RefusedError, bad_request

__all__ = ["Field", "fields_of"]

_DISPOSITION = "Content-Disposition"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a form.

    Attributes:
        data: Its bytes.
        filename: The file that they are; None if they are none.
    """

    data: bytes
    filename: str | None


def fields_of(raw: bytes, *, content_type: str) -> dict[str, Field]:
    """Parse a form; of fields with one name, the last one holds.

    Args:
        raw: The body.
        content_type: The header that declares it.

    Raises:
        RefusedError: 415 for another type, 400 for a malformed form.
    """
    declared = Message()
    declared["Content-Type"] = content_type
    boundary = declared.get_boundary()
    if declared.get_content_type() != "multipart/form-data" or not boundary:
        kind = "invalid_request_error"
        raise RefusedError(415, kind, "Send the body as multipart/form-data.")
    first, *parts = (b"\r\n" + raw).split(f"\r\n--{boundary}".encode())
    if first.strip() or not parts or not parts[-1].startswith(b"--"):
        raise bad_request("The form does not begin or end with its boundary.")
    return dict(_field(part) for part in parts[:-1])


def _field(part: bytes) -> tuple[str, Field]:
    head, blank, data = part.partition(b"\r\n\r\n")
    described = Message()
    for line in head.decode("utf-8", "replace").split("\r\n"):
        header, colon, value = line.partition(":")
        if colon:
            described[header.strip()] = value.strip()
    name = described.get_param("name", header=_DISPOSITION)
    if not blank or not isinstance(name, str):
        raise bad_request("A field of the form has no name.")
    filename = described.get_param("filename", header=_DISPOSITION)
    return name, Field(data, _plain(filename) if isinstance(filename, str) else None)


def _plain(filename: str) -> str:
    """Undo what HTML's forms do with the characters that would end a name."""
    for written, letter in (("%22", '"'), ("%0D", "\r"), ("%0A", "\n")):
        filename = filename.replace(written, letter)
    return filename
