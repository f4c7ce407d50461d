"""From files to the prefix that they are to be cached as."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.errors import InvalidPromptError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Prompt", "read_prompt"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a cache is to hold.

    Attributes:
        messages: In the wire's form.
        tools: In the wire's form.
        model: The model that the file names, if it names one.
    """

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    model: str | None = None

    def __repr__(self) -> str:
        return f"Prompt({len(self.messages)} messages, {len(self.tools)} tools)"


def read_prompt(paths: Sequence[Path]) -> Prompt:
    """Read one request, or any number of documents.

    Args:
        paths: A single JSON file with ``messages`` is a request, of which ``messages``,
            ``tools`` and ``model`` count. All other files are documents, as
            :func:`~langchain_moonshot_cache.documents.document_messages` takes them.

    Raises:
        InvalidPromptError: A file cannot be read as what it is; nothing of it is
            repeated.
        OSError: A file cannot be read.
    """
    from langchain_moonshot_cache.documents import document_messages

    if len(paths) == 1 and (request := _request(paths[0])) is not None:
        return request
    texts = [message.content for message in document_messages(paths)]
    messages = [{"role": "system", "content": text} for text in texts]
    return Prompt(messages=messages, tools=[])


def _request(path: Path) -> Prompt | None:
    """Return the request in a file; None if the file is a document."""
    if path.suffix != ".json":
        return None
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or "messages" not in content:
        return None
    messages, tools = content["messages"], content.get("tools") or []
    model = content.get("model")
    for name, value in (("messages", messages), ("tools", tools)):
        if not _objects(value):
            raise InvalidPromptError(f"{path}: {name} is no list of JSON objects.")
    if not messages:
        raise InvalidPromptError(f"{path}: messages is empty; a cache holds some.")
    named = model if isinstance(model, str) and model else None
    return Prompt(messages=messages, tools=tools, model=named)


def _objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)
