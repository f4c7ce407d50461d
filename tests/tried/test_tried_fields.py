"""Models that LangChain makes anew for every call, of the fields of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from chat_kit import model_of, told
from langchain_core.runnables import ConfigurableField
from tried_kit import KEY, KIMI, MODEL, PROMPT, QUESTION

if TYPE_CHECKING:
    from colour_kit import Face

    from langchain_moonshot_cache.testing import MoonshotServer

WARMTH = ConfigurableField(id="warmth")
WARM: Any = {"configurable": {"warmth": 0.3}}


@pytest.mark.parametrize("registry", ["memory://", None])
async def test_calls_with_fields_of_their_own_use_one_cache_which_is_deleted(
    server: MoonshotServer, clients: dict[str, Any], face: Face, registry: str | None
) -> None:
    llm = model_of(server, registry=registry, **clients)
    chain = PROMPT | llm.configurable_fields(temperature=WARMTH)

    answers = [await face.invoke(chain, QUESTION, config=WARM) for _ in range(3)]
    answers.append(await face.invoke(chain, QUESTION))

    found = [told(answer)["outcome"] for answer in answers]
    assert found == ["write", "hit", "hit", "hit"]
    assert server.creates() == 1
    assert await face.release(llm) == 1
    assert server.caches() == []


async def test_a_call_with_another_lifetime_knows_the_caches_of_the_others(
    server: MoonshotServer, clients: dict[str, Any], face: Face
) -> None:
    llm = model_of(server, **clients)
    chain = PROMPT | llm.configurable_fields(
        cache_ttl=ConfigurableField(id="ttl"), cache_policy=ConfigurableField(id="when")
    )
    rarely: Any = {"configurable": {"ttl": 600, "when": "economic"}}

    await face.invoke(chain, QUESTION)
    again = await face.invoke(chain, QUESTION, config=rarely)

    # The economic policy makes none for so short a prompt, and uses what is there.
    assert told(again)["outcome"] == "hit"
    assert await face.release(llm) == 1


@pytest.mark.parametrize("name", [MODEL, KIMI])
async def test_a_key_of_the_call_is_the_one_that_pays_for_it(
    server: MoonshotServer, clients: dict[str, Any], face: Face, name: str
) -> None:
    llm = model_of(server, model=name, **clients)
    chain = PROMPT | llm.configurable_fields(openai_api_key=ConfigurableField(id="key"))
    other: Any = {"configurable": {"key": f"{KEY}-other"}}

    await face.invoke(chain, QUESTION)
    answer = await face.invoke(chain, QUESTION, config=other)

    assert told(answer)["outcome"] == "write"
    accounts = [chat.request.account for chat in server.chats()]
    assert len(set(accounts)) == len(accounts) == 2
    assert {request.status for request in server.requests()} == {200}


async def test_a_call_with_fields_of_its_own_tells_as_much_as_any_other(
    server: MoonshotServer, clients: dict[str, Any], face: Face
) -> None:
    for wish in ({}, {"include_response_headers": True}):
        llm = model_of(server, **clients, **wish)
        chain = PROMPT | llm.configurable_fields(temperature=WARMTH)

        usual = await face.invoke(chain, QUESTION)
        warm = await face.invoke(chain, QUESTION, config=WARM)

        assert warm.response_metadata.keys() == usual.response_metadata.keys()
        assert ("headers" in warm.response_metadata) is bool(wish)


async def test_headers_of_the_model_go_along_with_every_call(
    server: MoonshotServer, clients: dict[str, Any], face: Face
) -> None:
    headers = {"X-Application": "lamps"}
    llm = model_of(server, **clients, default_headers=headers)
    chain = PROMPT | llm.configurable_fields(temperature=WARMTH)

    await face.invoke(chain, QUESTION, config=WARM)

    (chat,) = server.chats()
    assert chat.request.headers["x-application"] == "lamps"
