"""A registry for many hosts, in Redis. The only module that imports redis-py."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from langchain_moonshot_cache.errors import ConfigurationError, RegistryError
from langchain_moonshot_cache.lifecycle import Claim
from langchain_moonshot_cache.registry import scripts
from langchain_moonshot_cache.registry.admission import (
    admit_entry,
    admit_names,
    admit_seconds,
    readable,
    unreadable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from langchain_moonshot_cache.lifecycle import Entry

__all__ = ["RedisRegistry"]

_TIMEOUT = 1.0
"""Seconds to connect, and to wait for a reply. Redis answers within milliseconds; a
chat call waits for us, and goes uncached rather than wait longer."""

_PREFIX = re.compile(r"[A-Za-z0-9_.:-]{0,64}")
"""Nothing that Redis would take for a pattern or a hash tag."""

_PAGE = 500
"""Keys per step when going through the entries, so that Redis is not busy for long."""

_NEXT_STEP: tuple[tuple[type[Exception], str], ...] = (
    (AuthenticationError, "check user and password in the URL"),
    (RedisTimeoutError, "it did not answer in time: see whether it is overloaded"),
    (RedisConnectionError, "see that it runs and can be reached from here"),
    (OSError, "see that it runs and can be reached from here"),
)
_ANY_STEP = "see what it says, and that this user may run scripts and write"


class RedisRegistry:
    """Keeps everything in Redis (5.0 or later), for any number of hosts.

    Nothing is sent before the first use. A connection that broke is made again once.

    Args:
        server: A URL (``redis://``, ``rediss://`` or ``unix://``), whose query may hold
            any option of redis-py, or a client of yours, which then has its own
            timeouts and is left open by ``close``.
        prefix: Begins every key; letters, digits and ``_.:-``.
        clock: Unix seconds that leases, holds and marks are measured with. None: the
            clock of Redis, which is one for all hosts.
        timeout: Seconds to connect, and to wait for a reply.

    Raises:
        ConfigurationError: The URL or the prefix is malformed. The message does not
            repeat the URL, for there may be a password in it.
    """

    nonblocking = False

    def __init__(
        self,
        server: str | Redis,
        *,
        prefix: str = "lmc:",
        clock: Callable[[], float] | None = None,
        timeout: float = _TIMEOUT,
    ) -> None:
        if not _PREFIX.fullmatch(prefix):
            raise ConfigurationError(
                "the prefix of a Redis registry may hold letters, digits and _.:-"
            )
        self._clock = clock
        self._prefix = prefix
        self._ours = isinstance(server, str)
        self._client = _connect(server, timeout) if isinstance(server, str) else server
        self._closed = False
        # Runs a script by its digest, and sends it whole to a Redis that forgot it.
        script = self._client.register_script
        self._claim = script(scripts.CLAIM)
        self._record = script(scripts.RECORD)
        self._release = script(scripts.RELEASE)
        self._owner = script(scripts.OWNER)
        self._clear = script(scripts.CLEAR)
        self._hold = script(scripts.HOLD)
        self._drop = script(scripts.DROP)
        self._mark = script(scripts.MARK)
        self._marked = script(scripts.MARKED)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address!r})"

    @property
    def prefix(self) -> str:
        """What every key begins with."""
        return self._prefix

    @property
    def address(self) -> str:
        """Where Redis is, without user and password."""
        options = self._client.connection_pool.connection_kwargs
        if path := options.get("path"):
            return f"unix://{path}"
        host, port = options.get("host", "localhost"), options.get("port", 6379)
        return f"redis://{host}:{port}/{options.get('db', 0)}"

    def run(self, script: str, *, keys: Sequence[str], args: Sequence[str]) -> Any:
        """Run a script, for a ledger that is kept in the same Redis.

        Args:
            script: In Lua.
            keys: Names of keys within this registry; the script is given them with
                its prefix, all on one node of a cluster.
            args: The script's arguments.

        Returns:
            The reply, with texts as ``str``.

        Raises:
            RegistryError: Redis did not run it, or its reply was lost.
        """
        names = [f"{self._prefix}{{ledger}}:{key}" for key in keys]
        sent = self._client.register_script(script)
        return _texts(self._ask(lambda: sent(keys=names, args=list(args))))

    def lookup(self, key: str) -> Entry | None:
        """Return what is known about a prefix, in one round trip."""
        admit_names(key)
        values = self._ask(lambda: self._client.hmget(self._entry(key), scripts.FIELDS))
        return _decode(key, values)

    def claim(self, key: str, *, owner: str, lease: float) -> Claim:
        """Try to become the one who may change the entry, for ``lease`` seconds."""
        admit_names(key, owner)
        admit_seconds(lease)
        won, values = self._ask(
            lambda: self._claim([self._entry(key)], [self._now(), owner, repr(lease)])
        )
        entry = _decode(key, values)
        if entry is None:
            raise RegistryError(f"{self.address} forgot a claim: see what evicts keys")
        return Claim(won=bool(won), entry=entry)

    def record(self, entry: Entry) -> bool:
        """Write an entry whole; False if its fence is no longer the latest."""
        admit_entry(entry)
        values = [_encode(getattr(entry, field)) for field in scripts.FIELDS]
        return bool(
            self._ask(
                lambda: self._record([self._entry(entry.key)], [self._now(), *values])
            )
        )

    def release(self, key: str, *, owner: str) -> None:
        """Give up a lease before it ends."""
        admit_names(key, owner)
        self._ask(lambda: self._release([self._entry(key)], [owner]))

    def clear(self, key: str, *, cache_id: str) -> bool:
        """Forget a cache; False if the entry is about another one by now."""
        admit_names(key, cache_id)
        keys = [self._entry(key), self._holds(key)]
        return bool(self._ask(lambda: self._clear(keys, [cache_id])))

    def hold(self, key: str, *, holder: str, seconds: float) -> None:
        """Say that ``holder`` uses the cache, for so many seconds from now."""
        admit_names(key, holder)
        admit_seconds(seconds)
        self._ask(
            lambda: self._hold([self._holds(key)], [self._now(), holder, repr(seconds)])
        )

    def drop(self, key: str, *, holder: str) -> int:
        """End a hold; return how many others remain."""
        admit_names(key, holder)
        return int(
            self._ask(lambda: self._drop([self._holds(key)], [self._now(), holder]))
        )

    def owner(self, key: str) -> str | None:
        """Return who holds the lease, or None if nobody does."""
        admit_names(key)
        return _text(self._ask(lambda: self._owner([self._entry(key)], [self._now()])))

    def entries(self) -> Iterator[Entry]:
        """Go through all entries, a page at a time, each once."""
        seen: set[str] = set()
        cursor = 0
        while True:
            cursor, names = self._scan(cursor)
            keys = [self._key(name) for name in names]
            fresh = [key for key in dict.fromkeys(keys) if key not in seen]
            seen.update(fresh)
            for key, values in zip(fresh, self._read(fresh), strict=True):
                if entry := _decode(key, values):
                    yield entry
            if not cursor:
                return

    def mark(self, name: str, *, value: str, seconds: float) -> None:
        """Keep a short fact, such as an open circuit breaker, for a while."""
        admit_names(name, value)
        admit_seconds(seconds)
        self._ask(
            lambda: self._mark(
                [self._named("mark", name)], [self._now(), value, repr(seconds)]
            )
        )

    def marked(self, name: str) -> str | None:
        """Return a fact that is still within its time."""
        admit_names(name)
        return _text(
            self._ask(lambda: self._marked([self._named("mark", name)], [self._now()]))
        )

    def unmark(self, name: str) -> None:
        """Forget a fact."""
        admit_names(name)
        self._ask(lambda: self._client.delete(self._named("mark", name)))

    def close(self) -> None:
        """Close the connections if they are ours; the registry can be used no more."""
        self._closed = True
        if self._ours:
            self._client.close()

    def _now(self) -> str:
        return "" if self._clock is None else repr(self._clock())

    def _named(self, kind: str, name: str) -> str:
        # Braces keep all that belongs to one name on one node of a cluster, as a
        # script needs it.
        return f"{self._prefix}{kind}:{{{name}}}"

    def _entry(self, key: str) -> str:
        return self._named("entry", key)

    def _holds(self, key: str) -> str:
        return self._named("holds", key)

    def _key(self, name: str) -> str:
        return name.removeprefix(f"{self._prefix}entry:{{").removesuffix("}")

    def _scan(self, cursor: int) -> tuple[int, list[str]]:
        cursor, names = self._ask(
            lambda: self._client.scan(cursor, match=self._entry("*"), count=_PAGE)
        )
        return cursor, [name for name in map(_text, names) if name is not None]

    def _read(self, keys: Sequence[str]) -> list[list[Any]]:
        with self._client.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.hmget(self._entry(key), scripts.FIELDS)
            found: list[list[Any]] = self._ask(pipeline.execute)
        return found

    def _ask(self, question: Callable[[], Any]) -> Any:
        if self._closed:
            raise RegistryError(f"the registry {self.address} is closed: open another")
        try:
            return question()
        except (RedisError, OSError) as error:
            trouble = self._explain(error)
        # Outside of the except block, so that our error carries no traceback of
        # redis-py: the password is among the locals of its frames.
        raise trouble

    def _explain(self, error: Exception) -> RegistryError:
        step = next((step for kind, step in _NEXT_STEP if isinstance(error, kind)), "")
        text = f"{type(error).__name__}: {error}"
        if password := self._client.connection_pool.connection_kwargs.get("password"):
            text = text.replace(str(password), "***")
        return RegistryError(
            f"the registry {self.address}: {text}; {step or _ANY_STEP}"
        )


def _connect(url: str, timeout: float) -> Redis:
    try:
        client = Redis.from_url(
            url,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            # One more try for a connection that Redis closed while it was idle, at
            # once, and none after a timeout: every script may be run twice.
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        )
        pool = client.connection_pool
        # Connects to nothing, but would fail on an unknown option only at first use.
        pool.connection_class(**pool.connection_kwargs)
        path = urlsplit(url).path
        sound = url.startswith("unix:") or not path.strip("/") or path[1:].isdecimal()
    except (ValueError, TypeError):
        sound = False
    if not sound:
        raise ConfigurationError(
            "malformed Redis URL: it should read redis://user:password@host:6379/0, "
            "rediss://... or unix:///path/to.sock?db=0, with %-escapes for any of "
            ":/?#@% in the password, and options that redis-py knows"
        )
    return client


def _encode(value: object) -> str:
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else str(value)


def _text(value: Any) -> str | None:
    """Read a reply, of a client that decodes as well as of one that does not."""
    if value is None:
        return None
    return value.decode() if isinstance(value, bytes) else str(value)


def _texts(reply: Any) -> Any:
    """Read a reply and all that is in it."""
    if isinstance(reply, list):
        return [_texts(part) for part in reply]
    return reply.decode() if isinstance(reply, bytes) else reply


def _decode(key: str, values: Sequence[Any]) -> Entry | None:
    fields = dict(zip(scripts.FIELDS, map(_text, values), strict=True))
    if fields["fence"] is None:
        return None
    try:
        numbers = {
            "fence": int(fields["fence"]),
            "tokens": int(fields["tokens"]) if fields["tokens"] else None,
            "ttl": int(fields["ttl"]) if fields["ttl"] else None,
            "expires_at": float(fields["expires_at"] or 0),
            "retry_at": float(fields["retry_at"] or 0),
            "failures": int(fields["failures"] or 0),
            "used_at": float(fields["used_at"] or 0),
        }
    except ValueError:
        raise unreadable() from None
    texts = {
        "state": fields["state"],
        "cache_id": fields["cache_id"] or None,
        "note": fields["note"] or "",
        "gaps": fields["gaps"] or "",
    }
    return readable({"key": key, **texts, **numbers})
