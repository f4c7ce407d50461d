"""A prompt as a chain of blocks: each block's digest depends on all before it."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .tokens import EIGHTHS, weigh

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .rendering import Piece

__all__ = ["BLOCK", "Chain", "Chains"]

BLOCK: Final = 256
"""Tokens of one block: matches were seen to grow in steps of it."""

DIGEST_BYTES: Final = 16
HEAVIEST: Final = 5  # what one character weighs at most; at least it weighs two
REMEMBERED: Final = 250_000  # blocks, a link itself counting as some: tens of MB
LINK_WEIGHT: Final = 8  # what a link takes beside its blocks, in digests


def _hasher(data: bytes = b"") -> Any:
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES)


@dataclass(frozen=True, slots=True)
class Chain:
    """A beginning of a prompt.

    Attributes:
        tokens: Its tokens.
        blocks: The digests of its whole blocks.
        link: What the next part is appended to.
    """

    tokens: int
    blocks: tuple[bytes, ...]
    link: Link

    @property
    def digest(self) -> bytes:
        """The digest of all of it, the part of a block at its end included."""
        return self.link.name


@dataclass(frozen=True, slots=True)
class Link:
    """What one part adds to a chain.

    Attributes:
        name: Digest of everything up to here, part by part.
        tokens: Tokens up to here.
        blocks: The blocks that this part completed.
        open: The unfinished block, as a hash under way; never changed, only copied.
    """

    name: bytes
    tokens: int
    blocks: tuple[bytes, ...]
    open: Any


class Chains:
    """Makes chains, and works out a part only once for each beginning it follows.

    A long conversation that grows by one message is thus hashed for that message
    alone, apart from the one digest by which each earlier message is recognised.
    """

    def __init__(self) -> None:
        self._links: OrderedDict[bytes, Link] = OrderedDict()
        self._weight = 0

    def start(self, *key: str) -> Chain:
        """Return the empty chain of whatever must be equal for prefixes to match."""
        name = _hasher("\0".join(key).encode()).digest()
        return Chain(0, (), Link(name, 0, (), _hasher(name)))

    def extend(self, chain: Chain, parts: Iterable[Iterable[Piece]]) -> Chain:
        """Return a chain with further parts, each a tool or a message."""
        link = chain.link
        blocks = list(chain.blocks)
        for part in parts:
            link = self._next(link, tuple(part))
            blocks += link.blocks
        return Chain(link.tokens, tuple(blocks), link)

    def _next(self, link: Link, part: tuple[Piece, ...]) -> Link:
        digest = _hasher(link.name)
        for piece in part:
            text = piece.text.encode("utf-8", "surrogatepass")
            digest.update(f"{piece.kind} {len(text)} ".encode() + text)
        name = digest.digest()
        known = self._links.get(name)
        if known is not None:
            self._links.move_to_end(name)
            return known
        writer = _Writer(link)
        for piece in part:
            writer.write(piece)
        return self._remember(writer.link(name))

    def _remember(self, link: Link) -> Link:
        self._links[link.name] = link
        self._weight += LINK_WEIGHT + len(link.blocks)
        while self._weight > REMEMBERED:
            _, oldest = self._links.popitem(last=False)
            self._weight -= LINK_WEIGHT + len(oldest.blocks)
        return link


class _Writer:
    """Cuts pieces into blocks of tokens."""

    def __init__(self, link: Link) -> None:
        self._tokens = link.tokens
        self._open = link.open.copy()
        self._blocks: list[bytes] = []

    def link(self, name: bytes) -> Link:
        return Link(name, self._tokens, tuple(self._blocks), self._open)

    def write(self, piece: Piece) -> None:
        self._open.update(f"\0{piece.kind}\0".encode())
        if piece.tokens is None:
            self._write_text(piece.text)
        else:
            whole = _hasher(piece.text.encode("utf-8", "surrogatepass")).digest()
            self._write_whole(whole, piece.tokens)

    def _write_whole(self, digest: bytes, tokens: int) -> None:
        written = 0
        while written < tokens:
            step = min(self._room(), tokens - written)
            self._add(digest + written.to_bytes(8), step)
            written += step

    def _write_text(self, text: str) -> None:
        """Write a text; its cuts depend on what stands before them only."""
        at = weight = done = 0
        total = -(-weigh(text) // EIGHTHS)
        while done < total:
            step = min(self._room(), total - done)
            wanted = (done + step) * EIGHTHS - weight
            end = len(text) if done + step == total else _cut(text, at, wanted)
            piece = text[at:end]
            self._add(piece.encode("utf-8", "surrogatepass"), step)
            at, weight, done = end, weight + weigh(piece), done + step

    def _room(self) -> int:
        return BLOCK - self._tokens % BLOCK

    def _add(self, data: bytes, tokens: int) -> None:
        self._open.update(data)
        self._tokens += tokens
        if self._tokens % BLOCK == 0:
            self._blocks.append(self._open.digest())
            self._open = _hasher(self._blocks[-1])


def _cut(text: str, at: int, wanted: int) -> int:
    """Return where the text from ``at`` on first weighs as much as wanted."""
    ahead = text[at : at + (wanted + 1) // 2]
    if ahead.isascii():
        return at + len(ahead)
    low, high = max(0, wanted // HEAVIEST - 1), len(ahead)
    while high - low > 1:
        middle = (low + high) // 2
        if weigh(ahead[:middle]) >= wanted:
            high = middle
        else:
            low = middle
    return at + high
