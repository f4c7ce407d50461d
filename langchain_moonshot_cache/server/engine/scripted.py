"""The engine that answers by rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from langchain_moonshot_cache.server import tokens
from langchain_moonshot_cache.server.engine import answering, calling
from langchain_moonshot_cache.server.engine.conversation import (
    as_list,
    as_object,
    read,
)
from langchain_moonshot_cache.server.engine.reply import Reply

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
        talk = read(request.get("messages"))
        if wanted := calling.calls(request, talk):
            return Reply(None, tool_calls=wanted, finish_reason="tool_calls")
        content = answering.in_json(talk, as_object(request.get("response_format")))
        if content is None:
            content = answering.in_words(talk)
        content = content.encode("utf-8", "replace").decode("utf-8")
        return _limited(_stopped(content, request.get("stop")), _limit(request))


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


def _limited(content: str, limit: int | None) -> Reply:
    """Cut a text to a number of tokens."""
    if limit is None or tokens.count_text(content) <= limit:
        return Reply(content)
    fits, too_long = 0, len(content)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if tokens.count_text(content[:middle]) <= limit:
            fits = middle
        else:
            too_long = middle
    return Reply(content[:fits], finish_reason="length")
