"""Chains in which only the model line, or the prompt line, is another one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from chat_kit import CHAT, height, keeper
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.documents import Document
from langchain_core.load import dumps, loads
from langchain_core.output_parsers import JsonOutputParser, StrOutputParser
from langchain_core.prompts import (
    ChatPromptTemplate,
    HumanMessagePromptTemplate,
    MessagesPlaceholder,
    PromptTemplate,
    SystemMessagePromptTemplate,
)
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import (
    ConfigurableField,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnableSequence,
)
from langchain_core.runnables.history import RunnableWithMessageHistory
from langchain_openai import ChatOpenAI
from pydantic import BaseModel
from tried_kit import KIMI, LINES, LORE, PROMPT, QUESTION, said

from langchain_moonshot_cache import CachedPromptRunnable, ChatMoonshotCached

if TYPE_CHECKING:
    from colour_kit import Face
    from langchain_core.callbacks import CallbackManagerForRetrieverRun
    from tried_kit import Stand, Trial

TOOLS = [height, keeper]
FOUND = '{"name": "Pharos", "metres": 100}'


async def test_prompt_model_and_parser(trial: Trial, face: Face) -> None:
    async def script(stand: Stand) -> Any:
        llm = stand.model()
        chain = stand.prompt(PROMPT, llm) | llm | StrOutputParser()
        return [await face.invoke(chain, QUESTION) for _ in range(2)]

    await trial.same(script)


async def test_tools_bound_to_the_model(ours: Trial, face: Face) -> None:
    async def script(stand: Stand) -> Any:
        llm = stand.model().bind_tools(TOOLS)
        chain = stand.prompt(PROMPT, llm) | llm
        return said(await face.invoke(chain, {"question": "Use height for Genoa."}))

    chats = await ours.same(script)
    assert [tool["function"]["name"] for tool in chats[0].tools or ()] == [
        "height",
        "keeper",
    ]


async def test_branches_that_run_at_once(trial: Trial, face: Face) -> None:
    async def script(stand: Stand) -> Any:
        llm = stand.model()
        asked = stand.prompt(PROMPT, llm)
        chain = RunnableParallel(
            plain=asked | llm | StrOutputParser(),
            loud=asked | llm | StrOutputParser() | RunnableLambda(str.upper),
            asked=RunnablePassthrough(),
        )
        return await face.invoke(chain, QUESTION)

    await trial.same(script)


async def test_a_fallback_answers_when_the_first_model_fails(
    ours: Trial, face: Face
) -> None:
    async def script(stand: Stand) -> Any:
        stand.server.fail("status", path=CHAT, nth=1, status=500)
        llm = stand.model().with_fallbacks([stand.model(temperature=1)])
        chain = stand.prompt(PROMPT, llm) | llm | StrOutputParser()
        return [await face.invoke(chain, QUESTION) for _ in range(2)]

    await ours.same(script)


async def test_a_chain_falls_back_to_another_chain(trial: Trial, face: Face) -> None:
    other = ChatPromptTemplate([("system", LORE * 2), ("human", "{question}")])

    async def script(stand: Stand) -> Any:
        stand.server.fail("status", path=CHAT, nth=1, status=500)
        llm = stand.model()
        first, second = (stand.prompt(p, llm) | llm for p in (PROMPT, other))
        return said(await face.invoke(first.with_fallbacks([second]), QUESTION))

    # The first one had its cache made before its call failed.
    await trial.same(script, creates=2)


async def test_failed_calls_are_tried_again(trial: Trial, face: Face) -> None:
    def tried(runnable: Any) -> Any:
        return runnable.with_retry(wait_exponential_jitter=False, stop_after_attempt=3)

    async def script(stand: Stand) -> Any:
        llm = stand.model()
        asked = stand.prompt(PROMPT, llm)
        answers = []
        for chain in (tried(asked | llm), asked | tried(llm)):
            stand.server.fail("status", path=CHAT, nth=1, times=2, status=500)
            answers.append(said(await face.invoke(chain, QUESTION)))
        return answers

    await trial.same(script)


class Lighthouse(BaseModel):
    """A lighthouse."""

    name: str
    metres: int


async def typed_answers(
    stand: Stand, face: Face, *, answer: Any, method: Any
) -> list[Any]:
    """Ask for a lighthouse, and for a lighthouse with the message it came in."""
    stand.server.answer_next(answer, answer)
    llm = stand.model()
    first, second = [
        await face.invoke(
            stand.prompt(PROMPT, llm)
            | llm.with_structured_output(
                Lighthouse, method=method, include_raw=include_raw
            ),
            QUESTION,
        )
        for include_raw in (False, True)
    ]
    return [first, {**second, "raw": said(second["raw"])}]


# On kimi models a ChatOpenAI is refused with a pydantic class: they know no titles.
@pytest.mark.parametrize("method", ["json_schema", "json_mode"])
async def test_structured_output(named: Trial, face: Face, method: str) -> None:
    async def script(stand: Stand) -> Any:
        return await typed_answers(stand, face, answer=FOUND, method=method)

    await named.same(script)


async def test_structured_output_by_a_function(named: Trial, face: Face) -> None:
    call = {"tool_calls": [{"name": "Lighthouse", "arguments": FOUND}]}

    async def script(stand: Stand) -> Any:
        return await typed_answers(stand, face, answer=call, method="function_calling")

    chats = await replace(named, lines=LINES[:2]).same(script)
    assert chats[0].tools is not None


# LangChain would rather have a checkpointer, and many programs have this one still.
@pytest.mark.filterwarnings("ignore:.*(is|was) deprecated")
async def test_a_chain_with_message_history(named: Trial, face: Face) -> None:
    template = ChatPromptTemplate(
        [("system", LORE), MessagesPlaceholder("past"), ("human", "{question}")]
    )

    async def script(stand: Stand) -> Any:
        history = InMemoryChatMessageHistory()
        llm = stand.model()
        chain: Any = RunnableWithMessageHistory(
            stand.prompt(template, llm) | llm,
            lambda: history,
            input_messages_key="question",
            history_messages_key="past",
            history_factory_config=[],
        )
        for _ in range(3):
            await face.invoke(chain, QUESTION)
        return list(map(said, history.messages))

    chats = await named.same(script)
    assert [len(chat.messages) for chat in chats] == [2, 4, 6]


class Shelf(BaseRetriever):
    """Finds the documents that share a word with the question."""

    documents: list[Document]

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        del run_manager
        words = set(query.lower().split())
        return [
            document
            for document in self.documents
            if words & set(document.page_content.lower().split())
        ]


async def test_answers_from_a_corpus_in_the_prefix(trial: Trial, face: Face) -> None:
    corpus = [
        Document(f"Number {n} is {n * 10} metres tall and painted {colour}. " * 20)
        for n, colour in enumerate(["white", "red", "green"])
    ]
    template = ChatPromptTemplate(
        [
            ("system", "Answer from these documents.\n\n{corpus}"),
            ("human", "These seem to matter:\n{found}\n\n{question}"),
        ]
    ).partial(corpus="\n\n".join(document.page_content for document in corpus))

    async def script(stand: Stand) -> Any:
        llm = stand.model()
        chain = (
            RunnablePassthrough.assign(
                found=(lambda given: given["question"])
                | Shelf(documents=corpus)
                | (lambda found: "\n".join(d.page_content[:40] for d in found))
            )
            | stand.prompt(template, llm)
            | llm
            | StrOutputParser()
        )
        questions = ("Which one is red", "Which one is white", "How tall is the red")
        return [await face.invoke(chain, {"question": each}) for each in questions]

    chats = await trial.same(script)
    assert len({chat.messages[0]["content"] for chat in chats}) == 1
    assert len({chat.messages[1]["content"] for chat in chats}) == 3


async def test_a_parser_that_tells_the_form_in_the_prompt(
    trial: Trial, face: Face
) -> None:
    parser = JsonOutputParser(pydantic_object=Lighthouse)
    template = ChatPromptTemplate(
        [("system", LORE + "{form}"), ("human", "{question}")]
    ).partial(form=parser.get_format_instructions())

    async def script(stand: Stand) -> Any:
        stand.server.answer_next(FOUND)
        llm = stand.model()
        return await face.invoke(stand.prompt(template, llm) | llm | parser, QUESTION)

    await trial.same(script)


# Config -----------------------------------------------------------------------


async def test_fields_that_are_configured_at_run_time(trial: Trial, face: Face) -> None:
    async def script(stand: Stand) -> Any:
        llm = stand.model().configurable_fields(
            max_tokens=ConfigurableField(id="length"),
            model_name=ConfigurableField(id="model"),
        )
        chain = stand.prompt(PROMPT, llm) | llm | StrOutputParser()
        short = chain.with_config(configurable={"length": 3})
        other = "kimi-k2.6" if stand.name == KIMI else "moonshot-v1-32k"
        another = {"configurable": {"model": other}}
        return [
            await face.invoke(chain, QUESTION),
            await face.invoke(short, QUESTION),
            await face.invoke(chain, QUESTION, config=another),
        ]

    chats = await trial.same(script)
    assert len({chat.model for chat in chats}) == 2
    assert len({chat.completion_tokens for chat in chats}) == 2


async def test_models_that_are_chosen_at_run_time(ours: Trial, face: Face) -> None:
    async def script(stand: Stand) -> Any:
        llm = stand.model().configurable_alternatives(
            ConfigurableField(id="llm"),
            default_key="short",
            long=stand.model(max_tokens=3),
        )
        chain = stand.prompt(PROMPT, llm) | llm | StrOutputParser()
        chosen = chain.with_config(configurable={"llm": "long"})
        return [await face.invoke(each, QUESTION) for each in (chain, chosen)]

    await ours.same(script)


async def test_prompts_that_are_chosen_at_run_time(trial: Trial, face: Face) -> None:
    other = ChatPromptTemplate([("system", LORE * 2), ("human", "{question}")])

    async def script(stand: Stand) -> Any:
        llm = stand.model()
        asked = stand.prompt(PROMPT, llm).configurable_alternatives(
            ConfigurableField(id="prompt"), long=stand.prompt(other, llm)
        )
        chain = asked | llm | StrOutputParser()
        chosen = chain.with_config(configurable={"prompt": "long"})
        return [await face.invoke(each, QUESTION) for each in (chain, chosen)]

    chats = await trial.same(script)
    assert len({chat.messages[0]["content"] for chat in chats}) == 2


@pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
async def test_a_chain_that_was_written_down_and_read_again(trial: Trial) -> None:
    async def script(stand: Stand) -> Any:
        llm = stand.model()
        written = dumps(stand.prompt(PROMPT, llm) | llm | StrOutputParser())
        key = llm.openai_api_key.get_secret_value()
        assert key not in written
        chain: Any = loads(
            written,
            allowed_objects=[
                *(CachedPromptRunnable, ChatMoonshotCached, ChatOpenAI),
                *(RunnableSequence, StrOutputParser, ChatPromptTemplate),
                *(SystemMessagePromptTemplate, HumanMessagePromptTemplate),
                PromptTemplate,
            ],
            valid_namespaces=["langchain_moonshot_cache"],
            secrets_map={"MOONSHOT_API_KEY": key, "OPENAI_API_KEY": key},
        )
        return chain.invoke(QUESTION)

    await trial.same(script)
