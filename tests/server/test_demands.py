"""What today's models ask of a request, and how it is refused when it is not given."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from server_kit import MODEL, QUESTION, TOOL, Api, chunks_of, reason

Json = dict[str, Any]

KIMI = "kimi-k3"
WEATHER: Json = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"place": {"type": "string", "description": "title, format"}},
            "required": ["place"],
        },
    },
}
UNTHINKING: Json = {"model": "kimi-k2.6", "thinking": {"type": "disabled"}}
CALLED: Json = {
    "role": "assistant",
    "content": None,
    "reasoning_content": "I must look.",
    "tool_calls": [
        {
            "id": "lookup:0",
            "type": "function",
            "function": {"name": "lookup", "arguments": "{}"},
        }
    ],
}
RESULT = {"role": "tool", "tool_call_id": "lookup:0", "content": "100 metres"}


def with_part(part: Json) -> Json:
    return {"role": "user", "content": [{"type": "text", "text": "Look"}, part]}


def picture(url: Any) -> Json:
    return with_part({"type": "image_url", "image_url": url})


# --- Thinking -----------------------------------------------------------------------
@pytest.mark.parametrize("model", [KIMI, "kimi-k2.7-code", "kimi-k2.6"])
def test_a_thinking_model_shows_its_thoughts(api: Api, model: str) -> None:
    message = api.chat(model=model).json()["choices"][0]["message"]
    assert message["reasoning_content"]


def test_answers_from_the_script_are_thought_about_too(api: Api) -> None:
    api.server.answer_next("first", "second", "third")
    for fields, thinks in (({"model": KIMI}, True), (UNTHINKING, False), ({}, False)):
        message = api.chat(**fields).json()["choices"][0]["message"]
        assert ("reasoning_content" in message) == thinks


@pytest.mark.parametrize("model", [KIMI, "kimi-k3.1-pro", "kimi-k2.7-code"])
def test_a_model_that_always_thinks_cannot_be_told_not_to(api: Api, model: str) -> None:
    reply = api.chat(model=model, thinking={"type": "disabled"})
    assert "always thinks" in reason(reply, 400)


@pytest.mark.parametrize(
    ("effort", "status"),
    [("low", 200), ("high", 200), ("max", 200), ("medium", 400), ("none", 400)],
)
def test_kimi_k3_knows_three_efforts(api: Api, effort: str, status: int) -> None:
    assert api.chat(model=KIMI, reasoning_effort=effort).status_code == status


def test_a_turn_with_tool_calls_must_bring_its_reasoning_back(api: Api) -> None:
    history = [QUESTION, CALLED, RESULT]
    assert api.chat(*history, model=KIMI).status_code == 200
    for missing in ({**CALLED, "reasoning_content": None}, dict(CALLED)):
        if missing["reasoning_content"]:
            del missing["reasoning_content"]
        refusal = reason(api.chat(QUESTION, missing, RESULT, model=KIMI), 400)
        assert refusal.startswith("messages[1].reasoning_content is missing")
        for fields in (UNTHINKING, {"model": MODEL}):
            assert api.chat(QUESTION, missing, RESULT, **fields).status_code == 200


def test_an_empty_reasoning_is_one_that_was_brought_back(api: Api) -> None:
    empty = {**CALLED, "reasoning_content": ""}
    assert api.chat(QUESTION, empty, RESULT, model=KIMI).status_code == 200


def test_a_turn_without_tool_calls_may_lose_its_reasoning(api: Api) -> None:
    said = {"role": "assistant", "content": "A hundred metres."}
    assert api.chat(QUESTION, said, QUESTION, model=KIMI).status_code == 200


@pytest.mark.parametrize(
    "choice", ["required", {"type": "function", "function": {"name": "lookup"}}]
)
def test_no_tool_can_be_forced_on_a_model_that_thinks(api: Api, choice: Any) -> None:
    fields = {"tools": [TOOL], "tool_choice": choice}
    assert "tool_choice" in reason(api.chat(model=KIMI, **fields), 400)
    assert api.chat(**UNTHINKING, **fields).status_code == 200


# --- Sampling and limits ------------------------------------------------------------
@pytest.mark.parametrize(
    ("fields", "temperature", "status"),
    [
        ({"model": KIMI}, 1, 200),
        ({"model": KIMI}, 1.0, 200),
        ({"model": KIMI}, 0.6, 400),
        ({"model": "kimi-k2.6"}, 1, 200),
        ({"model": "kimi-k2.6"}, 0.6, 400),
        (UNTHINKING, 0.6, 200),
        (UNTHINKING, 1, 400),
        ({"model": MODEL}, 0.3, 200),
    ],
)
def test_the_temperature_of_kimi_models_is_fixed(
    api: Api, fields: Json, temperature: float, status: int
) -> None:
    assert api.chat(temperature=temperature, **fields).status_code == status


@pytest.mark.parametrize("name", ["max_completion_tokens", "max_tokens"])
def test_a_limit_covers_reasoning_and_answer_together(api: Api, name: str) -> None:
    turn_tokens = 1
    assert api.chat(model=KIMI).json()["usage"]["completion_tokens"] > 10 + turn_tokens
    limit: Json = {name: 10}
    cut = api.chat(model=KIMI, **limit).json()
    assert cut["choices"][0]["finish_reason"] == "length"
    assert cut["usage"]["completion_tokens"] <= 10 + turn_tokens


# --- Schemas ------------------------------------------------------------------------
def test_a_schema_outside_the_subset_is_refused_with_its_path(api: Api) -> None:
    parameters = {
        "type": "object",
        "properties": {"when": {"type": "string", "format": "date"}},
    }
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    path = "tools[1].function.parameters.properties.when.format"
    assert path in reason(api.chat(model=KIMI, tools=[WEATHER, tool]), 400)
    assert api.chat(model=MODEL, tools=[tool]).status_code == 200
    tool["function"]["strict"] = False  # type: ignore[index] # an object
    assert api.chat(model=KIMI, tools=[tool]).status_code == 200


def test_the_schema_of_an_answer_keeps_to_the_subset_too(api: Api) -> None:
    schema = {"type": "object", "title": "Place", "properties": {}}
    wanted = {"type": "json_schema", "json_schema": {"name": "p", "schema": schema}}
    refusal = reason(api.chat(model=KIMI, response_format=wanted), 400)
    assert refusal.startswith("response_format.json_schema.schema.title")


def test_a_function_must_be_named_like_one(api: Api) -> None:
    tool = {"type": "function", "function": {"name": "1st"}}
    assert "tools[0].function.name" in reason(api.chat(model=KIMI, tools=[tool]), 400)


def test_a_built_in_function_is_refused_with_an_explanation(api: Api) -> None:
    tool = {"type": "builtin_function", "function": {"name": "$web_search"}}
    refusal = reason(api.chat(model=KIMI, tools=[tool]), 400)
    assert "$web_search" in refusal
    assert "nothing to search" in refusal


def test_a_cache_takes_no_built_in_function(api: Api) -> None:
    tool = {"type": "builtin_function", "function": {"name": "$web_search"}}
    assert "tools[0].type" in api.refused(400, tools=[tool])


# --- Content ------------------------------------------------------------------------
@pytest.mark.parametrize(
    "url", ["data:image/png;base64,AAAA", {"url": "ms://file-7"}, {"url": "ms://f"}]
)
def test_pictures_come_with_the_request_or_as_files(api: Api, url: Any) -> None:
    assert api.chat(picture(url), model=KIMI).status_code == 200


@pytest.mark.parametrize("url", ["https://example.com/x.png", {"url": "http://x/y"}])
def test_a_picture_in_public_is_not_fetched(api: Api, url: Any) -> None:
    refusal = reason(api.chat(picture(url), model=KIMI), 400)
    assert refusal.startswith("messages[0].content[1].image_url")


def test_a_model_that_reads_texts_only_refuses_parts(api: Api) -> None:
    said = with_part({"type": "text", "text": "here"})
    assert "messages[1].content" in reason(api.chat(QUESTION, said), 400)


def test_a_breakpoint_in_content_is_refused(api: Api) -> None:
    part = {"type": "text", "text": "x", "prompt_cache_breakpoint": {}}
    refusal = reason(api.chat(with_part(part), model=KIMI), 400)
    assert "content[1].prompt_cache_breakpoint" in refusal


def test_more_than_one_choice_is_refused(api: Api) -> None:
    assert reason(api.chat(model=KIMI, n=2), 400).startswith("n must be")


def test_a_refused_request_reaches_no_engine_and_costs_nothing(api: Api) -> None:
    reason(api.chat(model=KIMI, temperature=0), 400)
    assert api.server.chats() == []
    assert api.server.bill().lines == []


# --- Models -------------------------------------------------------------------------
def test_one_model_can_be_looked_up(api: Api) -> None:
    listed = {model["id"]: model for model in api.get("/models").json()["data"]}
    assert api.get(f"/models/{KIMI}").json() == listed[KIMI]
    missing = api.get("/models/kimi-latest")
    assert "kimi-latest" in reason(missing, 404)
    assert missing.json()["error"]["type"] == "resource_not_found_error"


def test_retired_models_are_served_unless_their_dates_are_to_hold(api: Api) -> None:
    retired = datetime(2026, 8, 31, tzinfo=UTC).timestamp()
    api.server.clock.set(retired)
    assert api.chat(model=MODEL).status_code == 200
    api.server.configure(retired_models=True)
    gone = api.chat(model=MODEL)
    assert reason(gone, 404) == f"Not found the model {MODEL} or Permission denied"
    assert gone.json()["error"]["type"] == "resource_not_found_error"
    assert api.get(f"/models/{MODEL}").status_code == 404
    assert api.chat(model=KIMI).status_code == 200
    api.server.clock.set(retired - 1)
    assert api.chat(model=MODEL).status_code == 200
    assert MODEL in {model["id"] for model in api.get("/models").json()["data"]}


# --- Errors that a test asks for ----------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("exceeded_current_quota_error", 429),
        ("engine_overloaded_error", 429),
        ("content_filter", 400),
        ("permission_denied_error", 403),
        ("server_error", 500),
    ],
)
def test_an_error_of_the_api_is_scripted_by_its_name(
    api: Api, kind: str, status: int
) -> None:
    api.server.fail("status", error=kind, nth=1)
    refused = api.chat(model=KIMI)
    reason(refused, status)
    assert refused.json()["error"]["type"] == kind
    assert api.chat(model=KIMI).status_code == 200


def test_an_error_in_a_stream_is_scripted_by_its_name(api: Api) -> None:
    api.server.fail("error_in_stream", error="engine_overloaded_error", chunks=2)
    reply = api.chat(model=KIMI, stream=True)
    assert reply.status_code == 200
    *chunks, error = chunks_of(f"{reply.text}data: [DONE]\n\n")
    assert len(chunks) == 2
    assert error["error"]["type"] == "engine_overloaded_error"


def test_an_error_that_the_api_does_not_have_cannot_be_scripted(api: Api) -> None:
    with pytest.raises(ValueError, match="error must be one of"):
        api.server.fail("status", error="bad_luck")
