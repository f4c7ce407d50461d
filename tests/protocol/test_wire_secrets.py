"""Neither the key nor a prompt gets out through anything that people print."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from colour_kit import COLOURS
from pydantic import SecretStr
from wire_kit import KEY, MESSAGES, MODEL, PROMPT, Face, RawServer, faces, http

from langchain_moonshot_cache.errors import ConfigurationError, MoonshotCacheError
from langchain_moonshot_cache.protocol import (
    AsyncMoonshotCachingClient,
    MoonshotCachingClient,
)
from langchain_moonshot_cache.protocol.exchange import Reply, Request
from langchain_moonshot_cache.protocol.models import CacheCreate, ContextCache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CANARY = {"canary": PROMPT}


@pytest.fixture(params=COLOURS)
def connect(request: pytest.FixtureRequest) -> Iterator[Callable[..., Face]]:
    with faces(request.param) as make:
        yield make


def assert_clean(text: str) -> None:
    assert KEY not in text
    assert PROMPT not in text
    assert PROMPT[:20] not in text


def echo(status: str) -> bytes:
    """A refusal that quotes the key and the prompt, as careless servers do."""
    words = f"key {KEY} may not say: {PROMPT}"
    body = {"error": {"type": "invalid_request_error", "message": words}}
    return http(json.dumps(body).encode(), status=status)


@pytest.mark.parametrize(
    "reply",
    [
        echo("400 Bad Request"),
        echo("401 Unauthorized"),
        echo("404 Not Found"),
        echo("429 Too Many"),
        echo("500 Oops"),
        echo("200 OK"),
        http(f"<p>{KEY} {PROMPT}</p>".encode()),
        http(json.dumps({"id": PROMPT, "status": PROMPT}).encode()),
        http(status="302 Found", headers=f"Location: http://other/?{KEY}\r\n"),
        f"HTTP/1.1 200 OK\r\n{KEY} {PROMPT}\r\n\r\n".encode(),
        b"",
    ],
)
def test_no_error_quotes_the_key_or_the_prompt(
    connect: Callable[..., Face], reply: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with RawServer(reply) as server:
        client = connect(server.base_url, max_retries=1)
        with pytest.raises(MoonshotCacheError) as caught:
            client.create(
                model=MODEL, messages=MESSAGES, metadata=CANARY, description=PROMPT
            )
        assert KEY.encode() in server.requests[0]
    error = caught.value
    assert_clean(f"{error} {error!r} {vars(error)}")
    assert_clean("".join(traceback.format_exception(error, limit=0)))
    assert_clean(pickle.dumps(error).decode("latin-1"))
    ours = [r for r in caplog.records if r.name == "langchain_moonshot_cache"]
    assert ours
    assert_clean("\n".join(record.getMessage() for record in ours))


def test_the_log_says_what_happened_and_no_more(
    connect: Callable[..., Face], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="langchain_moonshot_cache")
    reply = http(b'{"id":"cache-x","status":"ready"}', headers="Msh-Request-Id: r7\r\n")
    with RawServer(reply) as server:
        connect(server.base_url).get("cache-x")
    (record,) = (r for r in caplog.records if r.name == "langchain_moonshot_cache")
    assert record.getMessage().startswith("GET /caching/cache-x -> 200 in ")
    assert record.getMessage().endswith("request id r7")


@pytest.mark.parametrize("kind", [MoonshotCachingClient, AsyncMoonshotCachingClient])
def test_a_client_shows_its_address_and_hides_its_key(kind: type[Any]) -> None:
    client = kind(
        api_key=KEY, base_url="http://localhost/v1", default_headers={"X-Key": KEY}
    )
    assert repr(client) == f"{kind.__name__}(base_url='http://localhost/v1')"
    assert_clean(f"{client} {client._endpoint} {client._operations}")
    for duplicate in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="make a new one"):
            duplicate(client)


def test_values_of_the_wire_hide_what_they_carry() -> None:
    body = {"messages": MESSAGES, "tools": MESSAGES, "metadata": CANARY, "name": PROMPT}
    cache = ContextCache.model_validate({"id": "c", "status": "ready", **body})
    asked = CacheCreate(model=MODEL, messages=MESSAGES, metadata=CANARY, name=PROMPT)
    request = Request(method="GET", path="/", body=b"x" + PROMPT.encode())
    reply = Reply(status=200, body=PROMPT.encode(), headers={"x": PROMPT})
    for value in (cache, asked, request, reply):
        assert_clean(f"{value!r} {value}")
    assert "id='c'" in repr(cache)


def test_a_key_comes_as_text_or_as_a_secret(connect: Callable[..., Face]) -> None:
    with RawServer(http(b'{"id":"cache-x","status":"ready"}')) as server:
        for key in (f" {KEY}\n", SecretStr(KEY)):
            connect(server.base_url, api_key=key).get("cache-x")
        for request in server.requests:
            assert f"Authorization: Bearer {KEY}\r\n".encode() in request


def test_default_headers_are_sent_but_do_not_replace_the_key(
    connect: Callable[..., Face],
) -> None:
    extra = {"X-Team": "blue", "Authorization": "Bearer other"}
    with RawServer(http(b'{"id":"cache-x","status":"ready"}')) as server:
        connect(server.base_url, default_headers=extra).get("cache-x")
        assert b"X-Team: blue" in server.requests[0]
        assert b"Bearer other" not in server.requests[0]


@pytest.mark.parametrize("key", ["", "  \n", "two words", "schlüssel", "a\nb", "a\x00"])
def test_a_key_that_cannot_be_one_is_refused_unseen(key: str) -> None:
    with pytest.raises(ConfigurationError, match="key") as caught:
        MoonshotCachingClient(api_key=key)
    if key.strip():
        assert key not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "api.moonshot.cn/v1",
        "ftp://host/v1",
        "https://",
        "https:///v1",
        "http://host:port/v1",
        "http://host:99999/v1",
        "http://[::1/v1",
        "http://user:hunter2@host/v1",
        "http://host/v1?key=hunter2",
        "http://host/v1#part",
        "http://host /v1",
        "http://host/v1\n",
        "",
    ],
)
def test_a_url_that_cannot_be_one_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match="base_url") as caught:
        MoonshotCachingClient(api_key=KEY, base_url=url)
    assert "hunter2" not in str(caught.value)
