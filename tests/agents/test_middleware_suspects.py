"""Who changes a prefix: the middleware that does is named, and nobody else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from agent_kit import QUESTION, RUNNER, SYSTEM, agent_of, asked, shape
from changing_kit import Rewriting, Tools, height, script_two_calls, ticking
from langchain.agents.middleware import (
    AgentMiddleware,
    ModelRequest,
    TodoListMiddleware,
)
from langchain_core.messages import HumanMessage, RemoveMessage, SystemMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph.message import REMOVE_ALL_MESSAGES

from langchain_moonshot_cache.middleware import MoonshotPromptCachingMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent_kit import Bench
    from colour_kit import Face


class Clock(Rewriting):
    """Tells the time, which goes by with each call."""

    def __init__(self) -> None:
        super().__init__()
        self.minutes: Iterator[int] = iter(range(10, 60))

    def told(self) -> str:
        return f"It is 12:{next(self.minutes)}."


class ClockInFront(Clock):
    """Puts it in front of the system prompt."""

    def change(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        text = f"{self.told()} {request.system_prompt}"
        return request.override(system_message=SystemMessage(text))


class ClockBehindTheSystemPrompt(Clock):
    """Puts it behind the system prompt, and so in front of all messages."""

    def change(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        text = f"{request.system_prompt} {self.told()}"
        return request.override(system_message=SystemMessage(text))


class ClockBeforeTheQuestion(Clock):
    """Puts it in front of the conversation."""

    def change(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        messages = [HumanMessage(self.told()), *request.messages]
        return request.override(messages=messages)


class ClockAtTheEnd(Clock):
    """Puts it behind the conversation, where it does no harm."""

    def change(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        messages = [*request.messages, HumanMessage(self.told())]
        return request.override(messages=messages)


class Header(Rewriting):
    """Puts a line in front of the system prompt that stays the same."""

    def change(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        text = f"You are Kimi. {request.system_prompt}"
        return request.override(system_message=SystemMessage(text))


def watched(bench: Bench, *others: Any, **options: Any) -> Any:
    caching = MoonshotPromptCachingMiddleware()
    given = {"tools": [height], **options}
    return agent_of(bench.ours(), *caching.watching(others), **given)


@pytest.mark.breaks_prefix("what stands in front changes on purpose")
@pytest.mark.parametrize(
    ("others", "named"),
    [
        ([ClockInFront, Header, TodoListMiddleware], "ClockInFront"),
        ([Header, ClockInFront, ClockAtTheEnd], "ClockInFront"),
        ([TodoListMiddleware, ClockInFront], "ClockInFront"),
        ([ClockBehindTheSystemPrompt, ClockInFront, Header], "ClockInFront"),
        ([ClockInFront, ClockBehindTheSystemPrompt], "ClockInFront"),
        ([ClockBehindTheSystemPrompt], "ClockBehindTheSystemPrompt"),
        ([ticking], "prompt"),
        ([Header, ClockBeforeTheQuestion, ClockAtTheEnd], "ClockBeforeTheQuestion"),
    ],
)
async def test_the_middleware_that_puts_changing_text_in_front_is_named(
    bench: Bench,
    face: Face,
    drifts: Callable[[], list[str]],
    others: list[Any],
    named: str,
) -> None:
    agent = watched(bench, *(kind() for kind in others))
    script_two_calls(bench)
    await face.invoke(agent, asked())
    (told,) = drifts()
    assert f"It comes from the middleware {named}." in told
    assert "12:" not in told
    assert SYSTEM[:10] not in told


@pytest.mark.breaks_prefix("what stands in front changes on purpose")
async def test_the_middleware_that_changes_the_tools_is_named(
    bench: Bench, face: Face, drifts: Callable[[], list[str]]
) -> None:
    tools = Tools([RUNNER], [RUNNER, height])
    agent = watched(bench, Header(), tools, tools=[RUNNER, height])
    await face.invoke(agent, asked())
    (told,) = drifts()
    assert "It comes from the middleware Tools." in told


async def test_text_that_changes_at_the_end_is_not_spoken_of(
    bench: Bench, face: Face, drifts: Callable[[], list[str]]
) -> None:
    agent = watched(bench, Header(), ClockAtTheEnd(), TodoListMiddleware())
    for _ in range(2):
        script_two_calls(bench)
        await face.invoke(agent, asked())
    assert len(bench.server.chats()) == 4
    assert drifts() == []


class Counting(AgentMiddleware[Any, Any, Any]):
    """Keeps the number of the call in front of the agent's own messages."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = iter(range(100))

    def before_model(self, state: Any, runtime: Any) -> dict[str, Any]:
        del runtime
        kept = [message for message in state["messages"] if message.id != "number"]
        number = HumanMessage(f"Call {next(self.numbers)}.", id="number")
        return {"messages": [RemoveMessage(REMOVE_ALL_MESSAGES), number, *kept]}


