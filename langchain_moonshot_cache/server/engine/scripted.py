"""The engine that answers by rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, overload

from langchain_moonshot_cache.server import tokens
from langchain_moonshot_cache.server.engine import answering, calling
from langchain_moonshot_cache.server.engine.conversation import (
    as_list,
    as_object,
    read,
)
from langchain_moonshot_cache.server.engine.reply import Reply
from langchain_moonshot_cache.server.engine.thinking import thoughts

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SYSTEM_FINGERPRINT", "ScriptedEngine"]

SYSTEM_FINGERPRINT: Final = "fp_scripted_engine"
"""The ``system_fingerprint`` of every answer, so that none passes for a model's."""


class ScriptedEngine:
    """Answers chat requests by rules, with no model behind it.

    The same request gets the same answer, in every process. The engine keeps no
    state, so one may serve any number of threads.
    """

    def reply(self, request: Mapping[str, Any]) -> Reply:
        """Answer a request.

        Args:
            request: The body of a chat request after a cache reference was expanded:
                ``messages``, and ``tools``, ``tool_choice``, ``parallel_tool_calls``,
                ``response_format``, ``stop``, ``max_tokens`` and
                ``max_completion_tokens`` where given. Other fields are ignored.

        Returns:
            The answer. A field of unexpected shape is read as absent.
        """
        try:
            return _answer(request)
        except RecursionError:
            # A body nested as deeply as the JSON parser bears: nothing to say to it.
            return Reply("…")


def _answer(request: Mapping[str, Any]) -> Reply:
    talk = read(request.get("messages"))
    decision = calling.decide(request, talk)
    thought = thoughts(request, talk, decision.calls)
    if decision.calls:
        return Reply(None, decision.calls, "tool_calls", _carriable(thought))
    content = answering.in_json(talk, as_object(request.get("response_format")))
    if content is None:
        content = answering.in_words(talk, known=decision.known)
    content = _stopped(_carriable(content), request.get("stop"))
    return _limited(content, _carriable(thought), _limit(request))


@overload
def _carriable(text: str) -> str: ...
@overload
def _carriable(text: str | None) -> str | None: ...
def _carriable(text: str | None) -> str | None:
    """Replace lone surrogates, which JSON can name and UTF-8 cannot carry."""
    return text and text.encode("utf-8", "replace").decode("utf-8")


def _stopped(content: str, stop: Any) -> str:
    """Cut a text before the first stop sequence in it."""
    sequences = [stop] if isinstance(stop, str) else as_list(stop)
    places = [content.find(s) for s in sequences if isinstance(s, str) and s]
    return content[: min((p for p in places if p >= 0), default=len(content))]


def _limit(request: Mapping[str, Any]) -> int | None:
    """Read the number of tokens that an answer may have."""
    for key in ("max_completion_tokens", "max_tokens"):
        limit = request.get(key)
        if isinstance(limit, int) and not isinstance(limit, bool) and limit > 0:
            return limit
    return None


def _limited(content: str, thought: str | None, limit: int | None) -> Reply:
    """Cut an answer to a number of tokens, of which its reasoning takes the first."""
    if limit is None:
        return Reply(content, reasoning_content=thought)
    kept = thought and _cut(thought, limit)
    short = _cut(content, limit - tokens.count_text(kept or ""))
    whole = (kept, short) == (thought, content)
    return Reply(short, (), "stop" if whole else "length", kept)


def _cut(text: str, limit: int) -> str:
    """Give the longest beginning of a text that has no more tokens than allowed."""
    if tokens.count_text(text) <= limit:
        return text
    fits, too_long = 0, len(text)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if tokens.count_text(text[:middle]) <= limit:
            fits = middle
        else:
            too_long = middle
    return text[:fits]
