"""Every way of calling a chain, with a cached prompt in the template's place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import (
    ConfigurableField,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)
from langchain_core.runnables.utils import AddableDict
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler
from runnable_kit import LORE, PROMPT, QUESTION, answered, height, what_counts

from langchain_moonshot_cache import CachedPromptRunnable

if TYPE_CHECKING:
    from colour_kit import Face
    from runnable_kit import Bench

INPUTS = [{"question": f"How tall is number {n}?"} for n in range(4)]


def both(bench: Bench, **options: Any) -> tuple[Any, Any]:
    """Make the chain without a cache and the one with it, parsers behind both.

    Both have the same model: a chain differs in its prompt and in nothing else.
    """
    llm = bench.model(streaming=True, stream_usage=True)
    cached = CachedPromptRunnable(PROMPT, model=llm, **options)
    return PROMPT | llm | StrOutputParser(), cached | llm | StrOutputParser()


async def test_a_stream_arrives_in_as_many_chunks_as_without(
    bench: Bench, face: Face
) -> None:
    before, after = both(bench)
    expected = await face.stream(before, QUESTION)
    assert len(expected) > 3
    assert await face.stream(after, QUESTION) == expected
    assert bench.bodies()[-1]["messages"][0]["role"] == "cache"


async def test_a_chain_that_is_fed_a_stream_passes_one_on(
    bench: Bench, face: Face
) -> None:
    before, after = both(bench)
    given = [AddableDict(question="How "), AddableDict(question="tall?")]
    expected = await face.transform(before, given)
    assert len(expected) > 3
    assert await face.transform(after, given) == expected


async def test_a_batch_is_answered_in_order_from_one_cache(
    bench: Bench, face: Face
) -> None:
    before, after = both(bench)
    expected = await face.batch(before, INPUTS)
    bench.server.configure(ready_after=0.05)
    made = bench.server.creates()
    assert await face.batch(after, INPUTS) == expected
    assert bench.server.creates() <= made + 1


async def test_a_batch_gives_back_errors_when_asked_to(
    bench: Bench, face: Face
) -> None:
    _, after = both(bench)
    given = [QUESTION, {"wrong": "name"}]
    answer, error = await face.batch(after, given, return_exceptions=True)
    assert isinstance(answer, str)
    assert isinstance(error, KeyError)


async def test_branches_of_a_chain_share_one_cache(bench: Bench, face: Face) -> None:
    before, after = both(bench)
    expected = await face.invoke(RunnableParallel(a=before, b=before), QUESTION)
    assert await face.invoke(RunnableParallel(a=after, b=after), QUESTION) == expected
    chats = bench.server.chats()
    assert what_counts(chats[-1]) == what_counts(chats[0])
    assert len(bench.server.caches()) == 1


async def test_what_stands_before_a_template_may_stand_before_it(
    bench: Bench, face: Face
) -> None:
    _, after = both(bench)
    chain = {"question": RunnablePassthrough()} | after
    assert await face.invoke(chain, "How tall?")
    chain = RunnableLambda(lambda text: {"question": text, "more": 1}) | after
    assert await face.stream(chain, "How tall?")
    asked = [chat.messages[-1]["content"] for chat in bench.server.chats()]
    assert asked == ["How tall?", "How tall?"]


async def test_a_value_that_stands_alone_fills_in_the_only_variable(
    bench: Bench, face: Face
) -> None:
    before, after = both(bench)
    expected = await face.invoke(before, "How tall?")
    assert await face.invoke(after, "How tall?") == expected


async def test_a_call_of_a_tool_comes_back_as_without(bench: Bench, face: Face) -> None:
    given = {"question": "Use height for Genoa."}
    chains = [make(PROMPT, tools=[height]) for make in (bench.uncached, bench.cached)]
    one, other = [await face.invoke(chain, given) for chain in chains]
    assert answered(other) == answered(one)
    assert other.tool_calls[0]["name"] == "height"


# Config -----------------------------------------------------------------------


class Listener(BaseCallbackHandler):
    """Writes down what starts and what ends, and with which config."""

    def __init__(self) -> None:
        self.started: list[tuple[str, Any, Any]] = []
        self.failed: list[str] = []

    def on_chain_start(self, serialized: Any, inputs: Any, **kwargs: Any) -> None:
        del serialized, inputs
        told = kwargs["metadata"] or {}
        self.started.append((kwargs["name"], sorted(kwargs["tags"]), told.get("who")))

    def on_chain_error(self, error: BaseException, **kwargs: Any) -> None:
        del kwargs
        self.failed.append(type(error).__name__)


async def test_callbacks_tags_and_metadata_reach_the_prompt(
    bench: Bench, face: Face
) -> None:
    llm = bench.model()
    template = PROMPT.model_copy(update={"tags": ["own"]})
    prompt = CachedPromptRunnable(template, model=llm, name="lore")
    listener = Listener()
    config = {"callbacks": [listener], "tags": ["ours"], "metadata": {"who": "me"}}
    await face.invoke(prompt | llm, QUESTION, config=config)
    chain, inner = listener.started
    assert chain == ("RunnableSequence", ["ours"], "me")
    assert inner == ("lore", ["ours", "own", "seq:step:1"], "me")


async def test_a_run_name_goes_before_the_name_of_the_cache(
    bench: Bench, face: Face
) -> None:
    prompt = CachedPromptRunnable(PROMPT, model=bench.model(), name="lore")
    named = prompt.with_config(run_name="today", tags=["bound"])
    listener = Listener()
    await face.invoke(named, QUESTION, config={"callbacks": [listener]})
    assert listener.started == [("today", ["bound"], None)]


async def test_a_trace_shows_the_run_of_a_prompt_with_what_it_gave(
    bench: Bench, face: Face
) -> None:
    prompt = CachedPromptRunnable(PROMPT, model=bench.model())
    collector = RunCollectorCallbackHandler()
    value = await face.invoke(prompt, QUESTION, config={"callbacks": [collector]})
    (run,) = collector.traced_runs
    assert (run.run_type, run.name) == ("prompt", "CachedPromptRunnable")
    assert run.inputs == QUESTION
    assert run.outputs == {"output": value}


async def test_an_input_that_does_not_fit_is_traced_as_an_error(
    bench: Bench, face: Face
) -> None:
    prompt = CachedPromptRunnable(PROMPT, model=bench.model())
    listener = Listener()
    with pytest.raises(KeyError):
        await face.invoke(prompt, {}, config={"callbacks": [listener]})
    assert listener.failed == ["KeyError"]


async def test_events_of_prompt_and_model_come_as_without(bench: Bench) -> None:
    names = []
    for chain in both(bench):
        events = [event async for event in chain.astream_events(QUESTION, version="v2")]
        names.append([event["event"] for event in events])
    assert names[1] == names[0]
    assert {"on_prompt_start", "on_prompt_end", "on_chat_model_stream"} <= {*names[1]}


async def test_fields_may_be_configured_at_run_time(bench: Bench, face: Face) -> None:
    llm = bench.model()
    prompt = CachedPromptRunnable(PROMPT, model=llm, tools=[height])
    chain = prompt.configurable_fields(prompt=ConfigurableField(id="template")) | llm
    other = ChatPromptTemplate(
        [("system", "You keep a lamp."), ("human", "{question}")]
    )
    await face.invoke(chain, QUESTION)
    await face.invoke(chain, QUESTION, config={"configurable": {"template": other}})
    first, second = bench.server.chats()
    assert first.messages[0]["content"] == LORE
    assert second.messages[0]["content"] == "You keep a lamp."
    assert second.tools == first.tools
    assert second.cache_id != first.cache_id


def test_it_tells_the_same_of_its_input_and_output_as_the_template(
    bench: Bench,
) -> None:
    prompt = CachedPromptRunnable(PROMPT, model=bench.model())
    assert prompt.InputType == PROMPT.InputType
    assert prompt.OutputType == PROMPT.OutputType
    schemas = [p.get_input_schema().model_json_schema() for p in (PROMPT, prompt)]
    assert schemas[1] == schemas[0]
    assert prompt.input_variables == PROMPT.input_variables
    before, after = both(bench)
    assert after.get_output_schema() == before.get_output_schema()
    graphs = [chain.get_graph() for chain in (before, after)]
    assert len(graphs[1].nodes) == len(graphs[0].nodes)
    assert "CachedPromptRunnable" in graphs[1].draw_mermaid()
