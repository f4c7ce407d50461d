"""Which messages of a template are the prefix, as the server sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from colour_kit import Face
from langchain_core.example_selectors import LengthBasedExampleSelector
from langchain_core.messages import (
    AIMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.prompts import (
    ChatPromptTemplate,
    FewShotChatMessagePromptTemplate,
    HumanMessagePromptTemplate,
    MessagesPlaceholder,
    PromptTemplate,
    SystemMessagePromptTemplate,
)
from runnable_kit import LORE, PROMPT, QUESTION, height, keeper

if TYPE_CHECKING:
    from runnable_kit import Bench

ASKED = ("human", "{question}")
EXAMPLES = [
    {"place": "Genoa", "tall": "77 m"},
    {"place": "Jeddah", "tall": "133 m"},
]
EXAMPLE = ChatPromptTemplate([("human", "{place}?"), ("ai", "{tall}")])
FEW_SHOT = FewShotChatMessagePromptTemplate(examples=EXAMPLES, example_prompt=EXAMPLE)
PICTURE = "data:image/png;base64,iVBORw0KGgo="
CALL = {"name": "height", "args": {"name": "Genoa"}, "id": "height:0"}


def nested(**partials: Any) -> ChatPromptTemplate:
    inner = ChatPromptTemplate([("system", "Speak {language}."), ("human", "Hello.")])
    return inner.partial(**partials)


# Template, input, and how many messages of it the cache holds.
SHAPES: dict[str, tuple[ChatPromptTemplate, dict[str, Any], int]] = {
    "one system message": (ChatPromptTemplate([("system", LORE), ASKED]), {}, 1),
    "messages as they are": (
        ChatPromptTemplate([SystemMessage(LORE), HumanMessage("{as it is}"), ASKED]),
        {},
        2,
    ),
    "a conversation": (
        ChatPromptTemplate([("system", LORE), ("human", "Hi"), ("ai", "Hello"), ASKED]),
        {},
        3,
    ),
    "a partial with a value": (
        ChatPromptTemplate([("system", "Speak {language}."), ASKED]).partial(
            language="Latin"
        ),
        {},
        1,
    ),
    "a partial with a function ends it": (
        ChatPromptTemplate(
            [("system", LORE), ("system", "Today is {day}."), ASKED]
        ).partial(day=lambda: "Monday"),
        {},
        1,
    ),
    "a partial of the message's own": (
        ChatPromptTemplate(
            [
                SystemMessagePromptTemplate(
                    prompt=PromptTemplate.from_template(
                        "Speak {language}.", partial_variables={"language": "Latin"}
                    )
                ),
                ASKED,
            ]
        ),
        {},
        1,
    ),
    "few-shot examples": (
        ChatPromptTemplate([("system", LORE), FEW_SHOT, ASKED]),
        {},
        5,
    ),
    "examples chosen by length end it": (
        ChatPromptTemplate(
            [
                ("system", LORE),
                FewShotChatMessagePromptTemplate(
                    example_prompt=EXAMPLE,
                    example_selector=LengthBasedExampleSelector(
                        examples=EXAMPLES,
                        example_prompt=PromptTemplate.from_template("{place} {tall}"),
                    ),
                ),
                ASKED,
            ]
        ),
        {},
        1,
    ),
    "a placeholder ends it": (
        ChatPromptTemplate(
            [("system", LORE), MessagesPlaceholder("history"), ("human", "{question}")]
        ),
        {"history": [HumanMessage("Hi"), AIMessage("Hello")]},
        1,
    ),
    "a placeholder that a partial fills": (
        ChatPromptTemplate(
            [("system", LORE), MessagesPlaceholder("history"), ASKED]
        ).partial(history=[("human", "Hi"), ("ai", "Hello")]),
        {},
        3,
    ),
    "an optional placeholder ends it": (
        ChatPromptTemplate(
            [("system", LORE), MessagesPlaceholder("history", optional=True), ASKED]
        ),
        {"history": [("human", "Hi"), ("ai", "Hello")]},
        1,
    ),
    "an optional placeholder ends it when it stays empty": (
        ChatPromptTemplate(
            [("system", LORE), MessagesPlaceholder("history", optional=True), ASKED]
        ),
        {},
        1,
    ),
    "a nested template": (
        ChatPromptTemplate([("system", LORE), nested(language="Latin"), ASKED]),
        {},
        3,
    ),
    "a nested template with a variable ends it within": (
        ChatPromptTemplate(
            [
                ("system", LORE),
                ChatPromptTemplate(
                    [("system", "Be brief."), ("human", "{topic}"), ("ai", "Yes?")]
                ),
                ASKED,
            ]
        ),
        {"topic": "Towers"},
        2,
    ),
    "the outer partial goes before the inner one": (
        ChatPromptTemplate([nested(language="Latin"), ASKED]).partial(language="Greek"),
        {},
        2,
    ),
    "an input of the outer template goes before the inner partial": (
        ChatPromptTemplate(
            [("system", LORE), nested(language="Latin"), ("human", "{language}!")]
        ),
        {"language": "Greek"},
        1,
    ),
    "another template language": (
        ChatPromptTemplate(
            [("system", "Curly {braces} stay."), ("human", "{{question}}")],
            template_format="mustache",
        ),
        {},
        1,
    ),
    "a tool call with its answer": (
        ChatPromptTemplate(
            [
                ("system", LORE),
                HumanMessage("Genoa?"),
                AIMessage("", tool_calls=[CALL]),
                ToolMessage("77 m", tool_call_id="height:0"),
                ASKED,
            ]
        ),
        {},
        4,
    ),
    "a tool call whose answer comes with the input": (
        ChatPromptTemplate(
            [
                ("system", LORE),
                HumanMessage("Genoa?"),
                AIMessage("", tool_calls=[CALL]),
                MessagesPlaceholder("results"),
                ASKED,
            ]
        ),
        {"results": [ToolMessage("77 m", tool_call_id="height:0")]},
        2,
    ),
    "static messages only": (
        ChatPromptTemplate([("system", LORE), ("human", "How tall is Genoa's?")]),
        {},
        1,
    ),
    "nothing but an empty placeholder behind it": (
        ChatPromptTemplate(
            [("system", LORE), ("human", "Hi"), MessagesPlaceholder("more")]
        ),
        {"more": []},
        1,
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_the_cache_holds_the_beginning_without_variables(
    bench: Bench, shape: str
) -> None:
    prompt, given, length = SHAPES[shape]
    # Splitting is the same for both colours, so each model is tried in one of them.
    face = Face("async" if bench.kind == "plain" else "sync")
    (chat,) = await bench.compare(
        prompt, {**QUESTION, **given}, face=face, tools=[height, keeper]
    )
    (cache,) = bench.server.caches()
    assert chat.cache_id == cache["id"]
    (body,) = bench.bodies()
    assert body["messages"][0]["role"] == "cache"
    assert len(body["messages"]) == 1 + len(chat.messages) - length
    assert "tools" not in body


async def test_without_tools_messages_alone_are_cached(
    bench: Bench, face: Face
) -> None:
    (chat,) = await bench.compare(PROMPT, QUESTION, face=face)
    assert chat.cache_id
    assert chat.tools is None


async def test_every_input_uses_the_same_cache(bench: Bench, face: Face) -> None:
    inputs = [{"question": f"How tall is number {n}?"} for n in range(3)]
    await bench.compare(PROMPT, *inputs, face=face, tools=[height])
    assert bench.server.creates() == 1
    assert all(chat.cached_tokens for chat in bench.server.chats())


async def test_pictures_and_texts_in_one_message_stay_as_they_are(
    bench: Bench, face: Face
) -> None:
    prompt = ChatPromptTemplate(
        [
            ("system", LORE),
            HumanMessagePromptTemplate.from_template(
                [
                    {"type": "text", "text": "Look at {what}:"},
                    {"type": "image_url", "image_url": {"url": PICTURE}},
                ]
            ),
            ("ai", "I see."),
            HumanMessagePromptTemplate.from_template(
                [{"type": "image_url", "image_url": {"url": "{picture}"}}]
            ),
            ASKED,
        ]
    ).partial(what="this")
    given = {**QUESTION, "picture": PICTURE}
    # The models with named caches read texts only, so this goes to one without.
    (chat,) = await bench.compare(prompt, given, face=face, model="kimi-k3")
    assert chat.messages[1]["content"][1]["image_url"]["url"] == PICTURE


async def test_a_function_in_a_partial_is_called_for_every_input(
    bench: Bench, face: Face
) -> None:
    days = iter(["Monday", "Tuesday", "Wednesday", "Thursday"])
    template = [("system", LORE), ("system", "Today is {day}."), ASKED]
    prompt = ChatPromptTemplate(template).partial(day=lambda: next(days))
    chain = bench.cached(prompt, tools=[height])
    for _ in range(2):
        await face.invoke(chain, QUESTION)
    said = [chat.messages[1]["content"] for chat in bench.server.chats()]
    assert said == ["Today is Monday.", "Today is Tuesday."]


@pytest.mark.parametrize("where", ["message", "example"])
async def test_a_function_inside_a_message_template_is_called_as_well(
    bench: Bench, where: str
) -> None:
    numbers = iter(range(10))
    inner = PromptTemplate.from_template(
        "Number {n}.", partial_variables={"n": lambda: str(next(numbers))}
    )
    message: Any = HumanMessagePromptTemplate(prompt=inner)
    if where == "example":
        message = FewShotChatMessagePromptTemplate(
            examples=[{}], example_prompt=ChatPromptTemplate([message])
        )
    chain = bench.cached(ChatPromptTemplate([("system", LORE), message, ASKED]))
    for _ in range(2):
        chain.invoke(QUESTION)
    first, second = (chat.messages[1]["content"] for chat in bench.server.chats())
    assert first != second


# An input that overrides what a partial filled in -----------------------------

FILLED = ChatPromptTemplate(
    [("system", "Speak {language}."), MessagesPlaceholder("examples"), ASKED]
).partial(language="Latin", examples=[("human", "Genoa?"), ("ai", "77 m")])

OVERRIDES: dict[str, dict[str, Any]] = {
    "a word": {"language": "Greek"},
    "more messages": {"examples": [("human", n) for n in "abc"]},
    "fewer messages": {"examples": []},
    "the same": {"language": "Latin"},
    "a call in place of a text": {
        "examples": [
            HumanMessage("Genoa?"),
            AIMessage("77 m", tool_calls=[CALL]),
            ToolMessage("77 m", tool_call_id="height:0"),
        ]
    },
}


@pytest.mark.parametrize("tools", [(), (height, keeper)], ids=["bare", "tools"])
@pytest.mark.parametrize("override", OVERRIDES)
async def test_an_input_that_overrides_a_partial_is_answered_as_without_a_cache(
    bench: Bench, face: Face, override: str, tools: tuple[Any, ...]
) -> None:
    given = {**QUESTION, **OVERRIDES[override]}
    await bench.compare(FILLED, QUESTION, given, face=face, tools=tools)


async def test_arguments_that_python_takes_for_equal_are_told_apart(
    bench: Bench, face: Face
) -> None:
    def talk(value: Any) -> list[Any]:
        call = {"name": "height", "args": {"name": value}, "id": "height:0"}
        answer = ToolMessage("77 m", tool_call_id="height:0")
        return [AIMessage("", tool_calls=[call]), answer]

    prompt = FILLED.partial(examples=talk(1))
    given = {**QUESTION, "examples": talk(True)}
    await bench.compare(prompt, given, face=face, tools=[height])
