"""Whether each request of a conversation extends the one before, as the engine sees it.

The watch stands inside the stand-in server, where a prompt is read by the automatic
prefix cache, so it sees every conversation of every test, whatever client holds it, and
also those of a server that has ended or forgotten its log.

A *conversation* is what one account asks of one model with one opening (all up to the
first question) and tools of the same names. Its first request may be anything. Each
later one either begins it again, or carries on from a turn that the engine holds: its
messages up to its last assistant turn are, piece by piece, the beginning of an earlier
request, or an earlier request and the answer to it. So a user may go back and ask
something else; but a turn that comes back with other spaces in its arguments, with
another id, without its reasoning, or after tools in another order, is a break.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.server.prefixes import Prefixes, Reading
from langchain_moonshot_cache.server.rendering import render_message, render_tool

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["ConversationWatch", "watching"]

Json = dict[str, Any]
Turn = tuple[tuple[str, str], ...]
Path = tuple[Turn, ...]


class _Conversation:
    """What the engine holds of one conversation."""

    def __init__(self, tools: Turn) -> None:
        self.tools = tools
        self.paths: set[Path] = set()
        self.requests = 0

    def hold(self, path: Path) -> None:
        self.paths.update(path[:length] for length in range(1, len(path) + 1))


class ConversationWatch:
    """Notes where a request does not extend the conversation that it belongs to.

    Attributes:
        breaks: A sentence for each of those requests.
        requests: How many requests were seen.
    """

    def __init__(self) -> None:
        self.breaks: list[str] = []
        self.requests = 0
        self._conversations: dict[Any, _Conversation] = {}
        self._asked: dict[Any, tuple[_Conversation, Path]] = {}

    def asked(
        self,
        cache: Any,
        key: tuple[str, ...],
        *,
        messages: Sequence[Json],
        tools: Sequence[Json] | None,
    ) -> None:
        """Take in a request.

        Args:
            cache: The cache of prefixes that reads it, one for each server.
            key: Account, model, and what else a prefix is held under.
            messages: The messages that the engine sees.
            tools: The tools that it sees.
        """
        self.requests += 1
        path = tuple(_turn(message) for message in messages)
        shown = tuple((tool["type"], render_tool(tool).text) for tool in tools or ())
        opening = path[: _opening(messages)]
        identity = (cache, key, opening, _names(tools))
        known = self._conversations.setdefault(identity, _Conversation(shown))
        known.requests += 1
        if known.requests > 1:
            self._check(known, path=path, tools=shown, messages=messages)
        known.hold(path)
        self._asked[cache] = (known, path)

    def answered(self, cache: Any, turn: Json, *, continued: bool) -> None:
        """Take in the turn that the engine generated for the request just asked."""
        known, path = self._asked.pop(cache)
        known.hold((*(path[:-1] if continued else path), _turn(turn)))

    def _check(
        self,
        known: _Conversation,
        *,
        path: Path,
        tools: Turn,
        messages: Sequence[Json],
    ) -> None:
        title = f"request {known.requests} of {_title(messages)!r}"
        if tools != known.tools:
            self.breaks.append(f"{title} sends its tools in other bytes or order")
        history = path[: _history(messages)]
        if not history or history in known.paths:
            return
        length = next(
            n for n in range(len(history)) if history[: n + 1] not in known.paths
        )
        held = [
            p[length]
            for p in known.paths
            if len(p) == length + 1 and p[:length] == history[:length]
        ]
        self.breaks.append(
            f"{title} breaks off at messages[{length}]: it sends {history[length]}, "
            f"where the engine holds {held or 'nothing'}"
        )


@contextmanager
def watching() -> Iterator[ConversationWatch]:
    """Watch the servers of this process."""
    watch = ConversationWatch()
    read, keep_turn = Prefixes.read, Prefixes.keep_turn

    def watched_read(self: Prefixes, key: tuple[str, ...], **given: Any) -> Reading:
        watch.asked(self, key, messages=given["messages"], tools=given["tools"])
        return read(self, key, **given)

    def watched_turn(
        self: Prefixes, reading: Reading, turn: Json, *, continued: bool
    ) -> None:
        watch.answered(self, turn, continued=continued)
        keep_turn(self, reading, turn, continued=continued)

    Prefixes.read, Prefixes.keep_turn = watched_read, watched_turn  # type: ignore[method-assign]  # a window in the wall
    try:
        yield watch
    finally:
        Prefixes.read, Prefixes.keep_turn = read, keep_turn  # type: ignore[method-assign]  # and closed again


def _turn(message: Json) -> Turn:
    return tuple((piece.kind, piece.text) for piece in render_message(message))


def _opening(messages: Sequence[Json]) -> int:
    """Count the messages up to the first question."""
    for index, message in enumerate(messages):
        if message["role"] not in {"system", "user"}:
            return index
        if message["role"] == "user":
            return index + 1
    return len(messages)


def _history(messages: Sequence[Json]) -> int:
    """Count the messages up to the last turn of the assistant that is complete."""
    for index in range(len(messages), 0, -1):
        message = messages[index - 1]
        if message["role"] == "assistant" and not message.get("partial"):
            return index
    return 0


def _names(tools: Sequence[Json] | None) -> tuple[str, ...]:
    return tuple(sorted(tool["function"]["name"] for tool in tools or ()))


def _title(messages: Sequence[Json]) -> str:
    last = messages[max(_opening(messages) - 1, 0)]
    return str(last.get("content"))[:60]
