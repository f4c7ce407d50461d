"""The life of a cache, seen over the wire."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from server_kit import SYSTEM, TOOL, UNKNOWN_CACHE, Api, example, reason

if TYPE_CHECKING:
    from langchain_moonshot_cache.testing import MoonshotServer, ServerFactory

CALL = {
    "id": "lookup:0",
    "type": "function",
    "function": {"name": "lookup", "arguments": "{}"},
}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
ANSWERED = {"role": "tool", "tool_call_id": "lookup:0", "content": "137 metres"}


def test_the_announced_example_is_answered_field_by_field(api: Api) -> None:
    answer = api.post("/caching", json=example("create_request")).json()
    announced = example("create_response")
    assert re.fullmatch("cache-[a-z0-9]{20}", answer.pop("id"))
    assert abs(answer.pop("tokens") - announced.pop("tokens")) <= 0.15 * 72
    assert answer.pop("expired_at") == answer.pop("created_at") + 3600
    del announced["id"], announced["expired_at"]
    assert answer == announced


def test_a_new_cache_is_pending_until_the_clock_reaches_its_time(api: Api) -> None:
    api.server.configure(ready_after=50)
    cache = api.create()
    assert cache["status"] == "pending"
    api.server.clock.advance(49.5)
    assert api.look(cache["id"])["status"] == "pending"
    api.server.clock.advance(0.5)
    assert api.look(cache["id"])["status"] == "ready"


def test_a_cache_is_inactive_from_its_expiry_on(api: Api) -> None:
    cache = api.create(ttl=60)
    now = api.server.clock.now()
    api.server.clock.advance(cache["expired_at"] - now - 0.01)
    assert api.look(cache["id"])["status"] == "ready"
    api.server.clock.advance(0.01)
    assert api.look(cache["id"])["status"] == "inactive"


def test_a_cache_whose_building_fails_says_why(api: Api) -> None:
    api.server.fail("build_fails", body="no room", nth=1)
    cache = api.create()
    assert cache["status"] == "pending"
    assert "error" not in cache
    api.server.clock.advance(1)
    failed = api.look(cache["id"])
    assert failed["status"] == "error"
    assert failed["error"] == {"type": "server_error", "message": "no room"}
    reply = api.put(f"/caching/{cache['id']}", json={"ttl": 60})
    assert "failed" in reason(reply, 400)


@pytest.mark.parametrize("life", [{}, {"ttl": 0}, {"expired_at": 0}, {"ttl": None}])
def test_without_a_life_a_cache_lives_an_hour(api: Api, life: dict[str, Any]) -> None:
    cache = api.create(**life)
    assert cache["expired_at"] == cache["created_at"] + 3600


def test_a_cache_lives_as_long_as_it_was_told(api: Api) -> None:
    by_ttl = api.create(ttl=90)
    assert by_ttl["expired_at"] == by_ttl["created_at"] + 90
    moment = by_ttl["created_at"] + 120
    assert api.create(expired_at=moment)["expired_at"] == moment


def test_a_life_out_of_bounds_is_refused(api: Api) -> None:
    now = int(api.server.clock.now())
    assert "3600" in api.refused(400, ttl=3601)
    assert "ttl" in api.refused(400, ttl=-1)
    assert "later than now" in api.refused(400, expired_at=now)
    assert "3600" in api.refused(400, expired_at=now + 3601)
    assert "not both" in api.refused(400, ttl=60, expired_at=now + 60)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"model": "moonshot-v1-8k"}, "model must be one of: moonshot-v1"),
        ({"messages": []}, "messages must have at least 1"),
        ({"messages": [{"role": "robot", "content": ""}]}, r"messages\[0\].role"),
        ({"messages": [{"role": "user"}]}, r"messages\[0\].content is missing"),
        ({"messages": [{"role": "user", "content": 5}]}, r"messages\[0\].content"),
        ({"messages": [{"role": "assistant", "partial": True}]}, "partial"),
        ({"messages": [{"role": "cache", "content": "x"}]}, "role must be one of"),
        ({"tools": [{"type": "function"}]}, r"tools\[0\].function is missing"),
        ({"tools": [{"type": "function", "function": {"name": "1"}}]}, "name"),
        ({"name": "n" * 257}, "name has 257 characters"),
        ({"description": "d" * 513}, "description has 513 characters"),
        ({"metadata": {str(i): "" for i in range(17)}}, "metadata has 17 entries"),
        ({"metadata": {"k" * 65: ""}}, "a key of metadata"),
        ({"metadata": {"k": "v" * 513}}, "metadata.k has 513"),
        ({"metadata": {"k": 1}}, "metadata.k must be string"),
        ({"tags": ["1st"]}, r"tags\[0\]"),
        ({"ttl": True}, "ttl must be integer"),
        ({"ttl": 1.5}, "ttl must be integer"),
    ],
)
def test_a_request_that_breaks_a_rule_is_refused_with_the_place(
    api: Api, wrong: dict[str, Any], complaint: str
) -> None:
    assert re.search(complaint, api.refused(400, **wrong))
    assert api.server.creates() == 0


@pytest.mark.parametrize(
    ("messages", "tools", "complaint"),
    [
        ([SYSTEM, ANSWERED], [TOOL], "no assistant message before it"),
        ([CALLING, ANSWERED, ANSWERED], [TOOL], "no assistant message before it"),
        ([CALLING, SYSTEM], [TOOL], "need an answer"),
        ([CALLING], [TOOL], "need an answer"),
        ([CALLING, ANSWERED], None, "not in tools"),
        ([CALLING, ANSWERED], [], "not in tools"),
    ],
)
def test_tool_turns_out_of_order_are_refused(
    api: Api, messages: list[Any], tools: list[Any] | None, complaint: str
) -> None:
    assert complaint in api.refused(400, messages=messages, tools=tools)


def test_a_whole_tool_turn_can_be_cached(api: Api) -> None:
    cache = api.create(messages=[SYSTEM, CALLING, ANSWERED], tools=[TOOL])
    assert cache["messages"] == [SYSTEM, CALLING, ANSWERED]


def test_what_exceeds_the_token_limits_is_refused(
    moonshot_server_factory: ServerFactory,
) -> None:
    server = moonshot_server_factory(cache_token_limit=1000, account_token_limit=1500)
    text = {"role": "user", "content": "word " * 600}  # some 750 tokens
    with Api(server) as api, Api(server, key="sk-other") as other:
        assert "at most 1000" in api.refused(400, messages=[text, text])
        first = api.create(messages=[text])
        assert "its limit of 1500" in api.refused(400, messages=[text, SYSTEM])
        other.create(messages=[text])
        api.delete(f"/caching/{first['id']}")
        api.create(messages=[text])


def test_an_inactive_cache_leaves_room_for_others(
    moonshot_server_factory: ServerFactory,
) -> None:
    server = moonshot_server_factory(account_token_limit=1000)
    text = {"role": "user", "content": "word " * 600}
    with Api(server) as api:
        api.create(messages=[text], ttl=60)
        api.refused(400, messages=[text])
        server.clock.advance(61)
        api.create(messages=[text])


def test_an_update_puts_a_cache_back_to_pending(api: Api) -> None:
    cache = api.create_ready(metadata={"a": "1"}, ttl=60)
    path = f"/caching/{cache['id']}"
    updated = api.put(path, json={"metadata": {"b": "2"}}).json()
    assert updated["status"] == "pending"
    assert updated["metadata"] == {"b": "2"}
    assert updated["expired_at"] == cache["expired_at"]
    api.server.clock.advance(1)
    later = api.put(path, json={"ttl": 600}).json()
    assert later["expired_at"] == int(api.server.clock.now()) + 600
    assert later["metadata"] == {"b": "2"}


def test_an_update_revives_an_inactive_cache(api: Api) -> None:
    cache = api.create(ttl=10)
    api.server.clock.advance(11)
    revived = api.put(f"/caching/{cache['id']}", json={}).json()
    assert revived["status"] == "pending"
    assert revived["expired_at"] == int(api.server.clock.now()) + 3600


def test_a_deleted_cache_is_gone(api: Api) -> None:
    cache_id = api.create()["id"]
    path = f"/caching/{cache_id}"
    assert api.delete(path).json() == {
        "deleted": True,
        "id": cache_id,
        "object": "context_cache_object.deleted",
    }
    for reply in (api.delete(path), api.get(path), api.put(path, json={})):
        assert cache_id in reason(reply, 404)
    assert api.get("/caching").json()["data"] == []


def test_lists_come_newest_first_in_pages_of_twenty(api: Api) -> None:
    made = [api.create(name=str(number))["id"] for number in range(25)]

    def page(**query: Any) -> list[str]:
        reply = api.get("/caching", params=query)
        return [cache["id"] for cache in reply.json()["data"]]

    assert page() == made[:4:-1]
    assert page(after=made[5]) == made[4::-1]
    assert page(order="asc", limit=3) == made[:3]
    assert page(order="asc", limit=3, after=made[2]) == made[3:6]
    assert page(order="asc", limit=3, before=made[6]) == made[3:6]
    assert page(limit=3, before=made[3]) == made[6:3:-1]
    assert page(after=made[20], before=made[10], limit=100) == made[19:10:-1]


def test_a_deleted_cache_still_works_as_a_cursor(api: Api) -> None:
    made = [api.create()["id"] for _ in range(3)]
    api.delete(f"/caching/{made[1]}")
    found = api.get("/caching", params={"after": made[1]}).json()["data"]
    assert [cache["id"] for cache in found] == [made[0]]


def test_lists_can_be_filtered_by_metadata(api: Api) -> None:
    wanted = api.create(metadata={"team": "a b", "stage": "1"})["id"]
    api.create(metadata={"team": "a b", "stage": "2"})
    api.create()
    query = {"metadata[team]": "a b", "metadata[stage]": "1"}
    found = api.get("/caching", params=query).json()["data"]
    assert [cache["id"] for cache in found] == [wanted]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=0", 400),
        ("limit=101", 400),
        ("limit=many", 400),
        ("limit=1&limit=2", 400),
        ("order=up", 400),
        ("after=x", 400),
        ("metadata=x", 400),
        ("metadata[a][b]=x", 400),
        ("page=2", 400),
        (f"after={UNKNOWN_CACHE}", 404),
    ],
)
def test_a_malformed_list_query_is_refused(api: Api, query: str, status: int) -> None:
    assert reason(api.get(f"/caching?{query}"), status)


def test_another_account_sees_nothing_and_another_key_of_it_everything(
    api: Api, stranger: Api, moonshot_server: MoonshotServer
) -> None:
    cache_id = api.create()["id"]
    assert stranger.get("/caching").json()["data"] == []
    for reply in (
        stranger.get(f"/caching/{cache_id}"),
        stranger.delete(f"/caching/{cache_id}"),
        stranger.put(f"/caching/{cache_id}", json={}),
        stranger.get("/caching", params={"after": cache_id}),
    ):
        reason(reply, 404)
    with Api(moonshot_server, key=f"{moonshot_server.api_key}:laptop") as second_key:
        assert second_key.look(cache_id)["id"] == cache_id
