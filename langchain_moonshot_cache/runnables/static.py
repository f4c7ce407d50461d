"""Which messages of a prompt template are the same for every input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from langchain_core.messages import BaseMessage
from langchain_core.prompts import (
    AIMessagePromptTemplate,
    ChatMessagePromptTemplate,
    ChatPromptTemplate,
    FewShotChatMessagePromptTemplate,
    FewShotPromptTemplate,
    HumanMessagePromptTemplate,
    MessagesPlaceholder,
    PromptTemplate,
    SystemMessagePromptTemplate,
)
from langchain_core.prompts.dict import DictPromptTemplate
from langchain_core.prompts.image import ImagePromptTemplate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

__all__ = ["Split", "split"]

_MESSAGES = (
    AIMessagePromptTemplate,
    ChatMessagePromptTemplate,
    HumanMessagePromptTemplate,
    SystemMessagePromptTemplate,
)
_PARTS = (
    DictPromptTemplate,
    FewShotPromptTemplate,
    ImagePromptTemplate,
    PromptTemplate,
)
"""Templates that depend on their variables alone. A subclass may look at the clock."""


@dataclass(frozen=True, slots=True)
class Split:
    """A template in two: what is the same for every input, and what follows.

    Attributes:
        head: The leading messages without variables; partial values are filled in.
        tail: The others, from the first variable on.
        names: Variables of the head. An input that holds one of them changes it.
        messages: The head as messages.
    """

    head: ChatPromptTemplate
    tail: ChatPromptTemplate
    names: frozenset[str]
    messages: list[BaseMessage]


@dataclass(frozen=True, slots=True)
class _Halves:
    head: list[Any]
    tail: list[Any]
    names: frozenset[str]
    constants: Mapping[str, Any]


def split(prompt: ChatPromptTemplate) -> Split:
    """Divide a template after its leading messages that hold no variable.

    Variables that were filled in by ``partial`` with a value are no variables any
    more; those filled in with a function are, since it is called for every input.
    The first message with a variable ends the head, and so do a placeholder that
    nothing fills in, examples that are chosen for each input, and templates of the
    application's own classes, which may do anything.
    """
    halves = _halves(prompt, given={}, asked=frozenset())
    head = prompt.model_copy(
        update={"messages": halves.head, "partial_variables": dict(halves.constants)}
    )
    return Split(
        head=head,
        tail=prompt.model_copy(update={"messages": halves.tail}),
        names=halves.names,
        messages=head.format_messages(),
    )


def _halves(
    prompt: ChatPromptTemplate, *, given: Mapping[str, Any], asked: frozenset[str]
) -> _Halves:
    """Divide the messages of a template that may be part of another.

    Args:
        prompt: The template.
        given: What the template around it fills in, which goes before its own.
        asked: Variables that inputs have to fill in, which goes before both.
    """
    partials = {**prompt.partial_variables, **given}
    asked = asked | set(prompt.input_variables)
    changing = asked | {name for name, value in partials.items() if callable(value)}
    constants = {name: val for name, val in partials.items() if name not in changing}
    head: list[Any] = []
    names: set[str] = set()
    for index, item in enumerate(prompt.messages):
        rest = prompt.messages[index + 1 :]
        if _is_plain(item):
            inner = _halves(item, given=partials, asked=asked)
            names |= inner.names
            if inner.tail:
                head.append(_with(item, inner.head))
                tail = [_with(item, inner.tail), *rest]
                return _Halves(head, tail, frozenset(names), constants)
        elif not isinstance(item, BaseMessage):
            used = _used(item)
            if used is None or not used.filled(constants, changing=changing):
                return _Halves(head, [item, *rest], frozenset(names), constants)
            names |= used.needed | used.own
        head.append(item)
    return _Halves(head, [], frozenset(names), constants)


def _is_plain(item: object) -> TypeGuard[ChatPromptTemplate]:
    """Tell whether a template formats its messages one by one, as LangChain does."""
    if not isinstance(item, ChatPromptTemplate):
        return False
    return type(item).format_messages is ChatPromptTemplate.format_messages


def _with(prompt: ChatPromptTemplate, messages: list[Any]) -> ChatPromptTemplate:
    return prompt.model_copy(update={"messages": messages})


@dataclass(frozen=True, slots=True)
class _Used:
    """What a message template depends on.

    Attributes:
        needed: Variables that have to be filled in from outside.
        own: Variables that it fills in itself, unless they are given from outside.
        optional: Whether it does without the needed ones.
    """

    needed: set[str]
    own: set[str]
    optional: bool = False

    def filled(
        self, constants: Mapping[str, Any], *, changing: AbstractSet[str]
    ) -> bool:
        """Tell whether it comes out the same for every input."""
        if not changing.isdisjoint(self.needed | self.own):
            return False
        if self.optional:
            # LangChain fills it with nothing until an input brings something.
            return all(constants.get(name) for name in self.needed)
        return self.needed <= constants.keys()


def _used(item: Any) -> _Used | None:
    """Find out what a message template depends on; None if it may be anything."""
    if type(item) is MessagesPlaceholder:
        return _Used({item.variable_name}, set(), optional=item.optional)
    if type(item) is FewShotChatMessagePromptTemplate:
        return _used_by_examples(item)
    if type(item) not in _MESSAGES:
        return None
    parts = item.prompt if isinstance(item.prompt, list) else [item.prompt]
    needed: set[str] = set()
    own: set[str] = set()
    for part in parts:
        if type(part) not in _PARTS or not _is_fixed(part):
            return None
        needed |= set(part.input_variables)
        own |= getattr(part, "partial_variables", {}).keys()
    return _Used(needed, own)


def _used_by_examples(item: FewShotChatMessagePromptTemplate) -> _Used | None:
    """Look at few-shot examples, which fill in their template by themselves."""
    template: Any = item.example_prompt
    inner = template.messages if _is_plain(template) else [template]
    known = all(isinstance(m, BaseMessage) or _used(m) is not None for m in inner)
    return _Used(set(), set()) if known and _is_fixed(item) else None


def _is_fixed(template: Any) -> bool:
    """Tell whether a template calls no functions and chooses no examples."""
    partials = getattr(template, "partial_variables", {})
    if any(map(callable, partials.values())):
        return False
    if getattr(template, "example_selector", None) is not None:
        return False
    example = getattr(template, "example_prompt", None)
    return example is None or _is_fixed(example)
