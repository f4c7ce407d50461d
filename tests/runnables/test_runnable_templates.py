"""Templates that nothing of can be cached, or that do more than templates do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.prompts import (
    ChatPromptTemplate,
    HumanMessagePromptTemplate,
    MessagesPlaceholder,
    PromptTemplate,
)
from langchain_core.prompts.structured import StructuredPrompt
from runnable_kit import LORE, PROMPT, QUESTION

from langchain_moonshot_cache.errors import ConfigurationError, InvalidPromptError

if TYPE_CHECKING:
    from runnable_kit import Bench

ASKED = ("human", "{question}")


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ([("system", "Speak {language}, {tone}."), ASKED], "holds language, tone"),
        ([MessagesPlaceholder("history"), ASKED], "holds history"),
        ([("system", "{day}"), ASKED], "holds day"),
        ([], "has no messages"),
    ],
    ids=["system", "placeholder", "function", "empty"],
)
def test_a_template_without_a_static_beginning_is_refused_by_name(
    bench: Bench, prompt: list[Any], words: str
) -> None:
    template = ChatPromptTemplate(prompt)
    if "day" in template.input_variables:
        template = template.partial(day=lambda: "Monday")
    with pytest.raises(InvalidPromptError, match=words):
        bench.cached(template)


@pytest.mark.filterwarnings("ignore:The class `StructuredPrompt` is in beta")
def test_a_template_that_changes_the_model_is_refused(bench: Bench) -> None:
    schema = {"title": "Tower", "type": "object", "properties": {}}
    with pytest.raises(ConfigurationError, match="with_structured_output"):
        bench.cached(StructuredPrompt([("system", LORE), ASKED], schema))


def test_what_is_no_template_is_refused_without_quoting_it(bench: Bench) -> None:
    with pytest.raises(ConfigurationError, match="no ChatPromptTemplate") as caught:
        bench.cached(PromptTemplate.from_template(LORE))
    assert LORE not in str(caught.value)


def test_templates_of_the_applications_own_classes_may_do_anything(
    ours: Bench,
) -> None:
    class Clock(HumanMessagePromptTemplate):
        def format(self, **kwargs: Any) -> Any:
            del kwargs
            return HumanMessage(f"It is {next(hours)} o'clock.")

    hours = iter(range(24))
    own = Clock.from_template("It is late.")
    chain = ours.cached(ChatPromptTemplate([("system", LORE), own, ASKED]))
    for _ in range(2):
        chain.invoke(QUESTION)
    said = [chat.messages[1]["content"] for chat in ours.server.chats()]
    assert said == ["It is 0 o'clock.", "It is 1 o'clock."]


def test_a_missing_variable_is_told_as_by_the_template(bench: Bench) -> None:
    prompts = [PROMPT, bench.cached(PROMPT).first]
    texts = []
    for prompt in prompts:
        with pytest.raises(KeyError) as caught:
            prompt.invoke({"wrong": "name"})
        texts.append(str(caught.value))
    assert texts[0] == texts[1]
