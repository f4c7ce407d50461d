"""Every trouble of a network, at every request, in both colours."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import openai
import pytest
from chat_kit import QUESTION, chat_requests, model_of, told
from faults_kit import CHAT, CREATE, ONE_CACHE, eventually
from langchain_core.messages import SystemMessage
from toxics import HANGING, HARMFUL, HARMLESS, Toxics

from langchain_moonshot_cache import MoonshotCacheError
from langchain_moonshot_cache.manager import shared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from colour_kit import Face

    from langchain_moonshot_cache.testing import MoonshotServer

PROMPT = [SystemMessage("You know everything about lighthouses."), QUESTION]
PATIENCE = 0.5
"""Seconds for one request that hangs: tests wait for as long. On a busy machine it
reaches the proxy within a hundredth of one."""
DEADLINE = 20.0
"""Seconds for a call with all its requests to the caching API. On a busy machine they
take tenths of one; a call that hangs takes for ever."""
AMPLE = 60.0
"""Seconds for one request that does not hang, and that nothing but an answer or the
end of its connection may therefore end within the deadline."""
OTHER = [SystemMessage("You know everything about ships.")]
HOUR = 3_700.0

TYPED = (openai.APIError, MoonshotCacheError)
NEXT_STEP = r"base_url|try again|try later"
CACHING = {
    "create": CREATE,
    "read": ("GET", ONE_CACHE),
    "renew": ("PUT", ONE_CACHE),
}


@pytest.fixture
def toxics(server: MoonshotServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Toxics]:
    """A bad network, and one attempt for each request."""
    _be_patient(AMPLE, monkeypatch)
    monkeypatch.setattr(shared, "_PATIENT_RETRIES", 0)
    with Toxics(server.base_url) as toxics:
        yield toxics


def _be_patient(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Say how long a request to the caching API may take."""
    monkeypatch.setattr(shared, "_REQUEST_TIMEOUT", seconds)
    monkeypatch.setattr(shared, "_PATIENT_TIMEOUT", seconds)


def _patience_with(kind: str) -> float:
    """Say how long to wait for what a toxic lets through."""
    return PATIENCE if kind in HANGING else AMPLE


@pytest.mark.parametrize("operation", CACHING)
@pytest.mark.parametrize("kind", [*HARMLESS, *HARMFUL])
async def test_a_bad_way_to_the_caching_endpoint_breaks_no_chat(
    server: MoonshotServer,
    toxics: Toxics,
    face: Face,
    *,
    kind: str,
    operation: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    llm = model_of(server, base_url=toxics.base_url, cache_wait=0)
    method, path = CACHING[operation]
    if operation == "read":
        server.clock.freeze()
        server.configure(ready_after=1)
        await face.invoke(llm, PROMPT)  # the next call finds it pending, and looks
    if operation == "renew":
        await face.invoke(llm, PROMPT)
        server.clock.advance(HOUR)
        await face.warm(llm, OTHER)  # from the answer the model learns the time
    toxics.poison(kind, method=method, path=path)
    _be_patient(_patience_with(kind), monkeypatch)
    begun = time.monotonic()
    answer = await face.invoke(llm, PROMPT)
    assert time.monotonic() - begun < DEADLINE
    eventually(lambda: toxics.struck > 0)
    assert answer.text
    toxics.cure()
    _be_patient(AMPLE, monkeypatch)
    assert (await face.invoke(llm, PROMPT)).text
    assert sum(_holds(cache, PROMPT) for cache in server.caches()) <= 1


def _holds(cache: dict[str, Any], prompt: list[Any]) -> bool:
    return bool(cache["messages"][0]["content"] == prompt[0].content)


@pytest.mark.parametrize("kind", [*HARMLESS, *HARMFUL])
async def test_a_bad_way_to_a_deletion_ends_in_time_and_can_be_gone_again(
    server: MoonshotServer,
    toxics: Toxics,
    face: Face,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    llm = model_of(server, base_url=toxics.base_url)
    await face.invoke(llm, PROMPT)
    toxics.poison(kind, method="DELETE", path=ONE_CACHE)
    _be_patient(_patience_with(kind), monkeypatch)
    begun = time.monotonic()
    released = await _released(face, llm)
    assert time.monotonic() - begun < DEADLINE
    eventually(lambda: toxics.struck > 0)
    assert isinstance(released, MoonshotCacheError) == (kind in HARMFUL)
    toxics.cure()
    _be_patient(AMPLE, monkeypatch)
    await face.release(llm)
    assert not server.caches()


async def _released(face: Face, llm: Any) -> Any:
    try:
        return await face.release(llm)
    except MoonshotCacheError as error:
        return error


@pytest.mark.parametrize("style", ["invoke", "stream"])
@pytest.mark.parametrize("kind", HARMFUL)
async def test_a_broken_way_to_the_chat_is_a_typed_error_in_time(
    server: MoonshotServer, toxics: Toxics, face: Face, kind: str, style: str
) -> None:
    llm = model_of(server, base_url=toxics.base_url, timeout=AMPLE)
    await face.answer(llm, PROMPT, style=style)
    toxics.poison(kind, method=CHAT[0], path=CHAT[1])
    begun = time.monotonic()
    with pytest.raises(TYPED, match=NEXT_STEP):
        await face.answer(llm, PROMPT, style=style, timeout=_patience_with(kind))
    assert time.monotonic() - begun < DEADLINE
    eventually(lambda: toxics.struck > 0)
    toxics.cure()
    answer = await face.answer(llm, PROMPT, style=style)
    assert told(answer)["outcome"] == "hit"


@pytest.mark.parametrize("style", ["invoke", "stream"])
@pytest.mark.parametrize("kind", HARMLESS)
async def test_a_slow_way_to_the_chat_brings_the_answer(
    server: MoonshotServer, toxics: Toxics, face: Face, kind: str, style: str
) -> None:
    llm = model_of(server, base_url=toxics.base_url, timeout=AMPLE)
    await face.answer(llm, PROMPT, style=style)
    toxics.poison(kind, method=CHAT[0], path=CHAT[1])
    begun = time.monotonic()
    answer = await face.answer(llm, PROMPT, style=style)
    assert time.monotonic() - begun < DEADLINE
    assert toxics.struck
    assert told(answer)["outcome"] == "hit"
    assert answer.text == server.chats()[-1].answer["content"]
    assert len(chat_requests(server)) == 2
