"""The automatic prefix cache: which blocks of whose prompts are held, until when."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from .chain import BLOCK, Chain, Chains
from .engine import thinks
from .kimi_rules import (
    EXACT_REPEAT,
    GENERATED_TURNS,
    LEFT_OVER,
    PREFIX_KEY,
    PREFIX_MATCH,
    PREFIX_MINIMUM,
    PREFIX_TIERS,
    SHARED_IN_ACCOUNT,
)
from .marks import implements
from .rendering import render_message, render_tool

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .clock import Clock
    from .rendering import Piece

__all__ = ["Prefixes", "Reading", "Tier", "prefix_key"]

Json = dict[str, Any]
Tier = Literal["5m", "1h"]

LIVES: Final[Mapping[Tier, int]] = {"5m": 300, "1h": 3600}  # seconds
MOST_ENTRIES: Final = 200_000  # some 50 million tokens; the longest unused make room


@dataclass(frozen=True, slots=True)
class Reading:
    """What the cache did for one prompt.

    Attributes:
        prompt: Tokens of the prompt.
        cached: Those of them that were held.
        written: Those that were newly taken in, whole blocks only.
        tier: The life of what was matched, or else of what was written.
        chain: The prompt.
        before: The prompt without its last message, which a partial one is part of.
    """

    prompt: int
    cached: int
    written: int
    tier: Tier
    chain: Chain
    before: Chain


@dataclass(slots=True)
class _Entry:
    tier: Tier
    expires: float


@implements(PREFIX_KEY, SHARED_IN_ACCOUNT)
def prefix_key(body: Mapping[str, Any], *, account: str) -> tuple[str, ...]:
    """Return what must be equal, apart from the prompt, for a prefix to match.

    Args:
        body: The chat request. Its sampling parameters play no part.
        account: Whose request it is.
    """
    effort = body.get("reasoning_effort")
    return account, body["model"], f"{effort}", f"{thinks(body)}"


class Prefixes:
    """The prefixes of all accounts, in memory: a restart forgets them."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._chains = Chains()
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()

    def __len__(self) -> int:
        """How many blocks and exact prompts are held, expired ones included."""
        return len(self._entries)

    def clear(self) -> None:
        """Forget everything, as a busy provider may at any time."""
        self._entries.clear()

    @implements(PREFIX_MATCH, EXACT_REPEAT, PREFIX_MINIMUM, LEFT_OVER)
    def read(
        self,
        key: tuple[str, ...],
        *,
        messages: Sequence[Json],
        tools: Sequence[Json] | None,
        tier: Tier,
    ) -> Reading:
        """Match a prompt, renew what matched, and take in the rest.

        Args:
            key: What `prefix_key` returned.
            messages: The prompt's messages.
            tools: Its tools.
            tier: The life that was asked for.
        """
        start = self._chains.start(*key)
        before = self._chains.extend(start, _parts(messages[:-1], tools))
        chain = self._chains.extend(before, [render_message(messages[-1])])
        matched = self._matched(chain.blocks)
        exact = self._living(chain.digest)
        if exact is not None:
            matched = len(chain.blocks)
        names = [*chain.blocks[:matched], *([chain.digest] if exact else [])]
        held = self._renew(names)
        tier = held or tier
        new: Sequence[bytes] = ()
        if chain.tokens > BLOCK:
            new = chain.blocks[matched:]
            self._take_in([*new, chain.digest], tier=tier)
        return Reading(
            prompt=chain.tokens,
            cached=chain.tokens if exact else matched * BLOCK,
            written=len(new) * BLOCK,
            tier=tier,
            chain=chain,
            before=before,
        )

    @implements(GENERATED_TURNS, PREFIX_MINIMUM)
    def keep_turn(self, reading: Reading, turn: Json, *, continued: bool) -> None:
        """Take in the turn that was generated after a prompt.

        Args:
            reading: What `read` returned for the prompt.
            turn: The assistant message, character by character as generated.
            continued: Whether it stands in the place of the prompt's last message,
                whose continuation was generated.
        """
        if reading.prompt <= BLOCK:
            return
        base = reading.before if continued else reading.chain
        whole = self._chains.extend(base, [render_message(turn)])
        new = whole.blocks[len(base.blocks) :]
        self._take_in(new, tier=reading.tier)

    def _living(self, name: bytes) -> _Entry | None:
        entry = self._entries.get(name)
        if entry is None or entry.expires <= self._clock.now():
            return None
        return entry

    def _matched(self, blocks: Sequence[bytes]) -> int:
        for index, name in enumerate(blocks):
            if self._living(name) is None:
                return index
        return len(blocks)

    @implements(PREFIX_TIERS)
    def _renew(self, names: Sequence[bytes]) -> Tier | None:
        """Let what matched live its life anew; return the life of the last of it."""
        tier: Tier | None = None
        now = self._clock.now()
        for name in names:
            entry = self._entries.get(name)
            if entry is not None:
                tier = entry.tier
                entry.expires = now + LIVES[tier]
                self._entries.move_to_end(name)
        return tier

    def _take_in(self, names: Sequence[bytes], *, tier: Tier) -> None:
        expires = self._clock.now() + LIVES[tier]
        for name in names:
            self._entries[name] = _Entry(tier, expires)
            self._entries.move_to_end(name)
        while len(self._entries) > MOST_ENTRIES:
            self._entries.popitem(last=False)


def _parts(
    messages: Sequence[Json], tools: Sequence[Json] | None
) -> Iterator[Iterator[Piece]]:
    yield from (iter((render_tool(tool),)) for tool in tools or ())
    yield from map(render_message, messages)
