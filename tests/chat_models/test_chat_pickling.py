"""A model that is copied or sent to another process."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from langchain_moonshot_cache import (
    ChatMoonshotCached,
    ConfigurationError,
    Ledger,
)
from langchain_moonshot_cache.registry import MemoryRegistry

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_moonshot_cache.testing import MoonshotServer

KEY = "sk-canary-51c2"
PROMPT = [("system", "Answer in one word."), ("human", "Which sea is the saltiest?")]


def model(server: MoonshotServer, **options: Any) -> ChatMoonshotCached:
    given: dict[str, Any] = {
        "model": "moonshot-v1-8k",
        "api_key": KEY,
        "base_url": server.base_url,
        "registry": "memory://",
        "cache_policy": "always",
        "cache_ttl": 120,
        **options,
    }
    return ChatMoonshotCached(**given)


def ask(pickled: bytes) -> str:
    llm: ChatMoonshotCached = pickle.loads(pickled)  # noqa: S301 - our own bytes
    with llm:
        answer = llm.invoke(PROMPT)
    return str(answer.response_metadata["moonshot_cache"]["outcome"])


def test_a_pickle_holds_the_options_and_not_the_key(
    moonshot_server: MoonshotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = pickle.dumps(model(moonshot_server))
    assert KEY.encode() not in sent
    monkeypatch.setenv("MOONSHOT_API_KEY", "sk-other")
    again: ChatMoonshotCached = pickle.loads(sent)  # noqa: S301 - our own bytes
    assert again.model_name == "moonshot-v1-8k"
    assert again.cache_ttl == 120
    assert again.cache_policy == "always"
    assert again.api_base == moonshot_server.base_url
    assert again.api_key.get_secret_value() == "sk-other"


def test_a_pickle_without_a_key_in_the_environment_names_the_next_step(
    moonshot_server: MoonshotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = pickle.dumps(model(moonshot_server))
    monkeypatch.delenv("MOONSHOT_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="MOONSHOT_API_KEY"):
        pickle.loads(sent)  # noqa: S301 - our own bytes


def test_another_process_can_call_the_model(
    moonshot_server: MoonshotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOONSHOT_API_KEY", KEY)
    sent = pickle.dumps(model(moonshot_server, cache_wait=10))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(ask, (sent,)) == "write"
    assert moonshot_server.creates() == 1
    assert moonshot_server.caches(status="ready") == []


def test_another_process_uses_the_cache_that_its_parent_made(
    moonshot_server: MoonshotServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MOONSHOT_API_KEY", KEY)
    registry = f"sqlite:///{tmp_path}/caches.db"
    with model(moonshot_server, cache_wait=10, registry=registry) as llm:
        llm.invoke(PROMPT)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            assert pool.map(ask, [pickle.dumps(llm)] * 2) == ["hit"] * 2
        # The children release what they made, and this is not theirs.
        assert len(moonshot_server.caches(status="ready")) == 1
    assert moonshot_server.creates() == 1
    assert moonshot_server.caches() == []


def test_a_registry_object_is_refused_with_the_way_out(
    moonshot_server: MoonshotServer,
) -> None:
    with pytest.raises(TypeError, match="registry='sqlite:"):
        pickle.dumps(model(moonshot_server, registry=MemoryRegistry()))


def test_a_deep_copy_is_a_model_of_its_own_with_the_same_key(
    moonshot_server: MoonshotServer,
) -> None:
    ledger = Ledger()
    first = model(moonshot_server, ledger=ledger, cache_wait=10)
    second = copy.deepcopy(first)
    with second:
        second.invoke(PROMPT)
    assert second.api_key.get_secret_value() == KEY
    assert ledger.totals() == {}
