"""A token estimate that needs no tokenizer and no network."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.prefix.canonical import canonical_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["estimate_tokens"]

_CHARACTERS_PER_TOKEN = 4.0
"""English, by Moonshot's own rule of thumb."""

_HAN_PER_TOKEN = 2.0
"""Chinese: Moonshot says 1.5 to 2 characters a token; the one recorded cache (72
tokens) lies at the upper end."""

_SCAFFOLD = re.compile(
    r'"(?:type|function|name|description|parameters|properties|required|enum|items)":'
    r'|"(?:function|object|string|number|integer|boolean|array|null)"'
    r"|[{}\[\]:\",]"
)
"""JSON-schema keywords and punctuation, which a rendered signature does not repeat."""

_HAN_UTF8_EXTRA = 2
"""A Chinese character takes three bytes of UTF-8, two more than an ASCII one."""


def estimate_tokens(
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]] = (),
) -> int:
    """Estimate the tokens of a prefix from the length of its canonical form.

    Wide characters are told from narrow ones by their share of the UTF-8 bytes, so
    2 MB take a millisecond. The estimate decides only whether caching is worth
    trying; what is billed is what the server reports.

    Args:
        messages: Messages in wire form.
        tools: Tools in wire form.

    Returns:
        Tokens, rounded down. The recorded example (72 tokens) comes out within 15 %.
    """
    texts = [
        str(message.get(field) or "")
        for message in messages
        for field in ("reasoning_content", "content")
    ]
    texts.extend(
        canonical_bytes(message["tool_calls"]).decode("utf-8", "surrogatepass")
        for message in messages
        if message.get("tool_calls")
    )
    if tools:
        texts.append(_words_of(tools))
    return int(sum(map(_tokens, texts)))


def _words_of(tools: Sequence[Mapping[str, Any]]) -> str:
    """Reduce tools to the words in them: models are shown a signature, not JSON."""
    text = canonical_bytes(list(tools)).decode("utf-8", "surrogatepass")
    return _SCAFFOLD.sub("", text)


def _tokens(text: str) -> float:
    wide = (len(text.encode("utf-8", "surrogatepass")) - len(text)) / _HAN_UTF8_EXTRA
    return wide / _HAN_PER_TOKEN + (len(text) - wide) / _CHARACTERS_PER_TOKEN
