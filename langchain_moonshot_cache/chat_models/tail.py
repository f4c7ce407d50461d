"""The end of a stream, where its usage and its caching are told, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

from langchain_moonshot_cache.chat_models.usage import usage_metadata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.messages.ai import UsageMetadata

    from langchain_moonshot_cache.economics import Usage

__all__ = ["Tail"]

WIRE_USAGE = "moonshot_wire_usage"
"""Where a chunk carries its usage as it came, between conversion and this class."""


class Tail:
    """Takes from the chunks what belongs to the last one.

    LangChain adds up the usage of chunks, and Moonshot may send it twice, so each is
    taken off its chunk and the last one counts.

    Args:
        keep_headers: Whether the user wants the response headers in the metadata.
    """

    def __init__(self, *, keep_headers: bool) -> None:
        self._keep_headers = keep_headers
        self._usage: UsageMetadata | None = None
        self._output_version: str | None = None
        self.begun = False
        self.headers: Mapping[str, str] = {}
        self.wire_usage: Mapping[str, Any] | None = None

    def take(self, chunk: ChatGenerationChunk) -> ChatGenerationChunk:
        """Relieve a chunk of its usage and headers; give it back."""
        self.begun = True
        info = chunk.generation_info or {}
        if "headers" in info:
            self.headers = info["headers"]
            if not self._keep_headers:
                info.pop("headers")
        self.wire_usage = info.pop(WIRE_USAGE, None) or self.wire_usage
        message = chunk.message
        if isinstance(message, AIMessageChunk):
            self._usage = message.usage_metadata or self._usage
            message.usage_metadata = None
            version = message.response_metadata.get("output_version")
            self._output_version = version or self._output_version
        return chunk

    def correct(self, usage: Usage) -> None:
        """Add to the usage what the headers told about it."""
        self._usage = usage_metadata(usage, self._usage)

    def last(self, metadata: Mapping[str, Any]) -> ChatGenerationChunk:
        """Make the last chunk: no text, all the figures."""
        told = dict(metadata)
        if self._output_version:
            told["output_version"] = self._output_version
        message = AIMessageChunk(
            content="",
            chunk_position="last",
            usage_metadata=self._usage,
            response_metadata=told,
        )
        return ChatGenerationChunk(message=message)
