"""Answers in words and in JSON, for when no tool is to be called."""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING, Any, Final

from langchain_moonshot_cache.server.engine import passages, words
from langchain_moonshot_cache.server.engine.calling import written
from langchain_moonshot_cache.server.engine.conversation import (
    Call,
    Conversation,
    as_object,
)
from langchain_moonshot_cache.server.engine.filling import fill
from langchain_moonshot_cache.server.engine.instructions import (
    embedded_schema,
    without_format,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["in_json", "in_words"]

LONGEST_ECHO: Final = 200
"""Characters of a question that an answer repeats."""

LONGEST_RESULT: Final = 4000
"""Characters of a tool's result that an answer repeats."""

_KEY_WORDS: Final = re.compile(
    r"\b(?:keys?|fields?|propert(?:y|ies))\b|字段|键", re.IGNORECASE
)


def in_words(talk: Conversation, *, known: Sequence[Call] = ()) -> str:
    """Answer with text.

    From the results that came since the question; else from the sentence of the
    context that has most in common with it; else with the question itself and the
    remark that this engine is scripted.

    Args:
        talk: The conversation.
        known: Earlier calls that brought what is asked for again.

    Returns:
        The answer, in Chinese to a Chinese question and in English otherwise.
    """
    chinese = words.is_chinese(talk.question)
    if results := talk.fresh or known:
        return _from_results(results, chinese=chinese)
    seen = _seen(talk.media, chinese=chinese)
    passage = passages.best_passage(talk.question, talk.texts)
    if passage is None:
        return seen + _echo(talk.question, chinese=chinese)
    return seen + ("文中写道：" if chinese else "According to the text: ") + passage


def in_json(talk: Conversation, response_format: Mapping[str, Any]) -> str | None:
    """Answer with JSON, if that is asked for.

    The request asks by its ``response_format``, or its prompt by showing a schema.

    Args:
        talk: The conversation.
        response_format: The request's ``response_format``.

    Returns:
        JSON text, valid for the schema if there is one; None if text is wanted.
    """
    kind = response_format.get("type")
    if kind == "json_schema":
        asked = as_object(response_format.get("json_schema"))
        schema = asked.get("schema", {})
        return written(fill(schema, source=talk.material, question=talk.question))
    if (schema := embedded_schema(talk)) is not None:
        question = without_format(talk.question)
        source = talk.material if talk.fresh else question
        return written(fill(schema, source=source, question=question))
    return written(_keyed(talk)) if kind == "json_object" else None


def _keyed(talk: Conversation) -> dict[str, str]:
    """Give an object with the keys that a prompt names in quotation marks."""
    answer = words.salient(talk.material)[:LONGEST_ECHO]
    for text in (talk.question, *reversed(talk.texts)):
        head = text[:LONGEST_RESULT]
        if _KEY_WORDS.search(head) and (keys := words.quoted(head)):
            return dict.fromkeys(keys, answer)
    return {"answer": answer}


def _from_results(results: Sequence[Call], *, chinese: bool) -> str:
    """Repeat what the tools brought."""
    if len(results) == 1:
        lead = "结果：" if chinese else "The result is: "
        return lead + _result(results[0])
    lead = "各项结果如下：" if chinese else "These are the results:"
    lines = [f"- {c.name}({_brief(c.arguments)}): {_result(c)}" for c in results]
    return "\n".join([lead, *lines])


def _result(call: Call) -> str:
    """Give a result as plain text; a JSON string loses its quotation marks."""
    text = (call.result or "").strip()
    if text.startswith('"'):
        with contextlib.suppress(ValueError):
            text = str(json.loads(text))
    return text[:LONGEST_RESULT]


def _brief(arguments: str) -> str:
    return (
        arguments if len(arguments) <= LONGEST_ECHO else arguments[:LONGEST_ECHO] + "…"
    )


def _seen(media: Mapping[str, int], *, chinese: bool) -> str:
    """Acknowledge attachments by their media type and number."""
    if not media:
        return ""
    listed = ", ".join(f"{count} {kind}" for kind, count in sorted(media.items()))
    return f"收到附件：{listed}。" if chinese else f"Attachments received: {listed}. "


def _echo(question: str, *, chinese: bool) -> str:
    """Repeat a question, and say what kind of engine answers."""
    text = " ".join(question[: 4 * LONGEST_ECHO].split())
    text = text if len(text) <= LONGEST_ECHO else text[:LONGEST_ECHO] + "…"
    if chinese:
        return (
            f"你的问题是：“{text}”。我是按规则作答的脚本引擎，没有相应的内容可以引用。"
        )
    return f'You said: "{text}". I am a scripted engine and answer by rules.'
