"""The announced example, field by field: the request as sent, the answer as read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from colour_kit import COLOURS
from wire_kit import Face, RawServer, faces, http

from langchain_moonshot_cache.protocol import CREATE_ID_KEY, CacheStatus

if TYPE_CHECKING:
    from langchain_moonshot_cache.testing import MoonshotServer

DATA = Path(__file__).parent.parent / "data"


def recorded(name: str) -> dict[str, Any]:
    text = (DATA / f"coderunner_{name}.json").read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content


@pytest.fixture(params=COLOURS)
def colour(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def create(client: Face) -> Any:
    asked = recorded("create_request")
    return client.create(**asked)


def test_the_request_is_the_announced_one_plus_the_id_of_the_create(
    colour: str,
) -> None:
    answer = json.dumps(recorded("create_response")).encode()
    with RawServer(http(answer)) as server, faces(colour) as connect:
        create(connect(server.base_url, api_key="sk-example"))
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    sent = json.loads(body)
    stamp = sent.pop("metadata")
    assert lines[0] == "POST /v1/caching HTTP/1.1"
    assert "Authorization: Bearer sk-example" in lines
    assert "Content-Type: application/json" in lines
    assert sent == recorded("create_request")
    assert list(stamp) == [CREATE_ID_KEY]
    assert "代码执行器".encode() in body


def test_the_recorded_answer_is_read_field_by_field(colour: str) -> None:
    answer = recorded("create_response")
    with (
        RawServer(http(json.dumps(answer).encode())) as server,
        faces(colour) as connect,
    ):
        cache = create(connect(server.base_url))
    assert cache.id == "cache-essqmysd6h1111dauub1"
    assert cache.object == "context_cache_object"
    assert cache.model == "moonshot-v1"
    assert cache.messages == answer["messages"]
    assert cache.tools == answer["tools"]
    assert cache.name == "CodeRunner"
    assert cache.description == ""
    assert cache.metadata == {}
    assert cache.expired_at == 1718847499
    assert cache.created_at is None
    assert cache.status is CacheStatus.PENDING
    assert cache.tokens == 72
    assert cache.error is None


def test_the_stand_in_answers_the_example_as_recorded(
    colour: str, moonshot_server: MoonshotServer
) -> None:
    answer = recorded("create_response")
    with faces(colour) as connect:
        cache = create(connect(moonshot_server.base_url))
    for field in ("model", "messages", "tools", "name", "description", "object"):
        assert getattr(cache, field) == answer[field]
    assert cache.status == answer["status"]
    assert cache.tokens == pytest.approx(answer["tokens"], rel=0.15)
    assert cache.expired_at - cache.created_at == 3600


def test_both_clients_send_the_same_bytes() -> None:
    answer = http(json.dumps(recorded("create_response")).encode())
    sent = []
    for which in COLOURS:
        with RawServer(answer) as server, faces(which) as connect:
            client = connect(server.base_url)
            client.create(
                **recorded("create_request"), metadata={CREATE_ID_KEY: "fixed"}
            )
            client.update("cache-x", ttl=60)
            port = server.base_url.rpartition(":")[2].removesuffix("/v1")
            sent.append([r.replace(port.encode(), b"0") for r in server.requests])
    assert sent[0] == sent[1]
    assert len(sent[0]) == 2
