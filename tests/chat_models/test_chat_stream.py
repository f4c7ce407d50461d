"""Streams tell their figures once, on the last chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from chat_kit import CHAT, METADATA, QUESTION, SYSTEM, bodies, height, told
from langchain_core.callbacks import UsageMetadataCallbackHandler

if TYPE_CHECKING:
    from collections.abc import Callable

    from colour_kit import Face

    from langchain_moonshot_cache import ChatMoonshotCached
    from langchain_moonshot_cache.testing import MoonshotServer

LAYOUTS = ("choice", "chunk", "both")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("version", ["v0", "v1"])
async def test_usage_and_metadata_stand_on_the_last_chunk_and_nowhere_else(
    face: Face,
    server: MoonshotServer,
    make: Callable[..., ChatMoonshotCached],
    layout: Any,
    version: str,
) -> None:
    server.configure(usage_layout=layout)
    chunks = await face.stream(make(output_version=version), [SYSTEM, QUESTION])

    *before, last = chunks
    assert len(before) > 2
    assert all(chunk.usage_metadata is None for chunk in before)
    assert all(METADATA not in chunk.response_metadata for chunk in before)
    assert [chunk.chunk_position for chunk in chunks].count("last") == 1
    assert last.chunk_position == "last"
    assert last.text == ""
    [chat] = server.chats()
    assert last.usage_metadata["input_tokens"] == chat.prompt_tokens
    assert last.usage_metadata["output_tokens"] == chat.completion_tokens
    assert last.usage_metadata["input_token_details"] == {
        "cache_read": chat.cached_tokens
    }
    assert told(last)["outcome"] == "write"


@pytest.mark.parametrize("version", ["v0", "v1"])
async def test_a_stream_adds_up_to_the_answer_of_a_plain_call(
    face: Face, make: Callable[..., ChatMoonshotCached], version: str
) -> None:
    llm = make(output_version=version)
    await face.warm(llm, [SYSTEM])
    whole = await face.invoke(llm, [SYSTEM, QUESTION])
    added = await face.streamed(llm, [SYSTEM, QUESTION])

    assert added.text == whole.text
    assert added.usage_metadata == whole.usage_metadata
    for key in ("model_name", "finish_reason", "model_provider", "system_fingerprint"):
        assert added.response_metadata[key] == whole.response_metadata[key]
    streamed, plain = told(added), told(whole)
    assert streamed.pop("reason").startswith("cache found")
    assert plain.pop("reason").startswith("cache found")
    assert streamed == plain
    assert isinstance(whole.content, list) == (version == "v1")
    assert isinstance(added.content, list) == (version == "v1")


async def test_a_stream_of_tool_calls_comes_through_a_cache(
    face: Face, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    call = {"name": "height", "arguments": '{"name": "亚历山大"}'}
    server.answer_next({"tool_calls": [call]})
    added = await face.streamed(llm.bind_tools([height]), [SYSTEM, QUESTION])

    assert [(c["name"], c["args"]) for c in added.tool_calls] == [
        ("height", {"name": "亚历山大"})
    ]
    assert "tools" not in bodies(server)[0]


async def test_callbacks_hear_of_each_token_and_of_the_usage_once(
    face: Face, server: MoonshotServer, llm: ChatMoonshotCached, style: str
) -> None:
    handler = UsageMetadataCallbackHandler()
    config = {"callbacks": [handler]}
    await face.answer(llm, [SYSTEM, QUESTION], style=style, config=config)

    [chat] = server.chats()
    [(name, usage)] = handler.usage_metadata.items()
    assert name == chat.model
    assert usage["input_tokens"] == chat.prompt_tokens
    assert usage["output_tokens"] == chat.completion_tokens


async def test_events_carry_chunks_and_the_metadata_once(
    llm: ChatMoonshotCached,
) -> None:
    events = [e async for e in llm.astream_events([SYSTEM, QUESTION], version="v2")]
    chunks = [
        e["data"]["chunk"] for e in events if e["event"] == "on_chat_model_stream"
    ]
    [end] = [e["data"]["output"] for e in events if e["event"] == "on_chat_model_end"]

    assert len(chunks) > 3
    assert sum(METADATA in chunk.response_metadata for chunk in chunks) == 1
    assert sum(chunk.usage_metadata is not None for chunk in chunks) == 1
    assert told(end) == told(chunks[-1])
    assert end.usage_metadata == chunks[-1].usage_metadata
    assert "".join(chunk.text for chunk in chunks) == end.text


@pytest.mark.parametrize("kind", ["error_in_stream", "cut_stream_after"])
async def test_an_error_in_the_middle_of_a_stream_is_not_tried_again(
    face: Face, server: MoonshotServer, llm: ChatMoonshotCached, kind: Any
) -> None:
    server.fail(kind, path=CHAT, chunks=3)
    with pytest.raises(Exception, match=r"fault|broke before the answer was complete"):
        await face.stream(llm, [SYSTEM, QUESTION])

    assert len(bodies(server)) == 1
    assert server.creates() == 1
    server.clear()
    again = await face.streamed(llm, [SYSTEM, QUESTION])
    assert told(again)["outcome"] == "hit"


async def test_a_stream_that_is_left_early_leaves_nothing_behind(
    face: Face, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    if face.is_sync:
        stream = llm.stream([SYSTEM, QUESTION])
        next(stream)
        stream.close()  # type: ignore[attr-defined]  # it is a generator
    else:
        astream = llm.astream([SYSTEM, QUESTION])
        await anext(astream)
        await astream.aclose()  # type: ignore[attr-defined]  # it is a generator

    assert told(await face.invoke(llm, [SYSTEM, QUESTION]))["outcome"] == "hit"
    assert await face.release(llm) == 1
    assert server.caches() == []


async def test_response_headers_stay_only_if_they_were_asked_for(
    face: Face, style: str, make: Callable[..., ChatMoonshotCached]
) -> None:
    for wish in ({}, {"include_response_headers": False}):
        answer = await face.answer(make(**wish), [SYSTEM, QUESTION], style=style)
        assert "headers" not in answer.response_metadata
    kept = await face.answer(
        make(include_response_headers=True), [SYSTEM, QUESTION], style=style
    )
    headers = kept.response_metadata["headers"]
    assert headers["msh-context-cache-id"] == told(kept)["cache_id"]
