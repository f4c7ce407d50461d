"""Events and traces tell the same of a chain, and no secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from chat_kit import height
from langchain_core.load import dumps
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableParallel
from langchain_core.tracers.base import BaseTracer
from tried_kit import KEY, LORE, PROMPT, QUESTION

if TYPE_CHECKING:
    from colour_kit import Face
    from langchain_core.tracers.schemas import Run
    from tried_kit import Stand, Trial

OURS = {
    "ChatMoonshotCached": "ChatOpenAI",
    "CachedPromptRunnable": "ChatPromptTemplate",
}
"""What a changed line is called, and what it was called before."""


class Local(BaseTracer):
    """Keeps the runs that LangSmith would be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.roots: list[Run] = []

    def _persist_run(self, run: Run) -> None:
        self.roots.append(run)


def as_before(name: str) -> str:
    return OURS.get(name, name)


def tree(run: Run) -> tuple[Any, ...]:
    """Return the shape of a trace: kinds and names, and whether all went well."""
    children = sorted(map(tree, run.child_runs), key=repr)
    tags = sorted(run.tags or ())
    return run.run_type, as_before(run.name), tags, run.error, children


def written(run: Run) -> str:
    """Write a trace as it would be sent, with all that belongs to its runs."""
    told = [run.inputs, run.outputs, run.extra, run.serialized, run.events, run.error]
    return "".join([dumps(told), *map(written, run.child_runs)])


@pytest.mark.parametrize("style", ["invoke", "stream"])
async def test_the_tree_of_runs_is_the_same(
    trial: Trial, face: Face, style: str
) -> None:
    async def script(stand: Stand) -> Any:
        llm = stand.model().with_config(tags=["ours"])
        text = stand.prompt(PROMPT, llm) | llm | StrOutputParser()
        tracer = Local()
        config = {"callbacks": [tracer], "metadata": {"user": "me"}}
        call = face.invoke if style == "invoke" else face.stream
        await call(RunnableParallel(a=text, b=text), QUESTION, config=config)
        [root] = tracer.roots
        return tree(root)

    await trial.same(script)


async def test_a_trace_holds_the_prompt_as_often_as_before_and_never_the_key(
    trial: Trial, face: Face
) -> None:
    held: dict[str | None, int] = {}

    async def script(stand: Stand) -> Any:
        llm = stand.model()
        tracer = Local()
        chain = stand.prompt(PROMPT, llm) | llm | StrOutputParser()
        await face.invoke(chain, QUESTION, config={"callbacks": [tracer]})
        [root] = tracer.roots
        text = written(root)
        assert KEY not in text
        held[stand.line] = text.count(LORE)

    await trial.same(script)
    assert held[None] > 0
    assert held[trial.stand.line] <= held[None]


async def test_events_come_in_the_same_order_under_the_same_names(
    trial: Trial,
) -> None:
    async def script(stand: Stand) -> Any:
        llm = stand.model(stream_usage=True)
        chain = stand.prompt(PROMPT, llm) | llm | StrOutputParser()
        return [
            (event["event"], as_before(event["name"]), sorted(event["tags"]))
            for each in (QUESTION, QUESTION)
            async for event in chain.astream_events(each, version="v2")
        ]

    await trial.same(script)


async def test_the_text_of_events_is_the_same(trial: Trial) -> None:
    async def script(stand: Stand) -> Any:
        llm = stand.model(stream_usage=True)
        chain = stand.prompt(PROMPT, llm) | llm | StrOutputParser()
        kinds = ("on_chat_model_stream", "on_parser_stream", "on_chain_stream")
        return [
            getattr(event["data"]["chunk"], "content", event["data"]["chunk"])
            async for event in chain.astream_events(QUESTION, version="v2")
            if event["event"] in kinds
        ]

    await trial.same(script)


async def test_an_error_is_traced_where_it_happened(ours: Trial, face: Face) -> None:
    async def script(stand: Stand) -> Any:
        stand.server.fail("status", path="/v1/chat/completions", nth=1, status=500)
        llm = stand.model().bind_tools([height])
        tracer = Local()
        chain = stand.prompt(PROMPT, llm) | llm
        with pytest.raises(Exception, match="500"):
            await face.invoke(chain, QUESTION, config={"callbacks": [tracer]})
        [root] = tracer.roots
        assert KEY not in written(root)
        await face.invoke(chain, QUESTION)
        return [(run.run_type, bool(run.error)) for run in (root, *root.child_runs)]

    await ours.same(script)
