"""What kimi models ask of a request, and what is said where it had to be changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from chat_kit import SYSTEM, bodies, height, told
from kimi_kit import LONG, QUESTION
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from pydantic import BaseModel

if TYPE_CHECKING:
    from kimi_kit import Json, Make, Talk

    from langchain_moonshot_cache import ChatMoonshotCached
    from langchain_moonshot_cache.testing import MoonshotServer

K27, K26 = "kimi-k2.7-code", "kimi-k2.6"
UNTHINKING: Json = {"thinking": {"type": "disabled"}}
PICTURE = {
    "type": "image_url",
    "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="},
}


class Lighthouse(BaseModel):
    """A lighthouse."""

    name: str
    metres: int


def body(server: MoonshotServer) -> Json:
    """Return the last request's body."""
    return bodies(server)[-1]


# Tool choice ------------------------------------------------------------------


@pytest.mark.parametrize("choice", ["any", "height", True])
@pytest.mark.parametrize("model", ["kimi-k3", K27, K26])
async def test_a_forced_tool_choice_is_softened_with_a_reason(
    talk: Talk, server: MoonshotServer, make: Make, model: str, choice: Any
) -> None:
    llm = make(model=model).bind_tools([height], tool_choice=choice)
    answer = await talk(llm, [SYSTEM, QUESTION])
    assert body(server)["tool_choice"] == "auto"
    assert f"{model} refuses to be forced" in told(answer)["reason"]


@pytest.mark.parametrize("choice", ["auto", "none"])
async def test_a_free_tool_choice_is_left_alone(
    talk: Talk, server: MoonshotServer, llm: ChatMoonshotCached, choice: str
) -> None:
    answer = await talk(
        llm.bind_tools([height], tool_choice=choice), [SYSTEM, QUESTION]
    )
    assert body(server)["tool_choice"] == choice
    assert "forced" not in told(answer)["reason"]


async def test_a_model_told_not_to_think_can_be_forced(
    talk: Talk, server: MoonshotServer, make: Make
) -> None:
    llm = make(model=K26, extra_body=UNTHINKING)
    answer = await talk(
        llm.bind_tools([height], tool_choice="height"), [SYSTEM, QUESTION]
    )
    assert body(server)["tool_choice"]["function"]["name"] == "height"
    assert answer.tool_calls
    assert "forced" not in told(answer)["reason"]


# Structured output ------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "by_schema"),
    [("kimi-k3", True), (K26, True), ("moonshot-v1-8k", False)],
)
async def test_structured_output_takes_the_way_that_the_model_knows(
    talk: Talk, server: MoonshotServer, make: Make, model: str, *, by_schema: bool
) -> None:
    chain = make(model=model, caching="prefix").with_structured_output(Lighthouse)
    answer = await talk.face.invoke(chain, [SYSTEM, QUESTION])
    assert isinstance(answer, Lighthouse)
    assert ("response_format" in body(server)) == by_schema
    assert ("tools" in body(server)) == (not by_schema)


