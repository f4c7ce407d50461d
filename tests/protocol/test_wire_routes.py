"""Every route of the API, by both clients, against the stand-in over a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from wire_kit import MESSAGES, MODEL, PROMPT, Face, RawServer, faces, http

from langchain_moonshot_cache.errors import (
    AuthenticationError,
    EndpointRetiredError,
    InvalidRequestError,
    NotFoundError,
    ResponseFormatError,
)
from langchain_moonshot_cache.protocol import CREATE_ID_KEY, CacheStatus

if TYPE_CHECKING:
    from langchain_moonshot_cache.testing import MoonshotServer


def test_a_new_cache_is_pending_and_soon_ready(
    client: Face, moonshot_server: MoonshotServer
) -> None:
    moonshot_server.clock.freeze()
    cache = client.create(model=MODEL, messages=MESSAGES, name="canary", ttl=60)
    assert cache.status is CacheStatus.PENDING
    assert cache.is_live
    assert cache.messages == MESSAGES
    assert (cache.model, cache.name) == (MODEL, "canary")
    moonshot_server.clock.advance(1)
    ready = client.get(cache.id)
    assert ready.status is CacheStatus.READY
    assert ready.tokens > 0


def test_an_expired_cache_is_inactive(
    client: Face, moonshot_server: MoonshotServer
) -> None:
    cache = client.create(model=MODEL, messages=MESSAGES, ttl=60)
    moonshot_server.clock.advance(61)
    expired = client.get(cache.id)
    assert expired.status is CacheStatus.INACTIVE
    assert not expired.is_live


def test_a_cache_lives_an_hour_when_nobody_says_how_long(client: Face) -> None:
    cache = client.create(model=MODEL, messages=MESSAGES)
    assert cache.expired_at - cache.created_at == 3600


def test_a_cache_lives_until_the_second_that_was_asked_for(
    client: Face, moonshot_server: MoonshotServer
) -> None:
    end = int(moonshot_server.clock.now()) + 100
    cache = client.create(model=MODEL, messages=MESSAGES, expired_at=end)
    assert cache.expired_at == end


def test_a_cache_that_could_not_be_built_says_why_but_not_in_its_repr(
    client: Face, moonshot_server: MoonshotServer
) -> None:
    moonshot_server.fail("build_fails", body=f"cannot build {PROMPT}")
    cache_id = client.create(model=MODEL, messages=MESSAGES).id
    moonshot_server.clock.advance(1)
    cache = client.get(cache_id)
    assert cache.status is CacheStatus.ERROR
    assert cache.error is not None
    assert PROMPT in cache.error.message
    assert PROMPT not in f"{cache!r} {cache} {cache.error!r}"


def test_tools_and_description_travel_unchanged(client: Face) -> None:
    tool = {
        "type": "function",
        "function": {
            "name": "CodeRunner",
            "description": "runs code",
            "parameters": {"type": "object", "properties": {}},
        },
    }
    cache = client.create(
        model=MODEL, messages=MESSAGES, tools=[tool], description="for tests"
    )
    assert cache.tools == [tool]
    assert cache.description == "for tests"


def test_metadata_comes_back_with_the_id_of_the_create(client: Face) -> None:
    cache = client.create(model=MODEL, messages=MESSAGES, metadata={"a": "1"})
    assert cache.metadata["a"] == "1"
    assert len(cache.metadata[CREATE_ID_KEY]) == 32


def test_each_create_has_an_id_of_its_own(client: Face) -> None:
    one, two = (client.create(model=MODEL, messages=MESSAGES) for _ in range(2))
    assert one.metadata[CREATE_ID_KEY] != two.metadata[CREATE_ID_KEY]


def test_a_create_id_of_the_caller_is_kept(client: Face) -> None:
    cache = client.create(
        model=MODEL, messages=MESSAGES, metadata={CREATE_ID_KEY: "mine"}
    )
    assert cache.metadata == {CREATE_ID_KEY: "mine"}


def test_find_first_returns_a_live_cache_instead_of_making_one(
    client: Face, moonshot_server: MoonshotServer
) -> None:
    pairs = {"prefix": "digest"}
    first = client.create(model=MODEL, messages=MESSAGES, metadata=pairs)
    again = client.create(
        model=MODEL, messages=MESSAGES, metadata=pairs, find_first=True
    )
    assert again.id == first.id
    assert moonshot_server.creates() == 1


def test_find_first_makes_a_cache_when_the_one_it_finds_is_dead(
    client: Face, moonshot_server: MoonshotServer
) -> None:
    pairs = {"prefix": "digest"}
    first = client.create(model=MODEL, messages=MESSAGES, metadata=pairs, ttl=60)
    moonshot_server.clock.advance(61)
    again = client.create(
        model=MODEL, messages=MESSAGES, metadata=pairs, find_first=True
    )
    assert again.id != first.id


def test_a_list_goes_through_all_pages_and_each_cache_comes_once(client: Face) -> None:
    made = [client.create(model=MODEL, messages=MESSAGES).id for _ in range(7)]
    listed = [cache.id for cache in client.list(limit=3)]
    assert sorted(listed) == sorted(made)
    assert [c.id for c in client.list(limit=3, order="asc")] == listed[::-1]


def test_a_list_can_be_narrowed_by_metadata(client: Face) -> None:
    pairs = {"team": "blau & rot", "schlüssel": "値"}
    wanted = client.create(model=MODEL, messages=MESSAGES, metadata=pairs)
    client.create(model=MODEL, messages=MESSAGES, metadata={"team": "grün"})
    assert [cache.id for cache in client.list(metadata=pairs)] == [wanted.id]


def test_a_list_begins_after_and_ends_before_the_given_caches(
    client: Face, moonshot_server: MoonshotServer
) -> None:
    made = []
    for _ in range(5):
        made.append(client.create(model=MODEL, messages=MESSAGES).id)
        moonshot_server.clock.advance(1)
    newest_first = made[::-1]
    after = [cache.id for cache in client.list(after=newest_first[1], limit=2)]
    assert after == newest_first[2:]


def test_an_empty_account_has_an_empty_list(client: Face) -> None:
    assert list(client.list()) == []
    assert list(client.tag("list")) == []


def test_an_update_moves_the_expiry_and_replaces_metadata(
    client: Face, moonshot_server: MoonshotServer
) -> None:
    moonshot_server.clock.freeze()
    cache = client.create(model=MODEL, messages=MESSAGES, ttl=60)
    moonshot_server.clock.advance(30)
    changed = client.update(cache.id, ttl=60, metadata={"new": "pair"})
    assert changed.expired_at == cache.expired_at + 30
    assert changed.metadata == {"new": "pair"}
    assert changed.status is CacheStatus.PENDING


def test_deleting_says_whether_there_was_something(client: Face) -> None:
    cache = client.create(model=MODEL, messages=MESSAGES)
    assert client.delete(cache.id) is True
    assert client.delete(cache.id) is False
    with pytest.raises(NotFoundError) as caught:
        client.get(cache.id)
    assert caught.value.cache_id == cache.id
    assert caught.value.status_code == 404
    assert caught.value.request_id


def test_tags_are_bound_moved_read_listed_and_removed(client: Face) -> None:
    one, two = (client.create(model=MODEL, messages=MESSAGES).id for _ in range(2))
    tag = client.tag("create", "manual.v-x", cache_id=one)
    assert (tag.tag, tag.cache_id) == ("manual.v-x", one)
    assert client.tag("content", "manual.v-x").id == one
    assert client.tag("create", "manual.v-x", cache_id=two).cache_id == two
    assert client.tag("get", "manual.v-x").cache_id == two
    assert [item.tag for item in client.tag("list", limit=1)] == ["manual.v-x"]
    assert client.tag("delete", "manual.v-x") is True
    assert client.tag("delete", "manual.v-x") is True
    with pytest.raises(NotFoundError):
        client.tag("get", "manual.v-x")


def test_many_tags_come_in_pages(client: Face) -> None:
    cache_id = client.create(model=MODEL, messages=MESSAGES).id
    names = [f"tag-{letter}" for letter in "abcde"]
    for name in names:
        client.tag("create", name, cache_id=cache_id)
    listed = [tag.tag for tag in client.tag("list", limit=2)]
    assert sorted(listed) == names


def test_a_create_can_bind_tags_at_once(client: Face) -> None:
    cache = client.create(model=MODEL, messages=MESSAGES, tags=["manual"])
    assert client.tag("content", "manual").id == cache.id


def test_tokens_are_counted_without_making_anything(
    client: Face, moonshot_server: MoonshotServer
) -> None:
    count = client.estimate_tokens(model="moonshot-v1-8k", messages=MESSAGES)
    assert 5 <= count <= 40
    assert moonshot_server.creates() == 0


def test_the_models_are_those_that_the_server_names(
    client: Face, moonshot_server: MoonshotServer
) -> None:
    models = client.models()
    assert "kimi-k3" in models
    assert "moonshot-v1-8k" in models
    moonshot_server.configure(retired_models=True)
    assert "moonshot-v1-8k" not in client.models()


def test_the_balance_falls_by_what_the_bill_says(
    client: Face, moonshot_server: MoonshotServer
) -> None:
    before = client.balance()
    client.create(model=MODEL, messages=MESSAGES)
    spent = moonshot_server.bill().total
    assert spent > 0
    assert float(before - client.balance()) == pytest.approx(float(spent))


@pytest.mark.parametrize("amount", ['"12"', "true", "null", "1e999"])
def test_a_balance_that_is_no_number_is_refused(amount: str) -> None:
    body = http(f'{{"data": {{"available_balance": {amount}}}}}'.encode())
    with (
        RawServer(body) as server,
        faces("sync") as connect,
        pytest.raises(ResponseFormatError, match="available_balance"),
    ):
        connect(server.base_url).balance()


def test_the_server_s_clock_is_known_after_the_first_reply(
    client: Face, moonshot_server: MoonshotServer
) -> None:
    assert client.server_time_offset is None
    moonshot_server.clock.advance(86_400)
    list(client.list())
    assert client.server_time_offset == pytest.approx(86_400, abs=60)


@pytest.mark.parametrize("status", [404, 200])
def test_a_retired_endpoint_is_named_as_such(
    client: Face, moonshot_server: MoonshotServer, status: int
) -> None:
    moonshot_server.retire(404 if status == 404 else 200)
    for call in (
        lambda: client.create(model=MODEL, messages=MESSAGES),
        lambda: list(client.list()),
        lambda: client.get("cache-x"),
        lambda: client.delete("cache-x"),
        lambda: client.update("cache-x", ttl=60),
        lambda: client.tag("content", "tag"),
        lambda: client.tag("delete", "tag"),
    ):
        with pytest.raises(EndpointRetiredError, match="retired") as caught:
            call()
        assert caught.value.status_code == status
    assert client.sleeps == []


def test_what_the_server_refuses_is_an_invalid_request(client: Face) -> None:
    orphan = {"role": "tool", "tool_call_id": "CodeRunner:0", "content": "1"}
    with pytest.raises(InvalidRequestError) as caught:
        client.create(model=MODEL, messages=[orphan])
    assert caught.value.error_type == "invalid_request_error"


def test_a_wrong_key_is_an_authentication_error(
    moonshot_server: MoonshotServer,
) -> None:
    with faces("sync") as connect:
        stranger = connect(moonshot_server.base_url, api_key="sk-wrong-region")
        with pytest.raises(AuthenticationError, match="MOONSHOT_API_KEY") as caught:
            list(stranger.list())
    assert "sk-wrong-region" not in str(caught.value)


def test_another_account_does_not_see_a_cache(
    client: Face, moonshot_server: MoonshotServer
) -> None:
    cache = client.create(model=MODEL, messages=MESSAGES)
    with faces("sync") as connect:
        other = connect(moonshot_server.base_url, api_key="sk-other")
        assert list(other.list()) == []
        assert other.delete(cache.id) is False
    assert client.get(cache.id).id == cache.id
