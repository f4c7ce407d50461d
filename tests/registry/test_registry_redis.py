"""A Redis registry when Redis is restarted, gone, silent, locked or full."""

from __future__ import annotations

import socket
import subprocess
import sys
import traceback
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

from registry_kit import AMPLE, Redis, shared_redis

from langchain_moonshot_cache.errors import ConfigurationError, RegistryError
from langchain_moonshot_cache.registry import Entry, State
from langchain_moonshot_cache.registry.conformance import Clock

redis_py = pytest.importorskip("redis", reason="redis-py is not installed")
from langchain_moonshot_cache.registry.redis import RedisRegistry  # noqa: E402 - an extra

ENTRY = Entry(key="key", state=State.READY, cache_id="cache-1", tokens=72)
PASSWORD = "geheim-canary"


@pytest.fixture
def redis() -> Iterator[Redis]:
    """A server that a test may break."""
    with closing(Redis()) as server:
        yield server


@pytest.fixture
def registry(redis: Redis) -> Iterator[RedisRegistry]:
    with closing(RedisRegistry(redis.url, timeout=AMPLE)) as registry:
        yield registry


def commands(redis: Redis) -> int:
    with closing(redis_py.Redis.from_url(redis.url)) as client:
        return int(client.info("stats")["total_commands_processed"])


