"""Copies, secrets, threads: what a cached prompt keeps, and what it lets out."""

from __future__ import annotations

import json
import logging
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.load import dumps, loads
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import RunnableLambda
from langchain_core.runnables.history import RunnableWithMessageHistory
from runnable_kit import (
    KEY,
    LORE,
    MODEL,
    PROMPT,
    QUESTION,
    height,
    what_counts,
)

from langchain_moonshot_cache import CachedPromptRunnable
from langchain_moonshot_cache.errors import ConfigurationError

if TYPE_CHECKING:
    from colour_kit import Face
    from runnable_kit import Bench

ASKED = ("human", "{question}")
DICT_TOOL = {
    "type": "function",
    "function": {"name": "lookup", "parameters": {"type": "object", "properties": {}}},
}


# What is shared and what is copied --------------------------------------------


async def test_the_text_of_the_prefix_is_one_object_in_all_calls(
    ours: Bench, face: Face
) -> None:
    text = "Lighthouses. " * 100_000
    template = ChatPromptTemplate([SystemMessage(text), ASKED])
    prompt = CachedPromptRunnable(template, model=ours.ours())
    values = [await face.invoke(prompt, QUESTION) for _ in range(2)]
    assert all(value.messages[0].content is text for value in values)


async def test_a_change_of_the_applications_objects_reaches_no_later_call(
    bench: Bench, face: Face
) -> None:
    examples = [HumanMessage("Genoa?"), AIMessage("77 m")]
    tool = json.loads(json.dumps(DICT_TOOL))
    template = ChatPromptTemplate(
        [SystemMessage(LORE), MessagesPlaceholder("examples"), ASKED]
    ).partial(examples=examples)
    llm = bench.model()
    chain = CachedPromptRunnable(template, model=llm, tools=[tool]) | llm
    template.messages[0].content = "Changed."  # type: ignore[union-attr]  # a message
    examples[1].content = "Changed."
    examples.append(HumanMessage("Changed."))
    tool["function"]["name"] = "changed"
    template.append(("human", "Changed."))
    await face.invoke(chain, QUESTION)
    (chat,) = bench.server.chats()
    assert "hanged" not in json.dumps([chat.messages, chat.tools])


async def test_a_step_that_rewrites_messages_does_so_for_its_own_call_only(
    ours: Bench, face: Face
) -> None:
    def rewrite(value: Any) -> Any:
        said.append(value.messages[0].content)
        value.messages[0].content = "Rewritten."
        value.messages[0].additional_kwargs["more"] = True
        value.messages.clear()
        return value

    said: list[str] = []
    prompt = CachedPromptRunnable(PROMPT, model=ours.ours(), tools=[height])
    chain = prompt | RunnableLambda(rewrite)
    for _ in range(2):
        await face.invoke(chain, QUESTION)
    assert said == [LORE, LORE]


async def test_the_users_messages_are_left_as_they_were(
    bench: Bench, face: Face
) -> None:
    system = SystemMessage(LORE)
    template = ChatPromptTemplate([system, ASKED])
    before = template.model_dump_json()
    await face.invoke(bench.cached(template, tools=[height]), QUESTION)
    assert system == SystemMessage(LORE)
    assert template.model_dump_json() == before


@pytest.mark.filterwarnings("ignore:.*MessageHistory")
async def test_the_mark_stays_off_the_wire_and_out_of_histories(
    ours: Bench, face: Face
) -> None:
    history = InMemoryChatMessageHistory()
    template = ChatPromptTemplate(
        [("system", LORE), MessagesPlaceholder("past"), ASKED]
    )
    chain: Any = RunnableWithMessageHistory(
        ours.cached(template, tools=[height], name="secret-name"),
        lambda: history,
        input_messages_key="question",
        history_messages_key="past",
        history_factory_config=[],
    )
    for _ in range(2):
        await face.invoke(chain, QUESTION)
    assert len(history.messages) == 4
    assert all("cache" not in m.additional_kwargs for m in history.messages)
    assert "secret-name" not in json.dumps(ours.bodies())
    assert [len(chat.messages) for chat in ours.server.chats()] == [2, 4]


