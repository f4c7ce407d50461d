"""What is tried again, when, and what never is."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest
from colour_kit import COLOURS
from hypothesis import given
from hypothesis import strategies as st
from wire_kit import MESSAGES, MODEL, Face, RawServer, faces, http

from langchain_moonshot_cache.errors import (
    ConfigurationError,
    ConnectionFailedError,
    InvalidRequestError,
    QuotaExceededError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
)
from langchain_moonshot_cache.protocol import CREATE_ID_KEY, NothingSentError
from langchain_moonshot_cache.protocol.retry import RetryPolicy, next_delay

if TYPE_CHECKING:
    from langchain_moonshot_cache.testing import FaultKind, MoonshotServer

CACHES = "/v1/caching"
ONE_CACHE = "/v1/caching/{id}"
FULL = {f"key{number}": "value" for number in range(16)}


def create(client: Face, **options: object) -> object:
    return client.create(model=MODEL, messages=MESSAGES, **options)


@pytest.mark.parametrize("kind", ["cut", "reply_lost", "cut_body", "status"])
def test_a_read_is_tried_again_after_any_trouble_of_the_connection_or_the_server(
    client: Face, moonshot_server: MoonshotServer, kind: FaultKind
) -> None:
    cache = client.create(model=MODEL, messages=MESSAGES)
    moonshot_server.fail(kind, method="GET", path=ONE_CACHE, nth=1, status=503)
    assert client.get(cache.id).id == cache.id
    assert client.sleeps == [0.25]


def test_pauses_double_and_end_after_the_allowed_attempts(
    client: Face, moonshot_server: MoonshotServer
) -> None:
    moonshot_server.fail("status", method="GET", path=CACHES, status=500)
    with pytest.raises(ServerError):
        list(client.list(max_retries=5))
    assert client.sleeps == [0.25, 0.5, 1.0, 2.0, 4.0]
    assert len(moonshot_server.requests(path=CACHES)) == 6


def test_a_call_can_forbid_retries(
    client: Face, moonshot_server: MoonshotServer
) -> None:
    moonshot_server.fail("status", method="GET", path=CACHES, status=500)
    with pytest.raises(ServerError):
        list(client.list(max_retries=0))
    assert client.sleeps == []


def test_a_rate_limit_is_waited_out_for_as_long_as_the_server_says(
    client: Face, moonshot_server: MoonshotServer
) -> None:
    moonshot_server.fail(
        "status", path=CACHES, nth=1, status=429, headers={"Retry-After": "7"}
    )
    create(client)
    assert client.sleeps == [7.25]
    assert moonshot_server.creates() == 1


def test_retry_after_may_be_a_date_by_the_server_s_own_clock(
    client: Face, moonshot_server: MoonshotServer
) -> None:
    moonshot_server.clock.set(1_900_000_000)
    moonshot_server.clock.freeze()
    later = format_datetime(datetime.fromtimestamp(1_900_000_009, UTC), usegmt=True)
    moonshot_server.fail(
        "status", path=CACHES, nth=1, status=429, headers={"Retry-After": later}
    )
    create(client)
    assert client.sleeps == [9.25]


def test_a_server_that_asks_for_an_hour_is_not_waited_for(
    client: Face, moonshot_server: MoonshotServer
) -> None:
    moonshot_server.fail(
        "status", path=CACHES, status=429, headers={"Retry-After": "3600"}
    )
    with pytest.raises(RateLimitError) as caught:
        create(client)
    assert caught.value.retry_after == 3600
    assert client.sleeps == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [(429, "exceeded_current_quota_error"), (402, "payment_required")],
)
def test_an_empty_account_is_never_tried_again(
    client: Face, moonshot_server: MoonshotServer, status: int, kind: str
) -> None:
    body = {"error": {"type": kind, "message": "no money left"}}
    moonshot_server.fail("status", path=CACHES, status=status, body=body)
    with pytest.raises(QuotaExceededError, match="recharge"):
        create(client)
    assert client.sleeps == []


def test_a_refused_request_is_not_tried_again(
    client: Face, moonshot_server: MoonshotServer
) -> None:
    moonshot_server.fail("status", path=CACHES, status=400)
    with pytest.raises(InvalidRequestError):
        create(client)
    assert client.sleeps == []


def test_a_create_whose_reply_was_lost_is_found_instead_of_made_twice(
    client: Face, moonshot_server: MoonshotServer
) -> None:
    moonshot_server.fail("reply_lost", method="POST", path=CACHES, nth=1)
    cache = client.create(model=MODEL, messages=MESSAGES, metadata={"a": "b"})
    assert moonshot_server.creates() == 1
    assert [c["id"] for c in moonshot_server.caches()] == [cache.id]
    looked_up = moonshot_server.requests(method="GET", path=CACHES)
    assert cache.metadata[CREATE_ID_KEY] in looked_up[0].query


def test_a_create_that_never_arrived_is_looked_up_and_then_made(
    client: Face, moonshot_server: MoonshotServer
) -> None:
    moonshot_server.fail("cut", method="POST", path=CACHES, nth=1)
    create(client)
    methods = [r.method for r in moonshot_server.requests(path=CACHES)]
    assert methods == ["POST", "GET", "POST"]
    assert moonshot_server.creates() == 1


def test_a_create_that_ended_in_a_server_error_is_looked_up_first(
    client: Face, moonshot_server: MoonshotServer
) -> None:
    moonshot_server.fail("status", method="POST", path=CACHES, nth=1, status=502)
    create(client)
    methods = [r.method for r in moonshot_server.requests(path=CACHES)]
    assert methods == ["POST", "GET", "POST"]


def test_a_create_is_not_repeated_while_its_look_up_fails(
    client: Face, moonshot_server: MoonshotServer
) -> None:
    moonshot_server.fail("reply_lost", method="POST", path=CACHES, nth=1)
    moonshot_server.fail("status", method="GET", path=CACHES, status=503)
    with pytest.raises(ServerError):
        create(client, max_retries=3)
    methods = [r.method for r in moonshot_server.requests(path=CACHES)]
    assert methods == ["POST", "GET", "GET", "GET"]
    assert moonshot_server.creates() == 1


@pytest.mark.parametrize("kind", ["malformed", "cut_body"])
def test_a_create_whose_success_was_unreadable_is_found(
    client: Face, moonshot_server: MoonshotServer, kind: FaultKind
) -> None:
    moonshot_server.fail(kind, method="POST", path=CACHES, nth=1)
    create(client)
    assert moonshot_server.creates() == 1


def test_an_unreadable_success_with_nothing_behind_it_is_reported(
    client: Face, moonshot_server: MoonshotServer
) -> None:
    moonshot_server.fail("html", method="POST", path=CACHES, status=200)
    with pytest.raises(ResponseFormatError, match="HTML"):
        create(client)
    assert moonshot_server.creates() == 0
    assert len(moonshot_server.requests(method="POST", path=CACHES)) == 1


def test_a_create_without_room_for_an_id_is_not_repeated_in_doubt(
    client: Face, moonshot_server: MoonshotServer
) -> None:
    moonshot_server.fail("reply_lost", method="POST", path=CACHES, nth=1)
    with pytest.raises(ConnectionFailedError, match="16 metadata pairs"):
        create(client, metadata=FULL)
    assert len(moonshot_server.requests(path=CACHES)) == 1


def test_a_create_without_room_for_an_id_is_repeated_where_that_is_safe(
    client: Face, moonshot_server: MoonshotServer
) -> None:
    moonshot_server.fail("status", method="POST", path=CACHES, nth=1, status=429)
    create(client, metadata=FULL)
    assert moonshot_server.creates() == 1


def test_a_look_up_does_not_adopt_the_cache_of_another_create(
    client: Face, moonshot_server: MoonshotServer
) -> None:
    pairs = {"prefix": "shared"}
    earlier = client.create(model=MODEL, messages=MESSAGES, metadata=pairs)
    moonshot_server.fail("cut", method="POST", path=CACHES, nth=1)
    later = client.create(model=MODEL, messages=MESSAGES, metadata=pairs)
    assert later.id != earlier.id


def test_a_server_that_ignores_the_metadata_filter_makes_nobody_adopt_a_stranger() -> (
    None
):
    stranger = b'{"id":"cache-stranger","status":"ready","metadata":{"a":"b"}}'
    ours = b'{"id":"cache-ours","status":"pending"}'
    replies = (
        http(status="503 Busy"),
        http(b'{"object":"list","data":[' + stranger + b"]}"),
        http(ours),
    )
    with RawServer(*replies) as server, faces("sync") as connect:
        cache = connect(server.base_url).create(model=MODEL, messages=MESSAGES)
    assert cache.id == "cache-ours"


def test_a_deletion_whose_reply_was_lost_still_counts(
    client: Face, moonshot_server: MoonshotServer
) -> None:
    cache = client.create(model=MODEL, messages=MESSAGES)
    moonshot_server.fail("reply_lost", method="DELETE", path=ONE_CACHE, nth=1)
    assert client.delete(cache.id) is True
    assert moonshot_server.caches() == []


def test_a_deletion_answered_without_content_counts() -> None:
    reply = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
    with RawServer(reply) as server, faces("sync") as connect:
        assert connect(server.base_url).delete("cache-x") is True


@pytest.mark.parametrize("colour", COLOURS)
def test_a_server_that_is_not_there_is_tried_again_and_known_to_have_got_nothing(
    colour: str,
) -> None:
    with faces(colour) as connect:
        client = connect("http://127.0.0.1:9/v1")
        with pytest.raises(NothingSentError, match="nothing was sent"):
            create(client)
        assert client.sleeps == [0.25, 0.5]


def test_find_first_wants_something_to_find(client: Face) -> None:
    with pytest.raises(ConfigurationError, match="metadata"):
        create(client, find_first=True)


@given(
    attempt=st.integers(1, 10_000),
    chance=st.floats(0, 1, exclude_max=True),
    wish=st.none() | st.floats(0, 1e9),
    elapsed=st.floats(0, 1e6),
)
def test_a_pause_is_bounded_and_never_shorter_than_the_server_s_wish(
    attempt: int, chance: float, wish: float | None, elapsed: float
) -> None:
    policy = RetryPolicy(max_retries=10_000)
    error = RateLimitError("busy", status_code=429, retry_after=wish)
    delay = next_delay(
        policy, attempt=attempt, error=error, elapsed=elapsed, chance=chance
    )
    if delay is None:
        too_long = (wish or 0) > policy.longest_retry_after
        assert too_long or elapsed + (wish or 0) + 8 > policy.give_up_after
    else:
        assert (wish or 0) <= delay <= policy.longest_retry_after + 8
