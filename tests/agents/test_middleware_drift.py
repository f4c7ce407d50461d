"""Prefixes that drift: what changes from call to call is told of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from agent_kit import RUNNER, SYSTEM, agent_of, asked, shape
from changing_kit import Tools, height, script_two_calls, ticking
from langchain.agents.middleware import ModelRequest, dynamic_prompt
from langchain_core.messages import AIMessage, SystemMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver

from langchain_moonshot_cache.middleware import MoonshotPromptCachingMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent_kit import Bench
    from colour_kit import Face


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
        ([RUNNER, height], [RUNNER], "removed: height"),
        ([RUNNER, height], [height, RUNNER], "the tools stand in another order"),
        ([RUNNER, height], [RUNNER, height_in_feet], "(height), from character"),
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
