"""The text in a file: plain text, or the Office formats that are zipped XML."""

from __future__ import annotations

import re
import zlib
from html import unescape
from io import BytesIO
from typing import TYPE_CHECKING, Final
from zipfile import BadZipFile, ZipFile

from .marks import implements
from .rules import FILE_FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["text_of"]

_ZIPPED: Final = b"PK\x03\x04"
_PARTS: Final = re.compile(
    r"word/document\.xml|ppt/slides/slide\d+\.xml|xl/sharedStrings\.xml"
)
_PARAGRAPH_ENDS: Final = re.compile(r"</(?:w:p|a:p|si)>")
_TAG: Final = re.compile(r"<[^>]*>")
MOST_TEXT: Final = 32 * 1024 * 1024
"""Characters of a part that are unpacked; a few bytes may be packed from any number."""


@implements(FILE_FORMATS)
def text_of(data: bytes) -> str | None:
    """Extract the text of a file.

    Args:
        data: The file.

    Returns:
        The text, or None if there is none that this module knows how to find.
    """
    if data.startswith(_ZIPPED):
        try:
            return "\n".join(_office(data)) or None
        # What zipfile raises for damaged, encrypted and oddly packed files.
        except (BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError):
            return None
        except zlib.error:
            return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _office(data: bytes) -> Iterator[str]:
    with ZipFile(BytesIO(data)) as archive:
        parts = [name for name in archive.namelist() if _PARTS.fullmatch(name)]
        for name in sorted(parts, key=lambda part: (len(part), part)):
            with archive.open(name) as part:
                xml = part.read(MOST_TEXT).decode("utf-8", "replace")
            yield unescape(_TAG.sub("", _PARAGRAPH_ENDS.sub("\n", xml))).strip()
