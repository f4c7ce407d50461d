"""Prefixes that drift: what changes from call to call is told of, and who does it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from agent_kit import QUESTION, RUNNER, SYSTEM, agent_of, asked, shape
from langchain.agents.middleware import (
    AgentMiddleware,
    ModelRequest,
    TodoListMiddleware,
    dynamic_prompt,
)
from langchain_core.messages import (
    AIMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
)
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph.message import REMOVE_ALL_MESSAGES

from langchain_moonshot_cache.middleware import MoonshotPromptCachingMiddleware

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from agent_kit import Bench, Face


class Tools(AgentMiddleware[Any, Any, Any]):
    """Offers other tools with each call."""

    def __init__(self, *offers: list[Any]) -> None:
        super().__init__()
        self.offers = iter(offers)

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[Any], Any]
    ) -> Any:
        return handler(request.override(tools=next(self.offers)))

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[Any], Awaitable[Any]]
    ) -> Any:
        return await handler(request.override(tools=next(self.offers)))


def ticking() -> Any:
    """Put the number of the call in front of everything."""
    calls = iter(range(100))

    @dynamic_prompt
    def prompt(_request: ModelRequest[Any]) -> str:
        return f"It is {next(calls)} o'clock. {SYSTEM}"

    return prompt


@pytest.fixture
def drifts(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What was said of prefixes that changed."""
    caplog.set_level(logging.WARNING, "langchain_moonshot_cache")

    def said() -> list[str]:
        texts = (record.getMessage() for record in caplog.records)
        return [text for text in texts if "changes between calls" in text]

    return said


async def test_a_prompt_that_changes_between_calls_is_told_of_once_with_its_place(
    bench: Bench, face: Face, drifts: Callable[[], list[str]]
) -> None:
    agent = agent_of(bench.ours(), ticking(), MoonshotPromptCachingMiddleware())
    await face.invoke(agent, asked())
    await face.invoke(agent, asked())
    (told,) = drifts()
    assert "the system message differs from character 7 on" in told
    assert "o'clock" not in told


async def test_a_prompt_that_stays_is_not_spoken_of(
    bench: Bench, face: Face, drifts: Callable[[], list[str]]
) -> None:
    agent = agent_of(bench.ours(), MoonshotPromptCachingMiddleware())
    await face.invoke(agent, asked())
    await face.invoke(agent, asked("And what is Kimi?"))
    assert drifts() == []


async def test_each_thread_may_have_a_prompt_of_its_own(
    bench: Bench, face: Face, drifts: Callable[[], list[str]]
) -> None:
    users = iter("abcdef")
    prompts: dict[str, str] = {}

    @dynamic_prompt
    def prompt(request: ModelRequest[Any]) -> str:
        info = request.runtime.execution_info
        thread = str(info and info.thread_id)
        return prompts.setdefault(thread, f"The user is {next(users)}. {SYSTEM}")

    agent = agent_of(
        bench.ours(),
        prompt,
        MoonshotPromptCachingMiddleware(),
        checkpointer=InMemorySaver(),
    )
    for thread in ("one", "two", "one"):
        config = {"configurable": {"thread_id": thread}}
        await face.invoke(agent, asked(), config=config)
    assert len(prompts) == 2
    assert drifts() == []


@tool
def height(name: str) -> str:
    """Tell the height of a lighthouse."""
    return f"{name}: 100 m"


@tool("height")
def height_in_feet(name: str) -> str:
    """Tell the height of a lighthouse in feet."""
    return f"{name}: 330 ft"


@pytest.mark.breaks_prefix("the tools of the conversation change on purpose")
async def test_tools_that_change_between_calls_reach_the_model_as_they_are(
    bench: Bench, face: Face
) -> None:
    async def script(llm: Any) -> Any:
        changing = Tools([RUNNER], [RUNNER, height], [RUNNER])
        agent = agent_of(llm, changing, tools=[RUNNER, height])
        script_two_calls(bench)
        return list(map(shape, (await face.invoke(agent, asked()))["messages"]))

    chats = await bench.compare(script)
    assert [len(chat.tools or ()) for chat in chats] == [1, 2]
    assert all(chat.cache_id for chat in chats)
    assert bench.server.creates() == 2


@pytest.mark.breaks_prefix("the tools of the conversation change on purpose")
@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ([RUNNER], [RUNNER, height], "added: height"),
        ([RUNNER, height], [RUNNER], "gone: height"),
        ([RUNNER, height], [height, RUNNER], "in their order"),
        ([RUNNER, height], [RUNNER, height_in_feet], "described otherwise: height"),
        ([RUNNER, height], [RUNNER, height.model_copy()], None),
    ],
)
async def test_tools_that_change_between_calls_are_told_of_by_name(  # noqa: PLR0917 - pytest gives them by name
    bench: Bench,
    face: Face,
    drifts: Callable[[], list[str]],
    first: list[Any],
    second: list[Any],
    words: str | None,
) -> None:
    agent = agent_of(
        bench.ours(),
        Tools(first, second),
        MoonshotPromptCachingMiddleware(),
        tools=[RUNNER, height],
    )
    await face.invoke(agent, asked())
    told = drifts()
    assert len(told) == (words is not None)
    assert all(str(words) in text for text in told)


def test_the_memory_of_conversations_is_bounded(bench: Bench) -> None:
    caching = MoonshotPromptCachingMiddleware()
    reply: Any = AIMessage("yes")
    for number in range(200):
        request: Any = ModelRequest(
            model=bench.ours(),
            messages=[],
            system_message=SystemMessage(SYSTEM),
            runtime=_in_thread(str(number)),
        )
        assert caching.wrap_model_call(request, lambda _request: reply) is reply
    assert len(caching._watch) == 128


def _in_thread(thread: str) -> Any:
    from langgraph.runtime import ExecutionInfo, Runtime  # noqa: PLC0415 - only here

    return Runtime(
        execution_info=ExecutionInfo(
            checkpoint_id="", checkpoint_ns="model:1", task_id="1", thread_id=thread
        )
    )


# Who it was ---------------------------------------------------------------------


class Rewriting(AgentMiddleware[Any, Any, Any]):
    """Hands requests on as something makes them."""

    def change(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        raise NotImplementedError

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[Any], Any]
    ) -> Any:
        return handler(self.change(request))

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[Any], Awaitable[Any]]
    ) -> Any:
        return await handler(self.change(request))


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


def script_two_calls(bench: Bench) -> None:
    """Have the model call a tool and then answer, whatever it is asked."""
    call = {"name": "height", "arguments": '{"name": "Genoa"}'}
    bench.server.answer_next({"tool_calls": [call]}, "It has 100 m.")


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


@pytest.mark.breaks_prefix("what stands in front changes on purpose")
async def test_nobody_is_named_for_what_was_not_seen(
    bench: Bench, face: Face, drifts: Callable[[], list[str]]
) -> None:
    caching = MoonshotPromptCachingMiddleware()
    for hour in (1, 2):
        # An agent for each question: its watches have seen none before.
        others = caching.watching([Header()])
        agent = agent_of(bench.ours(), *others, system_prompt=f"It is {hour} o'clock.")
        await face.invoke(agent, asked("Who are you?"))
    (told,) = drifts()
    assert "Which middleware it comes from was not seen." in told


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