async def test_structured_output_by_function_calling_says_that_it_cannot_be_forced(
    talk: Talk, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    chain = llm.with_structured_output(
        Lighthouse, method="function_calling", include_raw=True
    )
    answer = await talk.face.invoke(chain, [SYSTEM, QUESTION])
    assert body(server)["tool_choice"] == "auto"
    assert "refuses to be forced" in told(answer["raw"])["reason"]


# Parameters -------------------------------------------------------------------


async def test_nothing_about_sampling_is_sent_unless_it_was_set(
    talk: Talk, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    await talk(llm, [SYSTEM, QUESTION])
    sent = body(server).keys() - {"stream", "stream_options"}
    assert sent == {"model", "messages"}


async def test_what_the_user_sets_about_sampling_is_sent(
    talk: Talk, server: MoonshotServer, make: Make
) -> None:
    llm = make(model=K26, temperature=0.6, top_p=0.9, extra_body=UNTHINKING)
    await talk(llm, [SYSTEM, QUESTION])
    assert (body(server)["temperature"], body(server)["top_p"]) == (0.6, 0.9)


@pytest.mark.parametrize("model", ["kimi-k3", "moonshot-v1-8k"])
@pytest.mark.parametrize("given", ["max_tokens", "max_completion_tokens"])
async def test_the_limit_of_the_output_goes_by_its_one_name(
    talk: Talk, server: MoonshotServer, make: Make, model: str, given: str
) -> None:
    await talk(make(model=model, caching="off", **{given: 50}), [SYSTEM, QUESTION])
    assert body(server)["max_completion_tokens"] == 50
    assert "max_tokens" not in body(server)


@pytest.mark.parametrize("given", ["max_tokens", "max_completion_tokens"])
async def test_a_limit_set_for_one_call_takes_the_place_of_the_models(
    talk: Talk, server: MoonshotServer, make: Make, given: str
) -> None:
    await talk(make(max_tokens=50), [SYSTEM, QUESTION], **{given: 40})
    assert body(server)["max_completion_tokens"] == 40
    assert "max_tokens" not in body(server)


@pytest.mark.parametrize("effort", ["low", "high", "max"])
async def test_the_effort_of_thinking_is_passed_on(
    talk: Talk, server: MoonshotServer, make: Make, effort: str
) -> None:
    await talk(make(reasoning_effort=effort), [SYSTEM, QUESTION])
    assert body(server)["reasoning_effort"] == effort


# The cache's own --------------------------------------------------------------


async def test_a_cache_key_is_passed_on_when_it_was_set_and_never_invented(
    talk: Talk, server: MoonshotServer, make: Make
) -> None:
    await talk(make(), [SYSTEM, QUESTION])
    assert "prompt_cache_key" not in body(server)
    await talk(make(), [SYSTEM, QUESTION], prompt_cache_key="session-7")
    assert body(server)["prompt_cache_key"] == "session-7"
    await talk(make(model_kwargs={"prompt_cache_key": "8"}), [SYSTEM, QUESTION])
    assert body(server)["prompt_cache_key"] == "8"


@pytest.mark.parametrize(
    ("ttl", "asked"), [("5m", "5m"), ("1h", "1h"), (300, "5m"), (3600, "1h")]
)
@pytest.mark.parametrize("model", ["kimi-k3", "kimi-k3.1-pro"])
async def test_a_lifetime_is_asked_for_as_a_tier(
    talk: Talk, server: MoonshotServer, make: Make, *, model: str, ttl: Any, asked: str
) -> None:
    answer = await talk(make(model=model, cache_ttl=ttl), [LONG, QUESTION])
    options = {"mode": "implicit", "ttl": asked}
    assert body(server)["prompt_cache_options"] == options
    assert f"asked for {asked}" in told(answer)["reason"]


@pytest.mark.parametrize(
    ("model", "ttl", "reason"),
    [
        (K27, "1h", "kimi-k2.7-code knows no cache_ttl, so none was sent"),
        (K26, 300, "kimi-k2.6 knows no cache_ttl, so none was sent"),
        ("kimi-k3", 600, "kimi-k3 knows 5m and 1h and not 600 s, so none was sent"),
        ("kimi-k3", None, "the provider caches prefixes by itself"),
    ],
)
async def test_a_lifetime_that_a_model_does_not_know_is_not_sent_and_that_is_said(
    talk: Talk, server: MoonshotServer, make: Make, *, model: str, ttl: Any, reason: str
) -> None:
    answer = await talk(make(model=model, cache_ttl=ttl), [SYSTEM, QUESTION])
    assert "prompt_cache_options" not in body(server)
    assert reason in told(answer)["reason"]


async def test_a_lifetime_in_a_mark_is_asked_for(
    talk: Talk, server: MoonshotServer, make: Make
) -> None:
    block = {
        "type": "text",
        "text": LONG.text,
        "cache_control": {"type": "ephemeral", "ttl": "1h"},
    }
    await talk(make(cache_ttl="5m"), [SystemMessage([block]), QUESTION])
    assert body(server)["prompt_cache_options"]["ttl"] == "1h"


# Content ----------------------------------------------------------------------


@pytest.mark.parametrize("model", [K27, "moonshot-v1-8k"])
async def test_models_that_read_text_alone_get_strings(
    talk: Talk, server: MoonshotServer, make: Make, model: str
) -> None:
    parts: list[Any] = [{"type": "text", "text": "How tall"}, "is it?"]
    messages = [SystemMessage(["You know ", "lighthouses."]), HumanMessage(parts)]
    await talk(make(model=model, caching="off"), messages)
    contents = [message["content"] for message in body(server)["messages"]]
    assert all(isinstance(content, str) for content in contents)
    assert contents[1].split() == ["How", "tall", "is", "it?"]


async def test_models_that_see_get_pictures_as_they_are(
    talk: Talk, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    content: list[Any] = [{"type": "text", "text": "What is it?"}, PICTURE]
    await talk(llm, [HumanMessage(content)])
    assert body(server)["messages"][0]["content"] == content


MARKED: list[Json] = [
    {"cache_control": {"type": "ephemeral"}},
    {"prompt_cache_breakpoint": True},
    {"extras": {"cache_control": {"type": "ephemeral"}}},
    {"extras": {"prompt_cache_breakpoint": True}},
]


@pytest.mark.parametrize("mark", MARKED)
async def test_markers_for_other_vendors_are_never_sent(
    talk: Talk, server: MoonshotServer, llm: ChatMoonshotCached, mark: Json
) -> None:
    block = {"type": "text", "text": "You know lighthouses.", **mark}
    answer = ToolMessage([block], tool_call_id="height:0")
    server.answer_next({"tool_calls": [{"name": "height", "arguments": "{}"}]}, "so")
    messages = [SystemMessage([block]), HumanMessage([block])]
    bound = llm.bind_tools([height])
    first = await talk(bound, messages)
    await talk(bound, [*messages, first, answer])
    sent = str(bodies(server))
    assert "cache_control" not in sent
    assert "prompt_cache_breakpoint" not in sent
    assert "extras" not in sent


async def test_the_cachepoint_of_bedrock_is_not_sent_either(
    talk: Talk, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    point = {"cachePoint": {"type": "default"}}
    text = {"type": "text", "text": "You know lighthouses."}
    await talk(llm, [SystemMessage([text, point]), QUESTION])
    assert "cachePoint" not in str(bodies(server))
