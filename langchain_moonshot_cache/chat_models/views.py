"""What of a message reaches the wire, as one comparable value."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, ChatMessage, ToolMessage

from langchain_moonshot_cache.chat_models.marks import CACHE

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

__all__ = ["strict", "view"]


def strict(value: Any) -> str:
    """Write a value so that what differs on the wire differs here: 1, 1.0 and true."""
    return json.dumps(value, ensure_ascii=False, default=repr)


def view(message: BaseMessage) -> tuple[Any, ...]:
    """Return the parts of a message that reach the wire; all of them immutable."""
    content = message.content
    extra = message.additional_kwargs
    if CACHE in extra:
        extra = {key: value for key, value in extra.items() if key != CACHE}
    common = (
        type(message),
        content if isinstance(content, str) else strict(content),
        message.name,
        strict(extra) if extra else "",
    )
    if isinstance(message, AIMessage):
        if not (message.tool_calls or message.invalid_tool_calls):
            return common
        return (*common, strict(message.tool_calls + message.invalid_tool_calls))
    if isinstance(message, ToolMessage):
        return (*common, message.tool_call_id)
    if isinstance(message, ChatMessage):
        return (*common, message.role)
    return common
