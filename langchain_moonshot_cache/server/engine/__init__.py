"""The scripted engine: answers chat requests by rules instead of a model.

It picks the tool that a question asks for and fills its arguments by their JSON schema,
answers from a tool's result, quotes the sentence of a document that fits a question,
and honours ``tool_choice``, ``response_format``, ``stop`` and the limits on tokens. It
uses the standard library only.
"""

from __future__ import annotations

from langchain_moonshot_cache.server.engine.reply import Reply, deltas
from langchain_moonshot_cache.server.engine.scripted import (
    SYSTEM_FINGERPRINT,
    ScriptedEngine,
)
from langchain_moonshot_cache.server.engine.thinking import thinks

__all__ = ["SYSTEM_FINGERPRINT", "Reply", "ScriptedEngine", "deltas", "thinks"]