@pytest.mark.breaks_prefix("what stands in front changes on purpose")
async def test_a_change_of_the_agents_state_is_told_with_who_may_write_to_it(
    bench: Bench, face: Face, drifts: Callable[[], list[str]]
) -> None:
    agent = watched(bench, Header(), Counting())
    script_two_calls(bench)
    await face.invoke(agent, asked())
    (told,) = drifts()
    assert "message 1 of the conversation differs" in told
    assert "these middleware may write: Counting." in told


@pytest.mark.breaks_prefix("what stands in front changes on purpose")
async def test_without_the_others_the_way_to_the_name_is_told(
    bench: Bench, face: Face, drifts: Callable[[], list[str]]
) -> None:
    agent = agent_of(bench.ours(), ClockInFront(), MoonshotPromptCachingMiddleware())
    await face.invoke(agent, asked())
    (told,) = drifts()
    assert "its watching() names the one" in told


class InAThread(AgentMiddleware[Any, Any, Any]):
    """Hands its calls to a thread, which knows nothing of what came before."""

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[Any], Any]
    ) -> Any:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(handler, request).result()


@pytest.mark.breaks_prefix("what stands in front changes on purpose")
def test_nobody_is_named_where_a_call_goes_on_in_another_thread(
    bench: Bench, drifts: Callable[[], list[str]]
) -> None:
    agent = watched(bench, ClockInFront(), InAThread())
    script_two_calls(bench)
    agent.invoke(asked())
    (told,) = drifts()
    assert "Which middleware it comes from was not seen." in told


@pytest.mark.breaks_prefix("what stands in front changes on purpose")
async def test_nobody_is_named_for_the_prompts_of_two_agents(
    bench: Bench, face: Face, drifts: Callable[[], list[str]]
) -> None:
    caching = MoonshotPromptCachingMiddleware()
    for hour in (1, 2):
        others = caching.watching([Header()])
        agent = agent_of(bench.ours(), *others, system_prompt=f"It is {hour} o'clock.")
        await face.invoke(agent, asked("Who are you?"))
    (told,) = drifts()
    assert "before any middleware" in told


async def test_watches_change_nothing(bench: Bench, face: Face) -> None:
    async def said(llm: Any, *middleware: Any) -> Any:
        agent = agent_of(llm, *middleware, checkpointer=InMemorySaver())
        config = {"configurable": {"thread_id": "one"}}
        messages = (await face.invoke(agent, asked(), config=config))["messages"]
        return list(map(shape, messages)), agent.get_state(config).values.keys()

    caching = MoonshotPromptCachingMiddleware()
    await bench.same(
        lambda: said(bench.plain(), Header()),
        lambda: said(bench.ours(), *caching.watching([Header()])),
    )


async def test_conversations_without_a_thread_are_not_taken_for_one(
    bench: Bench, face: Face, drifts: Callable[[], list[str]]
) -> None:
    agent = watched(bench, ClockAtTheEnd())
    for question in (QUESTION, "Who are you?", QUESTION):
        script_two_calls(bench)
        await face.invoke(agent, asked(question))
    assert drifts() == []
