from __future__ import annotations

import json
import time
from typing import Any

import pytest

from langchain_moonshot_cache.server.engine import Reply, ScriptedEngine
from langchain_moonshot_cache.server.tokens import count_text

FILLER = "".join(
    f"Chapter {n} tells how the fox crossed river {n}. " for n in range(400)
)
FACT = "The harbour of Zephyr opens at seven in the morning. "
DOCUMENT = FILLER + FACT + FILLER


def ask(question: str, *, system: str = "", **fields: Any) -> Reply:
    context = [{"role": "system", "content": system}] if system else []
    messages = [*context, {"role": "user", "content": question}]
    return ScriptedEngine().reply({"messages": messages, **fields})


def text(reply: Reply) -> str:
    assert reply.content is not None
    return reply.content


def test_a_greeting_is_echoed_with_the_remark_that_the_engine_is_scripted() -> None:
    answer = text(ask("hello"))
    assert "hello" in answer
    assert "scripted" in answer


def test_a_chinese_question_is_answered_in_chinese() -> None:
    assert text(ask("你好")).startswith("你的问题是：“你好”")


def test_a_question_on_a_document_is_answered_with_its_sentence() -> None:
    answer = text(ask("When does the harbour of Zephyr open?", system=DOCUMENT))
    assert answer == "According to the text: " + FACT.strip()


def test_a_chinese_document_is_quoted_by_the_sentence() -> None:
    filler = "".join(f"第{n}章讲狐狸怎样渡过大河。" for n in range(400))
    document = filler + "缓存的存储费用按分钟计费。" + filler
    answer = text(ask("存储费用怎么计费？", system=document))
    assert answer == "文中写道：缓存的存储费用按分钟计费。"


@pytest.mark.parametrize("question_first", [True, False])
def test_a_document_inside_the_question_is_told_from_it(question_first: bool) -> None:  # noqa: FBT001 - a parameter of the test
    question = "When does the harbour of Zephyr open?"
    order = (question, DOCUMENT) if question_first else (DOCUMENT, question)
    assert FACT.strip() in text(ask("\n\n".join(order)))


def test_an_answer_never_repeats_the_prefix() -> None:
    system = "You are Kimi, a kind assistant made by Moonshot."
    assert system not in text(
        ask("Is Kimi an assistant made by Moonshot?", system=system)
    )
    long_line = "zephyr harbour " * 5000
    assert len(text(ask("zephyr harbour?", system=long_line))) < 500
    assert len(text(ask("x" * 100_000))) < 500


def test_two_megabytes_of_document_take_a_fraction_of_a_second_of_computing() -> None:
    half = ("The quick brown fox 敏捷的棕色狐狸。" * 30_000)[:700_000]
    document = half + FACT + half
    assert len(document.encode()) > 2_000_000
    started = time.process_time()
    answer = text(ask("When does the harbour of Zephyr open?", system=document))
    # Measured: 0.03 s. Splitting the document into words would take seconds.
    assert time.process_time() - started < 1
    assert FACT.strip() in answer


def test_images_are_acknowledged_by_media_type_and_number() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    remote = {"type": "image_url", "image_url": {"url": "ms://file-1"}}
    content = [{"type": "text", "text": "What is this?"}, image, image, remote]
    messages = [{"role": "user", "content": content}]
    answer = text(ScriptedEngine().reply({"messages": messages}))
    assert "1 image, 2 image/png" in answer
    assert "What is this?" in answer


@pytest.mark.parametrize("stop", ["scripted", ["never", "scripted"], ["", "scripted"]])
def test_a_stop_sequence_ends_the_answer_before_it(stop: Any) -> None:
    whole, cut = text(ask("hi")), ask("hi", stop=stop)
    assert text(cut) == whole[: whole.index("scripted")]
    assert cut.finish_reason == "stop"


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("limit", [1, 5, 7])
def test_an_answer_that_is_too_long_is_cut_to_the_limit(field: str, limit: int) -> None:
    limits: dict[str, Any] = {field: limit}
    whole, cut = text(ask("hi there")), ask("hi there", **limits)
    assert whole.startswith(text(cut))
    assert count_text(text(cut)) == limit
    assert cut.finish_reason == "length"


