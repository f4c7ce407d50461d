"""A stream comes in the same chunks, in the same order, and not later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from chat_kit import CHAT, height
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableParallel
from tried_kit import PROMPT, QUESTION

if TYPE_CHECKING:
    from chat_kit import Json
    from colour_kit import Face
    from tried_kit import Stand, Trial

HEIGHT = {"question": "Use height for Genoa."}
LAYOUTS: tuple[Any, ...] = ("choice", "chunk", "both")


def streaming(stand: Stand, **options: Any) -> Any:
    """Make a model that asks for usage, as ours does unless told otherwise."""
    return stand.model(stream_usage=True, **options)


def told(chunk: Any) -> Json:
    """Return what a chain goes on with, and where the stream ends.

    Reasoning is not told by ``ChatOpenAI``, whose chunks are empty in its place; nor
    are the figures of the last chunk.
    """
    calls = [(c["name"], c["args"], c["index"]) for c in chunk.tool_call_chunks]
    return {
        "content": chunk.content,
        "calls": calls,
        "finish": chunk.response_metadata.get("finish_reason"),
        "last": chunk.chunk_position,
    }


async def test_a_stream_of_messages(trial: Trial, face: Face) -> None:
    async def script(stand: Stand) -> Any:
        llm = streaming(stand)
        chain = stand.prompt(PROMPT, llm) | llm
        chunks = []
        for layout in LAYOUTS:
            stand.server.configure(usage_layout=layout)
            chunks.append(list(map(told, await face.stream(chain, QUESTION))))
        return chunks

    await trial.same(script)


async def test_a_stream_of_tool_calls(ours: Trial, face: Face) -> None:
    async def script(stand: Stand) -> Any:
        llm = streaming(stand).bind_tools([height])
        chunks = await face.stream(stand.prompt(PROMPT, llm) | llm, HEIGHT)
        assert sum(bool(chunk.tool_call_chunks) for chunk in chunks) > 1
        return list(map(told, chunks))

    await ours.same(script)


async def test_a_stream_of_text_behind_a_parser(trial: Trial, face: Face) -> None:
    async def script(stand: Stand) -> Any:
        llm = streaming(stand)
        chain = stand.prompt(PROMPT, llm) | llm | StrOutputParser()
        return await face.stream(chain, QUESTION)

    await trial.same(script)


async def test_streams_of_branches_that_run_at_once(trial: Trial, face: Face) -> None:
    async def script(stand: Stand) -> Any:
        llm = streaming(stand)
        text = stand.prompt(PROMPT, llm) | llm | StrOutputParser()
        chunks = await face.stream(RunnableParallel(a=text, b=text), QUESTION)
        # Which of two branches is faster is up to the machine.
        return {name: [c[name] for c in chunks if name in c] for name in ("a", "b")}

    await trial.same(script)


async def test_a_stream_of_a_fallback(ours: Trial, face: Face) -> None:
    async def script(stand: Stand) -> Any:
        stand.server.fail("status", path=CHAT, nth=1, status=500)
        llm = streaming(stand).with_fallbacks([streaming(stand, temperature=1)])
        chain = stand.prompt(PROMPT, llm) | llm | StrOutputParser()
        return await face.stream(chain, QUESTION)

    await ours.same(script)


@pytest.mark.parametrize("sent", [1, 4])
async def test_each_chunk_is_there_before_the_next_one_is_sent(
    trial: Trial, face: Face, sent: int
) -> None:
    """A stream that breaks off has told until then what it was sent."""

    async def script(stand: Stand) -> Any:
        stand.server.fail("cut_stream_after", path=CHAT, nth=1, chunks=sent)
        llm = streaming(stand)
        chain = stand.prompt(PROMPT, llm) | llm
        chunks: list[Json] = []
        broken = False
        try:
            if face.is_sync:
                chunks.extend(told(chunk) for chunk in chain.stream(QUESTION))
            else:
                async for chunk in chain.astream(QUESTION):
                    chunks.append(told(chunk))  # noqa: PERF401 - what came stays
        except Exception:  # noqa: BLE001 - of which kind, the models' own tests say
            broken = True
        assert len(chunks) == sent
        return chunks, broken

    await trial.same(script)
