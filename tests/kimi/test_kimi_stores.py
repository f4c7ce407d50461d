"""History that LangChain and LangGraph keep goes back to the model as it came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from agent_loop import look, script, share
from chat_kit import bodies
from kimi_kit import LATER, LONG, QUESTION
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables.history import RunnableWithMessageHistory
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

if TYPE_CHECKING:
    from kimi_kit import Make, Talk
    from langchain_core.runnables import Runnable

    from langchain_moonshot_cache.testing import MoonshotServer

TURNS = 5


def calls_generated(server: MoonshotServer) -> list[Any]:
    """Return the tool calls of all turns as they were generated."""
    return [chat.answer["tool_calls"] for chat in server.chats()[:TURNS]]


def calls_sent_back(server: MoonshotServer) -> list[Any]:
    """Return those that the last request brought back."""
    turns = bodies(server)[-1]["messages"]
    return [turn["tool_calls"] for turn in turns if turn.get("tool_calls")]


# LangChain would rather have a checkpointer, and many programs have this one still.
@pytest.mark.filterwarnings("ignore:.*(is|was) deprecated")
@pytest.mark.parametrize("version", [None, "v1"])
async def test_a_chain_with_message_history_extends_what_it_sent(
    talk: Talk, server: MoonshotServer, make: Make, version: str | None
) -> None:
    store = InMemoryChatMessageHistory()
    prompt = ChatPromptTemplate.from_messages(
        [LONG, MessagesPlaceholder("history"), MessagesPlaceholder("said")]
    )
    chain: Any = RunnableWithMessageHistory(
        prompt | make(output_version=version).bind_tools([look]),
        lambda: store,
        input_messages_key="said",
        history_messages_key="history",
        history_factory_config=[],
    )
    server.answer_next(*script(TURNS), "so")
    said: list[Any] = [QUESTION]
    for _ in range(TURNS):
        answer = await talk(chain, {"said": said})
        said = [ToolMessage("lit", tool_call_id=answer.tool_calls[0]["id"])]
    await talk(chain, {"said": said})
    await talk(chain, {"said": [LATER]})

    assert calls_sent_back(server) == calls_generated(server)
    counted = share(server)
    assert counted.read == counted.held


def graph_of(llm: Runnable[Any, Any], *, colour: str) -> Any:
    """Build the agent that LangGraph's own page builds, with a checkpointer."""

    def ask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [llm.invoke([LONG, *state["messages"]])]}

    async def aask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await llm.ainvoke([LONG, *state["messages"]])]}

    graph = StateGraph(MessagesState)
    graph.add_node("ask", ask if colour == "sync" else aask)
    graph.add_node("tools", ToolNode([look]))
    graph.add_edge(START, "ask")
    graph.add_conditional_edges("ask", tools_condition)
    graph.add_edge("tools", "ask")
    return graph.compile(checkpointer=InMemorySaver())


@pytest.mark.parametrize("version", [None, "v1"])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_a_graph_with_a_checkpointer_extends_what_it_sent(
    server: MoonshotServer,
    make: Make,
    colour: str,
    *,
    streamed: bool,
    version: str | None,
) -> None:
    llm = make(output_version=version, streaming=streamed).bind_tools([look])
    graph = graph_of(llm, colour=colour)
    thread: Any = {"configurable": {"thread_id": "1"}, "recursion_limit": 50}
    server.answer_next(*script(TURNS), "so")
    for question in (QUESTION, HumanMessage("And the month before?")):
        given = {"messages": [question]}
        if colour == "sync":
            graph.invoke(given, thread)
        else:
            await graph.ainvoke(given, thread)

    assert calls_sent_back(server) == calls_generated(server)
    counted = share(server)
    assert counted.read == counted.held
