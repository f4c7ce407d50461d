"""Files and LangChain documents as the beginning of a prompt, in Kimi's own form.

Kimi is given a file as a system message of its own, which holds what the vendor's file
extraction answers for it: a JSON object of ``content``, ``file_type``, ``filename``,
``title`` and ``type``. :func:`document_messages` writes these messages; texts it reads
here, without an upload::

    prompt = ChatPromptTemplate(
        [*document_messages(["guide.md", "prices.csv"]), ("human", "{question}")]
    )
    chain = CachedPromptRunnable(prompt, model=llm) | llm

The text of a PDF and the like comes from the endpoint, where a
:class:`MoonshotCachingClient` asks for it: ``extract=client.extract_file``.

What comes out depends on the texts and names of the documents alone. So everybody who
asks about the same set finds the same cache, in whatever order and from whatever folder
the set was put together.
"""

from __future__ import annotations

import json
import re
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from langchain_core.documents import Document
from langchain_core.messages import SystemMessage

from langchain_moonshot_cache.errors import ConfigurationError, InvalidPromptError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["Source", "document_messages", "file_name"]

Source: TypeAlias = str | PathLike[str] | Document
"""The path of a text file, or a document that was loaded already."""

_TEXT = "text/plain"
_OFFICE = "application/vnd.openxmlformats-officedocument"
_EXTRACTED = {
    ".doc": "application/msword",
    ".docx": f"{_OFFICE}.wordprocessingml.document",
    ".epub": "application/epub+zip",
    ".mobi": "application/x-mobipocket-ebook",
    ".pdf": "application/pdf",
    ".ppt": "application/vnd.ms-powerpoint",
    ".pptx": f"{_OFFICE}.presentationml.presentation",
    ".xls": "application/vnd.ms-excel",
    ".xlsx": f"{_OFFICE}.spreadsheetml.sheet",
}
"""Formats whose text has to be extracted. Their types stand here, since the table of
``mimetypes`` differs from one system to the next, and with it the bytes would."""

_HALF_PAIR = re.compile("[\ud800-\udfff]")
"""What UTF-8 has no form for. Python holds a whole pair as one character."""

_PLACES = ("page", "start_index")
"""Where LangChain's loaders and splitters note a part's place within its file."""


def file_name(document: Document) -> str:
    """Name a document by the last part of its ``source``, without folders.

    Args:
        document: A document; loaders note in its metadata where they found it.

    Returns:
        The name, or an empty string if nothing is known.
    """
    source = str(document.metadata.get("source") or "")
    return source.replace("\\", "/").rstrip("/").rpartition("/")[2]


def document_messages(
    sources: Source | Iterable[Source],
    *,
    name: Callable[[Document], str] = file_name,
    order: Literal["stable", "given"] = "stable",
    extract: Callable[[Path], str] | None = None,
) -> list[SystemMessage]:
    """Turn documents into messages that stand at the beginning of a prompt.

    The messages hold no template variables, whatever braces the text has. Of the
    metadata only the name is told. A document that occurs twice is told once.

    Args:
        sources: Paths of text files in UTF-8, with or without a byte order mark;
            documents from a loader; or both. One alone needs no list.
        name: Gives each document the file name that the model is told. The default
            leaves folders out, which differ from computer to computer. Say
            ``lambda document: document.metadata["source"]`` to keep them.
        order: ``"stable"`` sorts by name, then by the place within the file (``page``,
            ``start_index``), then by text, so that a set of documents has one prefix;
            let splitters note the place (``add_start_index=True``), or the parts of a
            file stand in the order of their texts. ``"given"`` keeps the order.
        extract: Finds the text of a file that is none in UTF-8, such as a PDF. The
            method ``extract_file`` of a :class:`MoonshotCachingClient` asks the
            endpoint for it.

    Returns:
        One system message for each document.

    Raises:
        InvalidPromptError: A file is no text in UTF-8, and nothing extracts it.
        ConfigurationError: There is no such order.
        OSError: A file cannot be read.
    """
    if order not in {"stable", "given"}:
        raise ConfigurationError(f"order is {order!r}: give 'stable' or 'given'.")
    documents = [_loaded(source, extract=extract) for source in _each(sources)]
    named = [(name(document), document) for document in documents]
    if order == "stable":
        named.sort(key=lambda pair: (pair[0], _place(pair[1]), pair[1].page_content))
    extractions = [_extraction(document, called) for called, document in named]
    return [SystemMessage(text) for text in dict.fromkeys(extractions)]


def _each(sources: Source | Iterable[Source]) -> Iterator[Source]:
    # A string is one path, not a sequence of characters.
    if isinstance(sources, str | PathLike | Document):
        yield sources
    else:
        yield from sources


def _loaded(source: Source, *, extract: Callable[[Path], str] | None) -> Document:
    if isinstance(source, Document):
        return source
    path = Path(source)
    data = path.read_bytes()
    fault = _fault_in(data, suffix=path.suffix.lower())
    if not fault:
        # Line ends become those of Unix, as in any checkout.
        text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    elif extract is not None:
        text = extract(path)
    else:
        raise InvalidPromptError(
            f"{path} {fault}: save it as text in UTF-8, or give the extract_file of a "
            "MoonshotCachingClient as extract, or load it with one of LangChain's "
            "document loaders and give what that returns."
        )
    return Document(text, metadata={"source": str(path)})


def _fault_in(data: bytes, *, suffix: str) -> str:
    """Say why a file is no text; the error is raised elsewhere, without the bytes."""
    if suffix in _EXTRACTED:
        return "is no text file"  # a PDF may well be readable as one, and say nothing
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"is not UTF-8 (byte {data[error.start]:#04x} at offset {error.start})"
    return "holds NUL, so it is no text" if b"\0" in data else ""


def _place(document: Document) -> list[int]:
    found = [document.metadata.get(key) for key in _PLACES]
    return [place if isinstance(place, int) else -1 for place in found]


def _extraction(document: Document, called: str) -> str:
    """Write what the file extraction would answer, byte by byte the same each time."""
    told = {
        "content": document.page_content,
        "file_type": _EXTRACTED.get(Path(called).suffix.lower(), _TEXT),
        "filename": called,
        "title": "",
        "type": "file",
    }
    if _HALF_PAIR.search(document.page_content + called):
        raise InvalidPromptError(
            f"the text of {called!r} holds half of a surrogate pair, which no request "
            "can carry; some PDF readers leave such: replace them in page_content."
        )
    # Neither sorted nor spaced: the order and the form that the endpoint's own have.
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))