# Threads ----------------------------------------------------------------------


def test_threads_share_one_prompt_and_one_cache(bench: Bench) -> None:
    bench.server.configure(ready_after=0.05)
    chain = bench.cached(PROMPT, tools=[height])
    questions = [f"How tall is number {n}?" for n in range(32)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(chain.invoke, [{"question": text} for text in questions]))
    chats = bench.server.chats()
    asked = [chat.messages[-1]["content"] for chat in chats]
    assert sorted(asked) == sorted(questions)
    assert {json.dumps([c.messages[:-1], c.tools]) for c in chats} == {
        json.dumps([chats[0].messages[:-1], chats[0].tools])
    }
    assert bench.server.creates() == 1


# Written down and read again --------------------------------------------------


def variable(bench: Bench) -> str:
    return "MOONSHOT_API_KEY" if bench.kind == "ours" else "OPENAI_API_KEY"


def test_a_pickled_prompt_holds_no_key_and_takes_it_from_the_environment(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = CachedPromptRunnable(
        PROMPT, model=bench.model(), tools=[height], ttl=60, name="lore"
    )
    written = pickle.dumps(prompt)
    assert KEY.encode() not in written
    monkeypatch.setenv(variable(bench), KEY)
    read = pickle.loads(written)  # noqa: S301 - written two lines above
    for each in (prompt, read):
        (each | each.model).invoke(QUESTION)
    first, second = bench.server.chats()
    assert what_counts(first) == what_counts(second)
    assert first.cache_id
    assert first.request.account == second.request.account
    assert (read.ttl, read.name) == (60, "lore")


def test_a_pickled_prompt_without_a_key_in_the_environment_says_so(
    ours: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = pickle.dumps(CachedPromptRunnable(PROMPT, model=ours.ours()))
    monkeypatch.delenv("MOONSHOT_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="MOONSHOT_API_KEY"):
        pickle.loads(written)  # noqa: S301 - written above


@pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
def test_langchains_serialisation_holds_no_key_and_reads_back(
    bench: Bench,
) -> None:
    prompt = CachedPromptRunnable(
        PROMPT, model=bench.model(), tools=[height], ttl=60, name="lore"
    )
    written = dumps(prompt)
    assert KEY not in written
    assert "not_implemented" not in written
    read = loads(
        written,
        allowed_objects=[
            CachedPromptRunnable,
            type(prompt.model),
            *({type(PROMPT), *map(type, PROMPT.messages)}),
            type(PROMPT.messages[0].prompt),  # type: ignore[union-attr]  # a template
        ],
        valid_namespaces=["langchain_moonshot_cache"],
        secrets_map={variable(bench): KEY},
    )
    for each in (prompt, read):
        (each | each.model).invoke(QUESTION)
    first, second = bench.server.chats()
    assert what_counts(first) == what_counts(second)
    assert dumps(read) == written


def test_no_key_and_no_text_in_repr_and_logs(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "langchain_moonshot_cache")
    prompt = CachedPromptRunnable(PROMPT, model=bench.model(), tools=[height])
    bench.server.retire()
    prompt.warm()
    told = repr(prompt) + caplog.text
    assert "ChatMoonshotCached" in told or "ChatOpenAI" in told
    assert KEY not in told
    assert LORE not in told


# Connections ------------------------------------------------------------------


async def test_the_applications_own_connections_and_headers_are_used(
    plain: Bench, face: Face
) -> None:
    llm = plain.plain(default_headers={"X-Team": "lamps"})
    prompt = CachedPromptRunnable(PROMPT, model=llm)
    await face.invoke(prompt | llm, QUESTION)
    assert {r.headers.get("x-team") for r in plain.server.requests()} == {"lamps"}
    assert {r.body.get("model") for r in plain.server.requests() if r.body} == {
        MODEL,
        "moonshot-v1",
    }
