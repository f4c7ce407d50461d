"""The middleware: wishes of one agent, models of others, and prefixes that drift."""

from __future__ import annotations

import logging
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from agent_kit import RUNNER, SYSTEM, asked, bodies, chat_requests, shape
from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    ModelFallbackMiddleware,
    ModelRequest,
    dynamic_prompt,
)
from langchain_core.messages import AIMessage, SystemMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver

from langchain_moonshot_cache import ConfigurationError
from langchain_moonshot_cache.middleware import MoonshotPromptCachingMiddleware

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent_kit import Bench, Face

CHAT = "/v1/chat/completions"


def agent_of(llm: Any, *middleware: Any, **options: Any) -> Any:
    """Make an agent with CodeRunner."""
    given = {"tools": [RUNNER], "system_prompt": SYSTEM, **options}
    return create_agent(llm, middleware=middleware, **given)


def creates(bench: Bench) -> list[Any]:
    return bench.server.requests(method="POST", path="/v1/caching")


@pytest.mark.parametrize(("ttl", "seconds"), [("5m", 300), ("1h", 3600), (600, 600)])
async def test_the_agents_lifetime_is_that_of_its_cache(
    bench: Bench, face: Face, ttl: Any, seconds: int
) -> None:
    caching = MoonshotPromptCachingMiddleware(ttl=ttl)
    await face.invoke(agent_of(bench.ours(cache_ttl=900), caching), asked())
    assert [request.body["ttl"] for request in creates(bench)] == [seconds]


async def test_on_kimi_the_agents_lifetime_is_the_tier_that_is_asked_for(
    bench: Bench, face: Face
) -> None:
    caching = MoonshotPromptCachingMiddleware(ttl="1h")
    await face.invoke(agent_of(bench.ours(model="kimi-k3"), caching), asked())
    wishes = [body["prompt_cache_options"] for body in bodies(bench.server)]
    assert len(wishes) == 2
    assert all(wish == {"mode": "implicit", "ttl": "1h"} for wish in wishes)


@pytest.mark.parametrize(("least", "made"), [(20, 1), (5000, 0)])
async def test_a_prefix_below_the_least_size_gets_no_cache(
    bench: Bench, face: Face, least: int, made: int
) -> None:
    caching = MoonshotPromptCachingMiddleware(min_tokens=least)
    await face.invoke(agent_of(bench.ours(), caching), asked())
    assert bench.server.creates() == made


async def test_the_state_of_an_agent_is_as_it_is_without(
    bench: Bench, face: Face
) -> None:
    config = {"configurable": {"thread_id": "one"}}

    async def state(*middleware: Any) -> list[Any]:
        agent = agent_of(bench.ours(), *middleware, checkpointer=InMemorySaver())
        await face.invoke(agent, asked(), config=config)
        values = agent.get_state(config).values
        assert values.keys() == {"messages"}
        return [
            (*shape(message), message.additional_kwargs)
            for message in values["messages"]
        ]

    caching = MoonshotPromptCachingMiddleware(ttl="1h", min_tokens=1)
    assert await state(caching) == await state()


async def test_the_model_that_was_given_stays_as_it_was(
    bench: Bench, face: Face
) -> None:
    llm = bench.ours(cache_ttl=900)
    before = llm.model_dump()
    caching = MoonshotPromptCachingMiddleware(ttl="5m", min_tokens=1)
    await face.invoke(agent_of(llm, caching), asked())
    assert llm.model_dump() == before
    assert await face.release(llm) == 1
    assert bench.server.caches() == []


@pytest.mark.parametrize("caching_first", [True, False])
async def test_a_fallback_to_another_vendor_receives_none_of_our_settings(
    bench: Bench,
    face: Face,
    caching_first: bool,  # noqa: FBT001 - pytest hands it over
) -> None:
    other = bench.plain(model="moonshot-v1-32k")
    caching = MoonshotPromptCachingMiddleware(
        ttl="1h", min_tokens=1, unsupported_model_behavior="ignore"
    )
    middleware = [caching, ModelFallbackMiddleware(other)]
    if not caching_first:
        middleware.reverse()
    await face.invoke(agent_of(other), asked())
    expected = bodies(bench.server)
    bench.server.clear()

    agent = agent_of(bench.ours(model="kimi-k3"), *middleware)
    await face.invoke(agent, asked())
    assert bodies(bench.server)[0]["prompt_cache_options"]["ttl"] == "1h"
    bench.server.clear()

    # Every other request fails: those to our model, each before one to the fallback.
    for nth in (1, 3):
        bench.server.fail("status", path=CHAT, status=500, nth=nth)
    await face.invoke(agent, asked())
    answered = [r.body for r in chat_requests(bench.server) if r.status == 200]
    assert answered == expected


async def test_a_fallback_from_another_vendor_to_our_model_is_cached(
    bench: Bench, face: Face
) -> None:
    bench.server.fail("status", path=CHAT, status=500, nth=1)
    caching = MoonshotPromptCachingMiddleware(
        ttl="5m", unsupported_model_behavior="ignore"
    )
    fallback = ModelFallbackMiddleware(bench.ours())
    agent = agent_of(bench.plain(model="moonshot-v1-32k"), fallback, caching)
    await face.invoke(agent, asked())
    assert [request.body["ttl"] for request in creates(bench)] == [300]


