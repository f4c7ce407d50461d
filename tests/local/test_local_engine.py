"""A model that really runs, behind the gateway; wants llama.cpp and the weights.

``moonshot-cache serve --local --yes`` fetches them once.
"""

from __future__ import annotations

import json
import socket
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from langchain_core.messages import HumanMessage, SystemMessage
from server_kit import example

from langchain_moonshot_cache import ChatMoonshotCached
from langchain_moonshot_cache.server import local_options
from langchain_moonshot_cache.server.__main__ import main
from langchain_moonshot_cache.server.gateway import (
    Gateway,
    GatewaySettings,
    Upstream,
    UpstreamSettings,
)
from langchain_moonshot_cache.server.local import (
    LocalEngineError,
    LocalLlama,
    find_weights,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Json = dict[str, Any]

KEY = "sk-local-test"
PREFIX = 2000


def weights() -> Path | None:
    if find_spec("xllamacpp") is None:
        return None
    try:
        return find_weights(agreed=lambda _: False)
    except LocalEngineError:
        return None


WEIGHTS = weights()
pytestmark = [
    pytest.mark.skipif(
        WEIGHTS is None,
        reason="no llama.cpp or no weights here: pip install '.[local]', then "
        "`moonshot-cache serve --local --yes` once",
    ),
    pytest.mark.breaks_prefix("the gateway's engine is asked, not the stand-in"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def llama() -> Iterator[LocalLlama]:
    assert WEIGHTS is not None
    with LocalLlama(WEIGHTS, context=4096) as engine:
        yield engine


@pytest.fixture(scope="module")
def gateway(llama: LocalLlama) -> Iterator[Gateway]:
    settings = UpstreamSettings(url=llama.base_url, key=llama.api_key)
    with Gateway(GatewaySettings(), engine=lambda: Upstream(settings)) as running:
        yield running


@pytest.fixture
def llm(gateway: Gateway) -> Iterator[ChatMoonshotCached]:
    with ChatMoonshotCached(
        model="moonshot-v1-8k",
        base_url=gateway.base_url,
        api_key=KEY,
        registry="memory://",
        cache_policy="always",
        max_completion_tokens=4,
        timeout=300,
    ) as model:
        yield model


def client_of(gateway: Gateway) -> httpx.Client:
    headers = {"Authorization": f"Bearer {KEY}"}
    return httpx.Client(base_url=gateway.base_url, headers=headers, timeout=300)


def created(client: httpx.Client, body: Json) -> Json:
    """Create a cache, and return it once it is no longer pending."""
    cache: Json = client.post("/caching", json=body).json()
    while cache["status"] == "pending":
        cache = client.get(f"/caching/{cache['id']}").json()
    return cache


def test_only_the_gateway_may_ask_the_engine(llama: LocalLlama) -> None:
    url = f"{llama.base_url}/chat/completions"
    assert httpx.post(url, json={"messages": []}).status_code == 401


def test_a_cached_prefix_is_not_computed_again(llm: ChatMoonshotCached) -> None:
    lore = " ".join(f"Lighthouse {number} is white." for number in range(PREFIX // 10))
    system = SystemMessage(lore)
    llm.warm([system], wait=300)
    for question in ("Which one is white?", "How many are there?"):
        answer = llm.invoke([system, HumanMessage(question)])
        assert answer.usage_metadata
        details = answer.usage_metadata["input_token_details"]
        assert details["cache_read"] > 0.95 * answer.usage_metadata["input_tokens"]
        assert answer.response_metadata["moonshot_cache"]["outcome"] == "hit"


def test_the_announced_example_is_answered_and_the_tools_reach_the_engine(
    llama: LocalLlama, gateway: Gateway
) -> None:
    prefix, asked = example("create_request"), example("chat_request")
    asked |= {"max_tokens": 8, "temperature": 0}
    question = asked["messages"][1:]
    messages = [*prefix["messages"], *question]
    whole = {**asked, "messages": messages, "tools": prefix["tools"]}
    with client_of(gateway) as client:
        cache = created(client, prefix)
        assert cache["status"] == "ready"
        # Twice, since sums that are done in other portions may round to another word:
        # the second one finds all of its prompt in memory, as the gateway's call does.
        _, said = [_ask(llama, "/v1/chat/completions", whole) for _ in range(2)]
        reference = {"role": "cache", "content": f"cache_id={cache['id']}"}
        body = {**asked, "messages": [reference, *question]}
        answer = client.post("/chat/completions", json=body).json()
    assert said["choices"][0]["message"]["content"]
    assert answer["choices"] == said["choices"]
    prompt = _prompt(llama, prefix, question)
    assert "CodeRunner" in prompt
    counted = _count(llama, prompt)
    assert abs(answer["usage"]["prompt_tokens"] - counted) <= 1


def _prompt(llama: LocalLlama, prefix: Json, question: list[Json]) -> str:
    """Have the engine write the prompt that messages and tools come to."""
    body = {"messages": [*prefix["messages"], *question], "tools": prefix["tools"]}
    return str(_ask(llama, "/apply-template", body)["prompt"])


def _count(llama: LocalLlama, prompt: str) -> int:
    body = {"content": prompt, "add_special": True, "parse_special": True}
    return len(_ask(llama, "/tokenize", body)["tokens"])


def _ask(llama: LocalLlama, path: str, body: Json) -> Json:
    reply = httpx.post(
        llama.base_url.removesuffix("/v1") + path,
        json=body,
        headers={"Authorization": f"Bearer {llama.api_key}"},
        timeout=300,
    )
    answer: Json = json.loads(reply.text)
    return answer


def test_a_prefix_longer_than_the_context_ends_in_an_error_with_the_reason(
    gateway: Gateway,
) -> None:
    message = {"role": "system", "content": "white black " * 4000}
    with client_of(gateway) as client:
        cache = created(client, {"model": "moonshot-v1", "messages": [message]})
    assert cache["status"] == "error"
    assert "context" in cache["error"]["message"]


def test_an_engine_may_be_closed_as_soon_as_it_is_there() -> None:
    assert WEIGHTS is not None
    for _ in range(3):  # one in three would wait for ever
        with LocalLlama(WEIGHTS, context=256) as engine:
            address = engine.base_url
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{address}/models")


@pytest.mark.parametrize("figures", [{"threads": 0}, {"context": 0}])
def test_figures_that_llama_cpp_would_die_of_are_refused(figures: Json) -> None:
    assert WEIGHTS is not None
    with pytest.raises(ValueError, match="at least one"):
        LocalLlama(WEIGHTS, **figures)


def test_a_port_that_is_taken_is_told_before_a_model_is_loaded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: Any, **__: Any) -> None:
        pytest.fail("the model was loaded")

    monkeypatch.setattr(local_options, "LocalLlama", load)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["--local", str(WEIGHTS), "--port", port]) == 1
    assert "cannot serve" in capsys.readouterr().err
