"""What a cache of a prefix is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Prefix", "PrefixContent"]


@dataclass(frozen=True, slots=True)
class PrefixContent:
    """The messages and tools of a prefix in wire form; never shown in a ``repr``.

    Attributes:
        messages: The messages.
        tools: The tools.
        name: What the cache is called. It says nothing about the content, so prefixes
            that differ in nothing else share a cache.
    """

    messages: Sequence[Mapping[str, Any]] = field(repr=False)
    tools: Sequence[Mapping[str, Any]] = field(repr=False, default=())
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Prefix:
    """A prefix by name, with the means to get at its content.

    Attributes:
        key: The fingerprint, see :func:`~langchain_moonshot_cache.prefix.fingerprint`.
        model: The model family that the cache is made for.
        tokens: Estimated tokens of the content.
        content: Gives the content. It is called when a cache has to be created and
            not on a hit, so a caller may convert messages in it.
    """

    key: str
    model: str
    tokens: int
    content: Callable[[], PrefixContent] = field(repr=False)
