"""The calls that a question asks for: which tool, how often, with what arguments."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from langchain_moonshot_cache.server.engine import choosing, words
from langchain_moonshot_cache.server.engine.conversation import (
    Call,
    Conversation,
    as_list,
    as_object,
)
from langchain_moonshot_cache.server.engine.filling import fill

if TYPE_CHECKING:
    from langchain_moonshot_cache.server.engine.choosing import Tool

__all__ = ["Decision", "decide", "written"]

MOST_CALLS: Final = 8
"""Calls of one turn."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about a request's tools.

    Attributes:
        calls: The calls to make, in the form of the API; none if the answer is text.
        known: Earlier calls that brought what is asked for again.
    """

    calls: tuple[dict[str, Any], ...] = ()
    known: tuple[Call, ...] = ()


def decide(request: Mapping[str, Any], talk: Conversation) -> Decision:
    """Decide on the tool calls that answer a request.

    A tool that the question fits is called, once for each thing that it is asked for.
    After results, only a tool that the question names and that was not called yet is.
    No call is made twice in a conversation, unless ``tool_choice`` leaves nothing
    else.

    Args:
        request: The chat request.
        talk: Its conversation.

    Returns:
        The decision.
    """
    choice = request.get("tool_choice")
    forced = choice == "required" or isinstance(choice, Mapping)
    tool = _tool(choosing.offered(request), talk, forced=forced)
    if tool is None:
        return Decision()
    texts = _arguments(tool, talk, closing=forced and bool(talk.fresh))
    wanted = [Call("", tool.name, text) for text in texts]
    made = {call.key: call for call in talk.calls}
    new = [call for call in wanted if call.key not in made]
    if not new and not forced:
        earlier = (made[call.key] for call in wanted)
        return Decision(known=tuple(c for c in earlier if c.result is not None))
    new = new or wanted[:1]
    if request.get("parallel_tool_calls") is False:
        new = new[:1]
    return Decision(calls=tuple(_numbered(tool, new, talk.calls)))


def _tool(tools: Sequence[Tool], talk: Conversation, *, forced: bool) -> Tool | None:
    """Pick the tool to call now, with regard to what was called for this question."""
    used = {call.name for call in talk.fresh}
    rest = [tool for tool in tools if tool.name not in used]
    if forced:
        rest = rest or list(tools)
    elif talk.fresh:
        rest = [tool for tool in rest if choosing.mentioned(tool, talk.question)]
    return choosing.fitting(rest, talk.question, forced=forced)


def written(value: Any) -> str:
    """Write a JSON value as a model does: Unicode kept, a space after the separators.

    Args:
        value: The value.

    Returns:
        JSON text that UTF-8 can carry.
    """
    text = json.dumps(value, ensure_ascii=False)
    return text if _encodable(text) else json.dumps(value)


def _encodable(text: str) -> bool:
    """Tell texts with lone surrogates, which JSON allows and UTF-8 does not."""
    return not re.search("[\ud800-\udfff]", text)


def _arguments(tool: Tool, talk: Conversation, *, closing: bool) -> list[str]:
    """Give the distinct arguments, as JSON texts, that the question asks for.

    A call that is forced after results closes the matter: it is made from them.
    """
    texts = []
    sources = [talk.material] if closing else _sources(tool, talk.question)
    for source in sources:
        value = fill(tool.schema, source=source, question=talk.question)
        texts.append(written(value if isinstance(value, dict) else {}))
    return list(dict.fromkeys(texts))[:MOST_CALLS]


def _sources(tool: Tool, question: str) -> Iterator[str]:
    """Give the parts of a question that one call each is made from."""
    spelled = re.findall(rf"{re.escape(tool.name)}\(([^()]{{1,200}})\)", question)
    if spelled:
        yield from spelled
        return
    things = _things(tool, question)
    if len(things) > 1:
        yield from (f'"{thing}"' for thing in things)
        return
    yield question


def _things(tool: Tool, question: str) -> Sequence[str]:
    """Name the things that a tool of one text argument is asked about."""
    required = as_list(as_object(tool.schema).get("required")) or [*tool.properties]
    if len(required) != 1:
        return ()
    rule = as_object(tool.properties.get(str(required[0])))
    if rule.get("type") != "string" or "enum" in rule:
        return ()
    places = words.places(question)
    return words.quoted(question) or (places if _joined(places, question) else ())


def _joined(places: Sequence[str], question: str) -> bool:
    """Tell a list of places from places that merely occur in one question."""
    between = r"\s*(?:and|和|与|、)\s*(?:in\s+|at\s+)?"
    pairs = pairwise(places)
    return all(
        re.search(re.escape(one) + between + re.escape(other), question)
        for one, other in pairs
    )


def _numbered(
    tool: Tool, calls: Sequence[Call], earlier: Sequence[Call]
) -> Iterator[dict[str, Any]]:
    """Give each call its id: the name, a colon and a number running through the chat.

    The form is the one seen in Moonshot's answers, such as ``CodeRunner:0``.
    """
    taken = {call.id for call in earlier}
    number = len(earlier)
    for call in calls:
        while (call_id := f"{tool.name}:{number}") in taken:
            number += 1
        number += 1
        function = {"name": tool.name, "arguments": call.arguments}
        yield {"id": call_id, "type": tool.kind, "function": function}