def test_every_operation_is_one_round_trip(
    registry: RedisRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    operations: list[Callable[[], object]] = [
        lambda: registry.lookup("key"),
        lambda: registry.claim("key", owner="ann", lease=9),
        lambda: registry.record(Entry(key="other")),
        lambda: registry.release("key", owner="ann"),
        lambda: registry.owner("key"),
        lambda: registry.hold("key", holder="h1", seconds=9),
        lambda: registry.drop("key", holder="h1"),
        lambda: registry.clear("key", cache_id="cache-1"),
        lambda: registry.mark("name", value="1", seconds=9),
        lambda: registry.marked("name"),
        lambda: registry.unmark("name"),
    ]
    for operation in operations:
        operation()  # connects, and brings the script
    sent: list[str] = []
    connection = registry._client.connection_pool.get_connection()
    registry._client.connection_pool.release(connection)
    send = connection.send_command

    def note_and_send(*words: str, **options: object) -> None:
        sent.append(words[0])
        send(*words, **options)  # type: ignore[no-untyped-call]  # redis-py's own

    monkeypatch.setattr(connection, "send_command", note_and_send)
    for operation in operations:
        operation()
    assert len(sent) == len(operations)
    assert set(sent) == {"HMGET", "EVALSHA", "DEL"}


def test_a_restarted_redis_is_used_again_at_once(
    redis: Redis, registry: RedisRegistry
) -> None:
    old = registry.claim("key", owner="ann", lease=600).entry
    redis.stop()
    redis.start()
    assert registry.lookup("key") is None
    new = registry.claim("key", owner="bob", lease=600).entry
    assert new.fence > old.fence
    assert not registry.record(old)


def test_a_redis_that_forgot_the_scripts_is_given_them_again(
    redis: Redis, registry: RedisRegistry
) -> None:
    registry.claim("key", owner="ann", lease=600)
    with closing(redis_py.Redis.from_url(redis.url)) as client:
        client.script_flush()
    assert registry.claim("key", owner="ann", lease=600).won


def test_a_redis_that_is_gone_is_an_error_until_it_is_back(
    redis: Redis, registry: RedisRegistry
) -> None:
    registry.record(ENTRY)
    redis.stop()
    with pytest.raises(RegistryError, match="see that it runs"):
        registry.lookup("key")
    with pytest.raises(RegistryError, match="see that it runs"):
        list(registry.entries())
    redis.start()
    assert registry.record(ENTRY)
    assert list(registry.entries()) == [ENTRY]


def test_a_silent_redis_is_waited_for_no_longer_than_told(
    redis: Redis, registry: RedisRegistry
) -> None:
    registry.record(ENTRY)
    with closing(RedisRegistry(redis.url, timeout=0.2)) as hasty:
        redis.pause()
        try:
            with pytest.raises(RegistryError, match="did not answer in time"):
                hasty.lookup("key")
        finally:
            redis.resume()
    assert registry.lookup("key") == ENTRY


def test_a_port_where_nobody_listens_is_named_without_the_password() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"redis://ann:{PASSWORD}@127.0.0.1:{port}/2"
    with closing(RedisRegistry(url)) as registry:
        with pytest.raises(RegistryError, match=f"redis://127.0.0.1:{port}/2") as error:
            registry.lookup("key")
        assert repr(registry) == f"RedisRegistry('redis://127.0.0.1:{port}/2')"
    assert PASSWORD not in str(error.value)


def test_redis_can_be_reached_over_tcp() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (
        closing(Redis("--port", str(port), "--bind", "127.0.0.1")),
        closing(RedisRegistry(f"redis://127.0.0.1:{port}/1")) as registry,
    ):
        assert registry.record(ENTRY)
        assert registry.lookup("key") == ENTRY


def test_a_wrong_password_is_said_and_neither_password_is_told() -> None:
    with closing(Redis("--requirepass", "the-right-one")) as server:
        url = server.url.replace("unix://", f"unix://:{PASSWORD}@")
        with closing(RedisRegistry(url)) as registry:
            told = everything_told_by(lambda: registry.lookup("key"))
            assert "check user and password in the URL" in told
            assert "AuthenticationError" in told
            assert PASSWORD not in told + repr(registry) + repr(vars(registry))
        right = server.url.replace("unix://", "unix://:the-right-one@")
        with closing(RedisRegistry(right)) as registry:
            assert registry.record(ENTRY)
        with closing(RedisRegistry(server.url)) as registry:
            assert "AuthenticationError" in everything_told_by(
                lambda: registry.lookup("key")
            )


def everything_told_by(call: Callable[[], object]) -> str:
    """Return a traceback as the most talkative logger writes it, with all locals."""
    try:
        call()
    except RegistryError as error:
        lines = traceback.TracebackException.from_exception(error, capture_locals=True)
        return "".join(lines.format())
    pytest.fail("no RegistryError")


def test_a_full_redis_is_an_error_of_ours() -> None:
    with (
        closing(Redis("--maxmemory", "1")) as server,
        closing(RedisRegistry(server.url)) as registry,
    ):
        with pytest.raises(RegistryError, match="OutOfMemoryError"):
            registry.record(ENTRY)
        assert registry.lookup("key") is None


def test_a_user_who_may_not_run_scripts_is_told_so() -> None:
    with closing(Redis()) as server:
        with closing(redis_py.Redis.from_url(server.url)) as admin:
            admin.acl_setuser(
                "bob", enabled=True, nopass=True, keys=["*"], categories=["+@read"]
            )
        url = server.url.replace("unix://", "unix://bob:any@")
        with closing(RedisRegistry(url)) as registry:
            assert registry.lookup("key") is None
            with pytest.raises(RegistryError, match="may run scripts"):
                registry.record(ENTRY)


def test_something_else_under_our_name_is_an_error_of_ours(
    redis: Redis, registry: RedisRegistry
) -> None:
    with closing(redis_py.Redis.from_url(redis.url)) as client:
        client.set("lmc:entry:{key}", "text")
        client.hset("lmc:entry:{odd}", mapping={"fence": "1", "state": "frozen"})
        client.hset("lmc:entry:{bad}", mapping={"fence": "x", "state": "ready"})
    with pytest.raises(RegistryError, match="WRONGTYPE"):
        registry.lookup("key")
    for key in ("odd", "bad"):
        with pytest.raises(RegistryError, match="cannot read: upgrade"):
            registry.lookup(key)


def test_nothing_accumulates_for_ever_and_nothing_ends_before_its_cache(
    redis: Redis, registry: RedisRegistry
) -> None:
    seconds, microseconds = redis_py.Redis.from_url(redis.url).time()
    now = seconds + microseconds / 1e6
    registry.claim("key", owner="ann", lease=600)
    registry.record(Entry(key="other", expires_at=now + 40 * 86_400))
    registry.hold("key", holder="h1", seconds=3600)
    registry.mark("name", value="1", seconds=30)
    with closing(redis_py.Redis.from_url(redis.url)) as client:
        left = {name.decode(): client.ttl(name) for name in client.scan_iter()}
    week = 7 * 86_400
    assert left == {
        "lmc:entry:{key}": pytest.approx(week + 600, abs=20),
        "lmc:entry:{other}": pytest.approx(week + 40 * 86_400, abs=20),
        "lmc:holds:{key}": pytest.approx(week + 3600, abs=20),
        "lmc:mark:{name}": pytest.approx(90, abs=20),
    }
    registry.record(Entry(key="other", expires_at=now))
    with closing(redis_py.Redis.from_url(redis.url)) as client:
        assert client.ttl("lmc:entry:{other}") > week + 39 * 86_400


def test_without_a_clock_of_ours_that_of_redis_decides(
    registry: RedisRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert registry.claim("key", owner="ann", lease=600).won
    assert not registry.claim("key", owner="bob", lease=600).won
    assert registry.owner("key") == "ann"
    assert registry.claim("soon", owner="ann", lease=0).won
    assert registry.owner("soon") is None
    registry.mark("name", value="1", seconds=600)
    assert registry.marked("name") == "1"


def test_registries_of_different_prefixes_know_nothing_of_each_other() -> None:
    url = shared_redis().url
    with (
        closing(RedisRegistry(url, prefix="one:")) as one,
        closing(RedisRegistry(url, prefix="on")) as other,
    ):
        one.record(ENTRY)
        assert other.lookup("key") is None
        assert list(other.entries()) == []
        assert list(one.entries()) == [ENTRY]


@pytest.mark.parametrize("prefix", ["a*", "{a}", "a b", "ä", "a" * 65])
def test_a_prefix_that_redis_would_interpret_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigurationError, match="prefix"):
        RedisRegistry("redis://host/0", prefix=prefix)


def test_many_entries_come_each_once(redis: Redis, registry: RedisRegistry) -> None:
    before = commands(redis)
    for number in range(1200):
        registry.record(Entry(key=f"key-{number}"))
    assert commands(redis) > before
    keys = [entry.key for entry in registry.entries()]
    assert sorted(keys) == sorted(f"key-{number}" for number in range(1200))


@pytest.mark.parametrize("decode", [False, True])
def test_a_client_of_yours_is_used_as_it_is_and_left_open(
    redis: Redis, *, decode: bool
) -> None:
    options: dict[str, Any] = {"decode_responses": decode}
    with closing(redis_py.Redis.from_url(redis.url, **options)) as client:
        registry = RedisRegistry(client, clock=Clock())
        claimed = registry.claim("key", owner="ann", lease=9).entry
        assert registry.lookup("key") == claimed
        assert list(registry.entries()) == [claimed]
        assert registry.owner("key") == "ann"
        registry.close()
        with pytest.raises(RegistryError, match="closed"):
            registry.lookup("key")
        assert client.ping()


def test_only_what_was_admitted_stands_in_redis(
    redis: Redis, registry: RedisRegistry
) -> None:
    registry.record(ENTRY)
    for refused in (
        lambda: registry.record(Entry(key="key", note="canary of a prompt")),
        lambda: registry.claim("key", owner="canary of a prompt", lease=9),
        lambda: registry.hold("key", holder="canary of a prompt", seconds=9),
        lambda: registry.mark("canary of a prompt", value="1", seconds=9),
    ):
        with pytest.raises(RegistryError):
            refused()
    with closing(redis_py.Redis.from_url(redis.url)) as client:
        names = list(client.scan_iter())
        assert names == [b"lmc:entry:{key}"]
        assert b"canary" not in b"".join(client.hgetall(names[0]).values())


def test_the_package_can_be_used_without_redis_py() -> None:
    code = (
        "import sys, langchain_moonshot_cache.registry, "
        "langchain_moonshot_cache.registry.conformance; "
        "sys.exit('redis' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