async def test_a_model_behind_a_binding_is_ours_all_the_same(
    bench: Bench, face: Face
) -> None:
    caching = MoonshotPromptCachingMiddleware(
        ttl="5m", unsupported_model_behavior="raise"
    )
    llm: Any = bench.ours().with_config(tags=["bound"])
    await face.invoke(agent_of(llm, caching), asked())
    assert [request.body["ttl"] for request in creates(bench)] == [300]


async def test_a_model_with_fallbacks_is_ours_where_its_first_one_is(
    bench: Bench, face: Face
) -> None:
    caching = MoonshotPromptCachingMiddleware(
        ttl="5m", unsupported_model_behavior="raise"
    )
    other = bench.plain(model="moonshot-v1-32k")
    agent = agent_of(bench.ours().with_fallbacks([other]), caching)
    await face.invoke(agent, asked())
    assert [request.body["ttl"] for request in creates(bench)] == [300]
    refusing = agent_of(other.with_fallbacks([bench.ours()]), caching)
    with pytest.raises(ConfigurationError, match="RunnableWithFallbacks"):
        await face.invoke(refusing, asked())


async def test_a_model_of_another_vendor_is_ignored_warned_of_or_refused(
    bench: Bench, face: Face
) -> None:
    ignoring, warning, refusing = (
        agent_of(
            bench.plain(),
            MoonshotPromptCachingMiddleware(unsupported_model_behavior=behaviour),
        )
        for behaviour in ("ignore", "warn", "raise")
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        await face.invoke(ignoring, asked())
        assert not caught
    with pytest.warns(UserWarning, match="does nothing for ChatOpenAI"):
        await face.invoke(warning, asked())
    bench.server.clear()
    with pytest.raises(ConfigurationError, match="use it with ChatMoonshotCached"):
        await face.invoke(refusing, asked())
    assert bodies(bench.server) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ttl": "2h"}, "use '5m', '1h'"),
        ({"ttl": 7200}, "from 30 to 3600 seconds"),
        ({"min_tokens": -1}, "min_tokens is -1"),
        ({"unsupported_model_behavior": "shout"}, "use one of ignore, warn, raise"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        MoonshotPromptCachingMiddleware(**options)


# Prefixes that drift ------------------------------------------------------------


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


def drifts(caplog: pytest.LogCaptureFixture) -> list[str]:
    texts = (record.getMessage() for record in caplog.records)
    return [text for text in texts if "changes between calls" in text]


async def test_a_prompt_that_changes_between_calls_is_told_of_once_with_its_place(
    bench: Bench, face: Face, caplog: pytest.LogCaptureFixture
) -> None:
    agent = agent_of(bench.ours(), ticking(), MoonshotPromptCachingMiddleware())
    with caplog.at_level(logging.WARNING, "langchain_moonshot_cache"):
        await face.invoke(agent, asked())
        await face.invoke(agent, asked())
    (told,) = drifts(caplog)
    assert "the system message differs from character 7 on" in told
    assert "o'clock" not in told


async def test_a_prompt_that_stays_is_not_spoken_of(
    bench: Bench, face: Face, caplog: pytest.LogCaptureFixture
) -> None:
    agent = agent_of(bench.ours(), MoonshotPromptCachingMiddleware())
    with caplog.at_level(logging.WARNING, "langchain_moonshot_cache"):
        await face.invoke(agent, asked())
        await face.invoke(agent, asked("And what is Kimi?"))
    assert drifts(caplog) == []


async def test_each_thread_may_have_a_prompt_of_its_own(
    bench: Bench, face: Face, caplog: pytest.LogCaptureFixture
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
    with caplog.at_level(logging.WARNING, "langchain_moonshot_cache"):
        for thread in ("one", "two", "one"):
            config = {"configurable": {"thread_id": thread}}
            await face.invoke(agent, asked(), config=config)
    assert len(prompts) == 2
    assert drifts(caplog) == []


@tool
def height(name: str) -> str:
    """Tell the height of a lighthouse."""
    return f"{name}: 100 m"


@tool("height")
def height_in_feet(name: str) -> str:
    """Tell the height of a lighthouse in feet."""
    return f"{name}: 330 ft"


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
    caplog: pytest.LogCaptureFixture,
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
    with caplog.at_level(logging.WARNING, "langchain_moonshot_cache"):
        await face.invoke(agent, asked())
    told = drifts(caplog)
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
    assert len(caching._watch._last) == 128


def _in_thread(thread: str) -> Any:
    from langgraph.runtime import ExecutionInfo, Runtime  # noqa: PLC0415 - only here

    return Runtime(
        execution_info=ExecutionInfo(
            checkpoint_id="", checkpoint_ns="model:1", task_id="1", thread_id=thread
        )
    )


def test_without_langchain_the_import_names_the_extra() -> None:
    program = (
        "import sys; sys.modules['langchain'] = None;"
        "import langchain_moonshot_cache.middleware"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "pip install 'langchain-moonshot-cache[middleware]'" in run.stderr