def test_an_answer_within_the_limit_stays_whole() -> None:
    whole = ask("hi there")
    assert ask("hi there", max_tokens=count_text(text(whole))) == whole


def test_json_mode_uses_the_keys_that_the_prompt_names() -> None:
    question = (
        "Tell me a joke about cats. Return JSON with 'setup' and 'punchline' keys."
    )
    answer = text(ask(question, response_format={"type": "json_object"}))
    assert set(json.loads(answer)) == {"setup", "punchline"}
    assert "cats" in json.loads(answer)["setup"]


def test_json_mode_without_keys_is_an_object_all_the_same() -> None:
    answer = text(ask("a joke as JSON", response_format={"type": "json_object"}))
    assert isinstance(json.loads(answer), dict)


def joke_format() -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {"topic": {"type": "string"}, "stars": {"type": "integer"}},
        "required": ["topic", "stars"],
        "additionalProperties": False,
    }
    return {
        "type": "json_schema",
        "json_schema": {"name": "joke", "schema": schema, "strict": True},
    }


def test_a_json_schema_is_filled_from_the_question() -> None:
    answer = text(ask('A joke on "cats", 5 stars', response_format=joke_format()))
    assert json.loads(answer) == {"topic": "cats", "stars": 5}


def test_a_json_schema_is_filled_from_a_tools_result_once_there_is_one() -> None:
    call = {
        "id": "look:0",
        "type": "function",
        "function": {"name": "look", "arguments": "{}"},
    }
    messages = [
        {"role": "user", "content": "Tell me"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "look:0", "content": '"otters" got 4'},
    ]
    request = {"messages": messages, "response_format": joke_format()}
    answer = text(ScriptedEngine().reply(request))
    assert json.loads(answer) == {"topic": "otters", "stars": 4}


@pytest.mark.parametrize("model", ["kimi-k3", "kimi-k2.6", "kimi-k2-thinking"])
def test_a_thinking_model_shows_a_thought(model: str) -> None:
    assert ask("Tell me about otters", model=model).reasoning_content


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "moonshot-v1-8k"},
        {"model": "kimi-k2.6", "thinking": {"type": "disabled"}},
        {},
    ],
)
def test_other_models_show_none(fields: dict[str, Any]) -> None:
    assert ask("Tell me about otters", **fields).reasoning_content is None


def test_the_limit_on_tokens_includes_the_thought() -> None:
    reply = ask("Tell me about otters", model="kimi-k3", max_completion_tokens=6)
    assert count_text((reply.reasoning_content or "") + text(reply)) <= 6
    assert reply.finish_reason == "length"


def instructions() -> str:
    schema = joke_format()["json_schema"]["schema"]
    example = {"properties": {"foo": {"type": "array", "items": {"type": "string"}}}}
    return (
        "The output should be formatted as a JSON instance that conforms to the JSON "
        f"schema below.\nFor example: {json.dumps(example)}\n```{json.dumps(schema)}```"
    )


def test_a_schema_shown_in_the_question_is_filled_from_what_stands_before_it() -> None:
    answer = text(ask(f"A joke on 'cats', 5 stars\n{instructions()}"))
    assert json.loads(answer) == {"topic": "cats", "stars": 5}


def test_a_schema_shown_in_the_system_message_is_filled_from_the_question() -> None:
    answer = text(ask("A joke on 'cats', 5 stars", system=f"Be kind. {instructions()}"))
    assert json.loads(answer) == {"topic": "cats", "stars": 5}


def test_a_document_about_json_schemas_does_not_ask_for_json() -> None:
    document = DOCUMENT + 'A JSON schema is an object: {"properties": {}}. ' + FILLER
    answer = text(ask("When does the harbour of Zephyr open?", system=document))
    assert FACT.strip() in answer
