"""What stands behind the gateway: an engine that runs a model.

The gateway keeps caches, accounts and the protocol; an engine answers requests in which
nothing refers to a cache any more. It may be a server that is asked over HTTP or a
model in this process. Whether it still holds a prefix that it has seen is its own
affair: it says so in the usage that it reports, and nobody guesses.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from .refusals import RefusedError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

__all__ = ["Engine", "EngineError", "Question", "Trouble", "dumped", "loaded"]

Json = dict[str, Any]
Trouble = Literal["unreachable", "timeout", "broken", "malformed", "busy", "refused"]


class EngineError(RefusedError):
    """The engine did not answer; the client is told so in the API's own form.

    Attributes:
        trouble: What happened: the engine could not be reached, took too long, broke
            off, answered what nobody can read, had no room, or refused the request.
    """

    def __init__(
        self,
        trouble: Trouble,
        message: str,
        *,
        status: int,
        kind: str = "server_error",
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(status, kind, message, headers=headers)
        self.trouble = trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A chat request as an engine gets it.

    Messages and tools are JSON text: a cached prefix may have hundreds of kilobytes,
    which nobody needs to take apart and put together again for each call.

    Attributes:
        fields: Everything but messages and tools, in the form of the chat-completions
            API; ``model`` is the name that clients know.
        messages: All messages, as the JSON text of an array.
        tools: All tools, likewise; None for a request without.
        account: Whose request it is: a digest, never a key.
        cache_id: The cache whose messages the messages begin with, if there is one.
    """

    fields: Mapping[str, Any]
    messages: bytes
    tools: bytes | None = None
    account: str = ""
    cache_id: str | None = None

    def body(self, **changes: Any) -> bytes:
        """Return the whole request as JSON text.

        Args:
            **changes: Fields to set, beside or in place of those that are there.
        """
        head = dumped({**self.fields, **changes}).removesuffix(b"}")
        tools = b"" if self.tools is None else b',"tools":' + self.tools
        return head + b',"messages":' + self.messages + tools + b"}"


class Engine(Protocol):
    """Answers questions. Many are asked at once, all of them in one event loop."""

    @property
    def names(self) -> tuple[str, ...] | None:
        """The models that clients may ask for; None if the engine has to be asked."""

    async def models(self) -> list[str]:
        """Ask the engine which models clients may ask for, and so whether it is there.

        Raises:
            EngineError: When the engine is not there.
        """

    async def complete(self, question: Question) -> Json:
        """Answer a question as a whole.

        Cancelling the call gives the computation up.

        Returns:
            A ``chat.completion`` object. Its ``usage`` stands as the engine reported
            it: what the engine did not say is absent, not 0.

        Raises:
            EngineError: When there is no answer.
        """

    def stream(self, question: Question) -> AsyncGenerator[Json, None]:
        """Answer a question piece by piece.

        Pieces are handed on as they come, and no faster than they are taken. Closing
        the generator gives the computation up.

        Yields:
            ``chat.completion.chunk`` objects; ``usage`` stands in the last one, if the
            engine reports it.

        Raises:
            EngineError: At the first step when the question was refused, at a later one
                when the answer broke off.
        """

    async def close(self) -> None:
        """Give back what the engine holds; nothing is asked after that."""


def loaded(text: bytes) -> Any:
    """Return the value of a JSON text; None if it is none, as HTML or nothing."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def dumped(value: Any) -> bytes:
    """Return a JSON value as text, the same one for the same value."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        # Half a surrogate pair, which an engine that cuts by characters may send: JSON
        # can name it, and UTF-8 cannot hold it.
        return json.dumps(value, separators=(",", ":")).encode()
