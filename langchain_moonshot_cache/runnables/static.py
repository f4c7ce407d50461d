"""Which messages of a prompt template are the same for every input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.messages import BaseMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["static_messages"]


def static_messages(prompt: ChatPromptTemplate) -> list[BaseMessage]:
    """Collect the leading messages of a template that hold no variable.

    Variables that were filled in by ``partial`` with a value are no variables any
    more; those filled in with a function are, since it is called for every input.
    The first message with a variable ends the list, and so does a placeholder.
    """
    return _leading(prompt, {})[0]


def _leading(
    prompt: ChatPromptTemplate, given: Mapping[str, Any]
) -> tuple[list[BaseMessage], bool]:
    """Return the static beginning, and whether it is the whole template."""
    partials = {**given, **prompt.partial_variables}
    constants = {name: val for name, val in partials.items() if not callable(val)}
    found: list[BaseMessage] = []
    for item in prompt.messages:
        if isinstance(item, ChatPromptTemplate):
            messages, whole = _leading(item, constants)
            found.extend(messages)
            if not whole:
                return found, False
        elif isinstance(item, BaseMessage):
            found.append(item)
        elif _is_constant(item, constants):
            found.extend(item.format_messages(**constants))
        else:
            return found, False
    return found, True


def _is_constant(item: Any, constants: Mapping[str, Any]) -> bool:
    if isinstance(item, MessagesPlaceholder):
        # An optional one counts as filled with nothing until an input fills it.
        return not item.optional and item.variable_name in constants
    return set(item.input_variables) <= constants.keys()
