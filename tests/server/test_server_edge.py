"""Keys, bodies, unknown routes, the clock, the request log."""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from server_kit import MODEL, QUESTION, SYSTEM, Api, reason

if TYPE_CHECKING:
    from langchain_moonshot_cache.testing import MoonshotServer, ServerFactory

CANARY = "sk-canary-4711"


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Basic c2s=", "sk-test"])
def test_a_request_without_a_key_is_answered_with_401(
    api: Api, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    reply = httpx.get(f"{api.server.base_url}/caching", headers=headers, verify=False)  # noqa: S501 - no TLS
    assert reason(reply, 401)
    assert reply.headers["WWW-Authenticate"] == "Bearer"


def test_a_key_of_the_wrong_region_is_answered_with_401(
    moonshot_server: MoonshotServer,
) -> None:
    with Api(moonshot_server, key="sk-wrong-region") as api:
        reason(api.get("/models"), 401)


def test_only_listed_keys_are_accepted_where_keys_are_listed(
    moonshot_server_factory: ServerFactory,
) -> None:
    server = moonshot_server_factory(api_keys=frozenset({"sk-listed"}))
    with Api(server, key="sk-listed") as known, Api(server, key="sk-other") as other:
        assert known.get("/models").status_code == 200
        reason(other.get("/models"), 401)


def test_a_key_appears_nowhere_in_what_the_server_keeps(
    moonshot_server_factory: ServerFactory, tmp_path: Any
) -> None:
    server = moonshot_server_factory(data=str(tmp_path / "data.sqlite"))
    with Api(server, key=CANARY) as api:
        api.create(tags=["manual"])
        api.chat()
        shown = [server.control("GET", name) for name in ("requests", "caches")]
        shown.append(server.control("GET", "bill", api_key=CANARY))
    assert CANARY not in json.dumps(shown)
    for file in tmp_path.iterdir():
        assert CANARY.encode() not in file.read_bytes()


def test_an_unknown_route_is_answered_as_the_vendors_gateway_does(api: Api) -> None:
    reply = api.get("/no/such/route")
    assert reply.status_code == 404
    body = reply.json()
    assert (body["code"], body["error"]) == (5, "url.not_found")
    assert (body["scode"], body["status"]) == ("0x5", False)
    assert (body["method"], body["url"]) == ("GET", "/v1/no/such/route")


@pytest.mark.parametrize("status", [404, 200])
def test_a_retired_endpoint_says_so_under_either_status(api: Api, status: Any) -> None:
    cache_id = api.create()["id"]
    api.server.retire(status)
    for reply in (
        api.post("/caching", json={}),
        api.get(f"/caching/{cache_id}"),
        api.get("/caching/refs/tags"),
    ):
        assert reply.status_code == status
        assert reply.json()["error"] == "url.not_found"
    assert api.chat().status_code == 200
    api.server.retire(None)
    assert api.look(cache_id)["id"] == cache_id


def test_a_wrong_method_is_answered_with_those_that_are_right(api: Api) -> None:
    reply = api.patch("/caching/cache-x")
    reason(reply, 405)
    allowed = set(reply.headers["Allow"].split(", "))
    assert allowed == {"GET", "HEAD", "PUT", "DELETE"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b'{"model": NaN}',
        b'{"model": Infinity}',
        b'{"model": 1e999}',
        b'{"model": ' + b"9" * 5000 + b"}",
        b'{"model": "\\ud800"}',
        b'{"model": "\xff"}',
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_a_body_that_is_not_the_json_wanted_is_refused(api: Api, body: bytes) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    reason(api.post("/caching", content=body, headers=headers), 400)


def test_a_body_of_another_type_is_answered_with_415(api: Api) -> None:
    reason(api.post("/caching", data={"model": "moonshot-v1"}), 415)
    reason(api.post("/caching", content=b"{}"), 415)


def test_a_body_beyond_the_limit_is_answered_with_413(
    moonshot_server_factory: ServerFactory,
) -> None:
    server = moonshot_server_factory(max_body_bytes=1000)
    with Api(server) as api:
        large = {"model": MODEL, "messages": [{**QUESTION, "content": "x" * 500_000}]}
        assert "at most 1000" in reason(api.post("/chat/completions", json=large), 413)
        assert api.get("/models").status_code == 200


def test_every_answer_carries_an_id_and_the_servers_date(api: Api) -> None:
    api.server.clock.set(1_900_000_000)
    replies = [api.get("/models"), api.get("/nothing"), api.post("/caching", json={})]
    for reply in replies:
        date = parsedate_to_datetime(reply.headers["Date"])
        assert date.timestamp() == 1_900_000_000
    assert len({reply.headers["Msh-Request-Id"] for reply in replies}) == 3


def test_the_clock_stands_runs_and_jumps_as_told(api: Api) -> None:
    clock = api.server.clock
    clock.set(1_000_000)
    assert clock.now() == 1_000_000
    clock.advance(-100)
    assert clock.now() == 999_900
    clock.thaw()
    first = clock.now()
    assert 999_900 <= first <= clock.now() < 999_900 + 600
    clock.advance(86_400)
    assert clock.now() >= first + 86_400


def test_a_clock_beyond_the_calendar_is_refused(api: Api) -> None:
    for wrong in ({"now": -1}, {"now": 1e18}, {"advance": 1e12}, {"freeze": 1}):
        with pytest.raises(ValueError, match="400"):
            api.server.control("PUT", "clock", wrong)


def test_the_log_shows_what_arrived_without_the_key(api: Api) -> None:
    reply = api.chat(SYSTEM, QUESTION, headers={"X-Trace": "7"})
    (request,) = api.server.requests(method="POST", path="/v1/chat/completions")
    assert request.request_id == reply.headers["Msh-Request-Id"]
    assert request.body["messages"] == [SYSTEM, QUESTION]
    assert request.body_bytes == len(reply.request.content)
    assert request.headers["x-trace"] == "7"
    assert "authorization" not in request.headers
    assert (request.status, request.query) == (200, "")
    assert request.account is not None


def test_the_log_is_bounded_in_entries_and_in_bytes(
    moonshot_server_factory: ServerFactory,
) -> None:
    few = moonshot_server_factory(log_entries=3)
    with Api(few) as api:
        for number in range(5):
            api.get("/models", params={"n": number})
    assert [request.query for request in few.requests()] == ["n=2", "n=3", "n=4"]
    small = moonshot_server_factory(log_bytes=2000)
    with Api(small) as api:
        for _ in range(5):
            api.chat({**QUESTION, "content": "x" * 800})
    assert len(small.requests()) == 2


def test_clearing_forgets_the_log_but_not_the_caches(api: Api) -> None:
    api.create()
    api.server.answer_next("unheard")
    api.server.clear()
    assert api.server.requests() == []
    assert api.server.control("GET", "answers")["waiting"] == 0
    assert (len(api.server.caches()), api.server.creates()) == (1, 1)
    assert api.server.caches(status="ready") == []


def test_without_control_only_the_bill_is_left(
    moonshot_server_factory: ServerFactory,
) -> None:
    server = moonshot_server_factory(control=False)
    assert server.bill().total == 0
    for name in ("clock", "faults", "answers", "requests", "caches", "settings"):
        with pytest.raises(ValueError, match="404"):
            server.control("GET", name)


@pytest.mark.parametrize(
    "answers", [[5], [{"tool_calls": [{}]}], [{"tool_calls": [{"function": 1}]}], None]
)
def test_an_answer_that_makes_no_sense_is_refused(api: Api, answers: Any) -> None:
    with pytest.raises(ValueError, match="400"):
        api.server.control("POST", "answers", {"answers": answers})


def test_a_seeded_server_gives_the_same_ids_again(
    moonshot_server_factory: ServerFactory,
) -> None:
    ids = []
    for _ in range(2):
        with Api(moonshot_server_factory(seed=7)) as api:
            ids.append(api.create()["id"])
    assert ids[0] == ids[1]
