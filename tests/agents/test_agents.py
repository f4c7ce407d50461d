"""Agents as LangChain's users build them: only the model differs, nothing else does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest
from agent_kit import QUESTION, RUNNER, SYSTEM, asked, bodies, shape
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_classic.agents import AgentExecutor, create_tool_calling_agent
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import Command

from langchain_moonshot_cache import CachedPromptRunnable
from langchain_moonshot_cache.middleware import MoonshotPromptCachingMiddleware

if TYPE_CHECKING:
    from collections.abc import Hashable

    from agent_kit import Bench
    from colour_kit import Face

    from langchain_moonshot_cache.testing import RecordedChat

FURTHER = ("And what is Kimi?", "Who made it?")
APPROVE: Command[Any] = Command(resume={"decisions": [{"type": "approve"}]})


@pytest.fixture(params=[True, False], ids=["with middleware", "without"])
def ours(request: pytest.FixtureRequest) -> list[Any]:
    """Middleware of ours; it ignores the plain model, and none is needed either."""
    if not request.param:
        return []
    return [MoonshotPromptCachingMiddleware(unsupported_model_behavior="ignore")]


async def test_an_agent_runs_code_with_its_prompt_and_tool_cached(
    bench: Bench, face: Face, ours: list[Any]
) -> None:
    async def script(llm: Any) -> Any:
        agent = create_agent(llm, tools=[RUNNER], system_prompt=SYSTEM, middleware=ours)
        return list(map(shape, (await face.invoke(agent, asked()))["messages"]))

    chats = await bench.compare(script)
    assert [m["role"] for m in chats[-1].messages][-2:] == ["assistant", "tool"]
    assert all(chat.cache_id for chat in chats)
    assert bench.server.creates() == 1
    assert [body["messages"][0]["role"] for body in bodies(bench.server)] == [
        "cache",
        "cache",
    ]


async def test_an_interrupted_agent_goes_on_and_is_asked_two_turns_more(
    bench: Bench, face: Face, ours: list[Any]
) -> None:
    async def script(llm: Any) -> Any:
        agent = create_agent(
            llm,
            tools=[RUNNER],
            system_prompt=SYSTEM,
            middleware=[HumanInTheLoopMiddleware({RUNNER.name: True}), *ours],
            checkpointer=InMemorySaver(),
        )
        config = {"configurable": {"thread_id": "one"}}
        stopped = await face.invoke(agent, asked(), config=config)
        assert "__interrupt__" in stopped
        said = await face.invoke(agent, APPROVE, config=config)
        for question in FURTHER:
            said = await face.invoke(agent, asked(question), config=config)
            while "__interrupt__" in said:
                said = await face.invoke(agent, APPROVE, config=config)
        return list(map(shape, said["messages"]))

    chats = await bench.compare(script)
    assert len(chats) >= 2 + len(FURTHER)
    assert all(chat.cache_id for chat in chats)
    assert bench.server.creates() == 1


async def test_two_agents_of_one_graph_share_one_prefix(
    bench: Bench, face: Face
) -> None:
    async def script(llm: Any) -> Any:
        graph = StateGraph(MessagesState)
        wishes = {"first": "5m", "second": "1h"}
        for name, ttl in wishes.items():
            ours = MoonshotPromptCachingMiddleware(
                ttl=ttl,  # type: ignore[arg-type]  # a string, for all that mypy sees
                unsupported_model_behavior="ignore",
            )
            agent = create_agent(
                llm, tools=[RUNNER], system_prompt=SYSTEM, middleware=[ours]
            )
            graph.add_node(name, agent)
        graph.add_edge(START, "first")
        graph.add_edge("first", "second")
        graph.add_edge("second", END)
        said = await face.invoke(graph.compile(), asked())
        return list(map(shape, said["messages"]))

    chats = await bench.compare(script)
    assert len({chat.cache_id for chat in chats}) == 1
    assert bench.server.creates() == 1
    # The first agent makes the cache for its five minutes, the second prolongs it.
    made = bench.server.requests(method="POST", path="/v1/caching")
    assert [request.body["ttl"] for request in made] == [300]
    renewed = [body["messages"][0]["content"] for body in bodies(bench.server)]
    assert renewed[0].endswith(";reset_ttl=300")
    assert renewed[-1].endswith(";reset_ttl=3600")


@tool("CodeRunner")
def runner(language: str, code: str) -> str:
    """Run code."""
    return str(RUNNER.invoke({"language": language, "code": code}))


TALK = ChatPromptTemplate([("system", SYSTEM), ("placeholder", "{messages}")])


def graph_of(prompt: Any, llm: Any) -> Any:
    """Make a graph by hand: one who may run code, and one who has the last word."""
    said: Any = RunnableLambda(lambda message: {"messages": [message]})
    graph = StateGraph(MessagesState)
    graph.add_node("coder", prompt | llm | said)
    graph.add_node("tools", ToolNode([runner]))
    graph.add_node("speaker", prompt | llm | said)
    graph.add_edge(START, "coder")
    ends: dict[Hashable, str] = {"tools": "tools", END: "speaker"}
    graph.add_conditional_edges("coder", tools_condition, ends)
    graph.add_edge("tools", "coder")
    graph.add_edge("speaker", END)
    return graph.compile()


@pytest.mark.parametrize("kind", ["ours", "plain"])
async def test_two_agents_of_a_graph_made_by_hand_share_one_cached_prompt(
    bench: Bench, face: Face, kind: str
) -> None:
    async def said(graph: Any) -> Any:
        return list(map(shape, (await face.invoke(graph, asked()))["messages"]))

    prompt = CachedPromptRunnable(TALK, model=getattr(bench, kind)(), tools=[runner])
    chats = await bench.same(
        lambda: said(graph_of(TALK, bench.plain().bind_tools([runner]))),
        lambda: said(graph_of(prompt, prompt.model_with_tools)),
    )
    assert len(chats) == 3
    assert len({chat.cache_id for chat in chats}) == 1
    assert all(chat.cache_id for chat in chats)
    assert bench.server.creates() == 1


EXECUTOR_PROMPT = ChatPromptTemplate(
    [
        ("system", SYSTEM),
        ("human", "{input}"),
        ("placeholder", "{agent_scratchpad}"),
    ]
)


def executor_of(llm: Any, prompt: Any) -> AgentExecutor:
    agent = create_tool_calling_agent(llm, [runner], prompt)
    return AgentExecutor(agent=agent, tools=[runner])


async def steps_of(executor: AgentExecutor, face: Face) -> list[Any]:
    steps = await face.stream(executor, {"input": QUESTION})
    return [[shape(m) for m in step["messages"]] for step in steps]


def check_streamed_from_one_cache(bench: Bench, chats: list[RecordedChat]) -> None:
    assert len(chats) == 2
    assert all(chat.request.body["stream"] for chat in chats)
    assert all(chat.cache_id for chat in chats)
    assert all("tools" not in chat.request.body for chat in chats)
    assert bench.server.creates() == 1


async def test_an_agent_executor_streams_step_by_step_as_before(
    bench: Bench, face: Face
) -> None:
    async def script(llm: Any) -> Any:
        return await steps_of(executor_of(llm, EXECUTOR_PROMPT), face)

    chats = await bench.compare(script, stream_usage=True)
    check_streamed_from_one_cache(bench, chats)


@pytest.mark.parametrize("kind", ["ours", "plain"])
async def test_an_agent_executor_with_a_cached_prompt_streams_as_before(
    bench: Bench, face: Face, kind: str
) -> None:
    llm = getattr(bench, kind)(stream_usage=True)
    prompt = CachedPromptRunnable(EXECUTOR_PROMPT, model=llm, tools=[runner])
    chats = await bench.same(
        lambda: steps_of(executor_of(bench.plain(), EXECUTOR_PROMPT), face),
        lambda: steps_of(executor_of(prompt.model_with_tools, prompt), face),
    )
    check_streamed_from_one_cache(bench, chats)


async def test_an_executor_that_binds_tools_to_the_plain_model_itself_is_refused(
    bench: Bench, face: Face
) -> None:
    llm = bench.plain(stream_usage=True)
    prompt = CachedPromptRunnable(EXECUTOR_PROMPT, model=llm, tools=[runner])
    with pytest.raises(openai.BadRequestError, match="tools must be absent"):
        await steps_of(executor_of(llm, prompt), face)
    assert bench.server.chats() == []
