"""Replies that no server should send, each from a raw socket, to both clients."""

from __future__ import annotations

import gzip
import itertools
import time
import zlib
from typing import TYPE_CHECKING

import pytest
from colour_kit import COLOURS
from wire_kit import KEY, MESSAGES, MODEL, RawServer, faces, http

from langchain_moonshot_cache.errors import (
    AuthenticationError,
    ConnectionFailedError,
    EndpointRetiredError,
    InvalidRequestError,
    MoonshotCacheError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
)
from langchain_moonshot_cache.protocol import decode
from langchain_moonshot_cache.protocol import http as protocol_http

if TYPE_CHECKING:
    from collections.abc import Sequence

HTML = b"<!DOCTYPE html><html><body>It works!</body></html>"
CACHE = b'{"id":"cache-x","status":"ready"}'
CLOSE = "Connection: close\r\n"


def cache(**fields: str) -> bytes:
    """A reply with a cache object, some of its fields replaced by raw JSON."""
    members = {"id": '"cache-x"', "status": '"ready"', **fields}
    text = ",".join(f'"{name}":{value}' for name, value in members.items())
    return http(f"{{{text}}}".encode())


def raw(text: str, body: bytes = b"") -> bytes:
    return text.replace("\n", "\r\n").encode("latin-1") + body


FORMAT, LOST = ResponseFormatError, ConnectionFailedError
GZIP = "Content-Encoding: gzip\r\n"

REPLIES: dict[str, tuple[bytes, type[MoonshotCacheError]]] = {
    # Bodies that are no cache object.
    "HTML with status 200": (http(HTML, content_type="text/html"), FORMAT),
    "HTML called JSON": (http(HTML), FORMAT),
    "HTML with status 502": (http(HTML, status="502 Bad Gateway"), ServerError),
    "HTML with status 404": (http(HTML, status="404 Not Found"), FORMAT),
    "HTML with status 400": (http(HTML, status="400 Bad Request"), FORMAT),
    "HTML with status 401": (http(HTML, status="401 No"), AuthenticationError),
    "HTML with status 403": (http(HTML, status="403 No"), PermissionDeniedError),
    "HTML with status 429": (http(HTML, status="429 No"), RateLimitError),
    "HTML with status 402": (http(HTML, status="402 Pay"), QuotaExceededError),
    "a route unknown to a framework": (
        http(b'{"detail":"Not Found"}', status="404 Not Found"),
        EndpointRetiredError,
    ),
    "an error object under 200": (
        http(b'{"error":{"type":"invalid_request_error","message":"no"}}'),
        InvalidRequestError,
    ),
    "an unknown error under 200": (http(b'{"error":{"type":"odd"}}'), FORMAT),
    "a string error under 400": (
        http(b'{"error":"bad","message":"no"}', status="400 Bad"),
        InvalidRequestError,
    ),
    "an error that is a number": (http(b'{"error":7}', status="400 Bad"), FORMAT),
    "an empty body": (http(b""), FORMAT),
    "blanks only": (http(b"  \r\n "), FORMAT),
    "a JSON array": (http(b"[]"), FORMAT),
    "a JSON string": (http(b'"cache-x"'), FORMAT),
    "a JSON number": (http(b"42"), FORMAT),
    "null": (http(b"null"), FORMAT),
    "an empty object": (http(b"{}"), FORMAT),
    "half an object": (http(b'{"id":"cache-x","status"'), FORMAT),
    "two objects": (http(CACHE + CACHE), FORMAT),
    "a trailing comma": (http(b'{"id":"cache-x","status":"ready",}'), FORMAT),
    "single quotes": (http(b"{'id':'cache-x','status':'ready'}"), FORMAT),
    "NaN": (cache(tokens="NaN"), FORMAT),
    "Infinity": (cache(tokens="-Infinity"), FORMAT),
    "a control character in a string": (cache(name='"\x00"'), FORMAT),
    "Latin-1 bytes": (http(b'{"id":"cache-x","status":"ready","name":"\xe9"}'), FORMAT),
    "a list of 100,000 lists": (http(b"[" * 100_000 + b"]" * 100_000), FORMAT),
    "100,000 objects in each other": (http(b'{"a":' * 100_000), FORMAT),
    "no content": (raw("HTTP/1.1 204 No Content\nConnection: close\n\n"), FORMAT),
    # Fields of a wrong kind.
    "no id": (http(b'{"status":"ready"}'), FORMAT),
    "no status": (http(b'{"id":"cache-x"}'), FORMAT),
    "an id of null": (cache(id="null"), FORMAT),
    "an id that is a number": (cache(id="7"), FORMAT),
    "an empty id": (cache(id='""'), FORMAT),
    "an id with a line break": (cache(id='"cache\\r\\nX: y"'), FORMAT),
    "an id with a lone surrogate": (cache(id='"cache-\\ud800"'), FORMAT),
    "an id of a kilobyte": (cache(id=f'"{"x" * 1024}"'), FORMAT),
    "an unknown status": (cache(status='"sleeping"'), FORMAT),
    "a status in capitals": (cache(status='"READY"'), FORMAT),
    "a status that is a list": (cache(status="[]"), FORMAT),
    "tokens as text": (cache(tokens='"72"'), FORMAT),
    "tokens as a fraction": (cache(tokens="72.5"), FORMAT),
    "tokens as a boolean": (cache(tokens="true"), FORMAT),
    "negative tokens": (cache(tokens="-1"), FORMAT),
    "tokens of 400 digits": (cache(tokens="9" * 400), FORMAT),
    "tokens of 5,000 digits": (cache(tokens="9" * 5000), FORMAT),
    "an exponent beyond all floats": (cache(expired_at="1e999"), FORMAT),
    "an expiry after the year 9999": (cache(expired_at="253402300800"), FORMAT),
    "metadata that is a list": (cache(metadata="[]"), FORMAT),
    "metadata with a number": (cache(metadata='{"a":1}'), FORMAT),
    "messages that are an object": (cache(messages="{}"), FORMAT),
    "messages that are strings": (cache(messages='["hello"]'), FORMAT),
    # Encodings.
    "gzip that is none": (http(CACHE, headers=GZIP), FORMAT),
    "gzip cut short": (http(gzip.compress(CACHE)[:-9], headers=GZIP), FORMAT),
    "gzip with a wrong checksum": (
        http(gzip.compress(CACHE)[:-8] + b"\0" * 8, headers=GZIP),
        FORMAT,
    ),
    "an encoding nobody asked for": (
        http(zlib.compress(CACHE), headers="Content-Encoding: deflate\r\n"),
        FORMAT,
    ),
    "an encoding nobody knows": (
        http(CACHE, headers="Content-Encoding: rot13\r\n"),
        FORMAT,
    ),
    # Framing.
    "a body shorter than promised": (
        raw("HTTP/1.1 200 OK\nContent-Length: 1000\n\n", CACHE),
        LOST,
    ),
    "a body longer than promised": (
        raw("HTTP/1.1 200 OK\nContent-Length: 5\nConnection: close\n\n", CACHE),
        FORMAT,
    ),
    "two different lengths": (
        raw("HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: 6\n\n", CACHE),
        LOST,
    ),
    "a negative length": (raw("HTTP/1.1 200 OK\nContent-Length: -1\n\n"), LOST),
    "a length in words": (raw("HTTP/1.1 200 OK\nContent-Length: many\n\n"), LOST),
    "chunks of garbage": (
        raw("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n", b"zz\r\nhello\r\n"),
        LOST,
    ),
    "chunks without an end": (
        raw("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n", b"5\r\nhello\r\n"),
        LOST,
    ),
    "an unknown transfer encoding": (
        raw("HTTP/1.1 200 OK\nTransfer-Encoding: pigeon\n\n", CACHE),
        LOST,
    ),
    "HTTP/0.9": (CACHE, LOST),
    "another protocol": (b"SSH-2.0-OpenSSH_9.6\r\n", LOST),
    "a TLS alert": (b"\x15\x03\x01\x00\x02\x02\x46", LOST),
    "nothing at all": (b"", LOST),
    "half a status line": (b"HTTP/1.1 20", LOST),
    "half of the headers": (raw("HTTP/1.1 200 OK\nContent-Type: applic"), LOST),
    "a header without a colon": (raw("HTTP/1.1 200 OK\nnonsense\n\n"), LOST),
    "a header with NUL": (raw("HTTP/1.1 200 OK\nX: \x00\n\n"), LOST),
    "headers of 200 KB": (raw(f"HTTP/1.1 200 OK\nX: {'x' * 200_000}\n\n"), LOST),
    "a status in words": (raw("HTTP/1.1 OK fine\n\n"), LOST),
    "a status of four digits": (raw("HTTP/1.1 2000 OK\n\n"), LOST),
    "status 099": (raw("HTTP/1.1 099 Odd\n\n"), LOST),
    "status 101": (raw("HTTP/1.1 101 Switching Protocols\nUpgrade: x\n\n"), LOST),
    "status 100 and then nothing": (raw("HTTP/1.1 100 Continue\n\n"), LOST),
    "status 999": (raw("HTTP/1.1 999 Odd\nContent-Length: 0\n\n"), ServerError),
    "an HTTP version to come": (raw("HTTP/3.7 200 OK\nContent-Length: 0\n\n"), FORMAT),
    # Redirects: the key follows none of them.
    "a redirect to itself": (
        http(status="302 Found", headers="Location: /v1/caching\r\n"),
        FORMAT,
    ),
    "a redirect to another host": (
        http(status="307 Go", headers="Location: http://evil.example/v1\r\n"),
        FORMAT,
    ),
    "a redirect to nowhere": (http(status="301 Moved"), FORMAT),
    "a redirect to a malformed address": (
        http(status="302 Found", headers="Location: http://[::1/\r\n"),
        MoonshotCacheError,
    ),
    "a redirect to a file": (
        http(status="302 Found", headers="Location: file:///etc/passwd\r\n"),
        FORMAT,
    ),
    "not modified": (raw("HTTP/1.1 304 Not Modified\n\n"), FORMAT),
}


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("name", REPLIES)
def test_a_malformed_reply_becomes_a_typed_error(name: str, colour: str) -> None:
    reply, expected = REPLIES[name]
    with RawServer(reply) as server, faces(colour) as connect:
        client = connect(server.base_url, timeout=60, max_retries=0)
        with pytest.raises(expected) as caught:
            client.get("cache-x")
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.cache_id == "cache-x"


@pytest.mark.parametrize("colour", COLOURS)
def test_a_key_is_sent_to_nobody_but_the_base_url(colour: str) -> None:
    with RawServer(http(CACHE)) as other:
        redirect = http(
            status="307 Temporary Redirect",
            headers=f"Location: {other.base_url}/caching\r\n",
        )
        with (
            RawServer(redirect) as server,
            faces(colour) as connect,
            pytest.raises(ResponseFormatError, match="redirects to http://127"),
        ):
            connect(server.base_url).get("cache-x")
        assert other.requests == []


READABLE = {
    "a byte order mark": http(b"\xef\xbb\xbf" + CACHE),
    "a key given twice": http(b'{"id":"a","id":"cache-x","status":"ready"}'),
    "unknown fields": cache(novel='{"deep":[1,2]}'),
    "metadata null": cache(metadata="null"),
    "everything null": cache(
        model="null", tokens="null", messages="null", tools="null", name="null"
    ),
    "gzip": http(gzip.compress(CACHE), headers=GZIP),
    "chunks": raw(
        "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n",
        b"%x\r\n%s\r\n0\r\n\r\n" % (len(CACHE), CACHE),
    ),
    "no length but a closed connection": raw("HTTP/1.1 200 OK\n\n", CACHE),
    "status 100 first": raw("HTTP/1.1 100 Continue\n\n") + http(CACHE),
    "HTTP/1.0": raw("HTTP/1.0 200 OK\n\n", CACHE),
    "a wrong content type": http(CACHE, content_type="text/plain"),
    "a date that is none": http(CACHE, headers="Date: yesterday\r\n"),
}


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("name", READABLE)
def test_an_odd_but_readable_reply_is_read(name: str, colour: str) -> None:
    with RawServer(READABLE[name]) as server, faces(colour) as connect:
        cache = connect(server.base_url, timeout=60, max_retries=0).get("cache-x")
    assert cache.id == "cache-x"
    assert cache.metadata == {}


WHOLE = http(b" " * 1000 + CACHE)
HEAD = WHOLE.index(b"\r\n\r\n") + 4
DRIPPING = [WHOLE[:HEAD], *(bytes([byte]) for byte in WHOLE[HEAD:])]
"""A reply whose body comes byte by byte, each well within the time for a read."""

SILENT: dict[str, Sequence[bytes]] = {
    "never answers": [b""],
    "stops within the status line": [b"HTTP/1.1"],
    "stops within the headers": [b"HTTP/1.1 200 OK\r\nX: "],
    "stops within the body": [http(CACHE)[:-5]],
}


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("name", SILENT)
def test_a_server_that_falls_silent_is_given_up_in_time(name: str, colour: str) -> None:
    with RawServer(SILENT[name], hold=True) as server, faces(colour) as connect:
        client = connect(server.base_url, timeout=0.1, max_retries=0)
        with pytest.raises(ConnectionFailedError, match="may have taken effect"):
            client.create(model=MODEL, messages=MESSAGES)


class HurryingClock:
    """A clock by which twenty seconds pass between two looks."""

    def __init__(self) -> None:
        self._looks = itertools.count()

    def monotonic(self) -> float:
        return time.monotonic() + 20.0 * next(self._looks)

    def time(self) -> float:
        return time.time()


def test_a_body_that_drips_is_given_up_when_the_attempt_has_lasted_too_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(protocol_http, "time", HurryingClock())
    with RawServer(DRIPPING, pace=0.02) as server, faces("sync") as connect:
        client = connect(server.base_url, timeout=60, max_retries=0)
        with pytest.raises(ConnectionFailedError, match=r"within 60 s"):
            client.get("cache-x")


def test_an_event_loop_gives_up_a_body_that_drips_by_its_own_clock() -> None:
    with RawServer(DRIPPING, pace=0.02) as server, faces("async") as connect:
        client = connect(server.base_url, timeout=0.1, max_retries=0)
        with pytest.raises(ConnectionFailedError, match=r"within 0\.1 s"):
            client.get("cache-x")


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("packed", [False, True])
def test_a_reply_beyond_all_measure_is_refused(
    colour: str, monkeypatch: pytest.MonkeyPatch, *, packed: bool
) -> None:
    monkeypatch.setattr(decode, "MAX_REPLY_BYTES", 10_000)
    monkeypatch.setattr(
        "langchain_moonshot_cache.protocol.http.MAX_REPLY_BYTES", 10_000
    )
    body = b" " * 1_000_000 + CACHE
    reply = http(gzip.compress(body), headers=GZIP) if packed else http(body)
    with (
        RawServer(reply) as server,
        faces(colour) as connect,
        pytest.raises(ResponseFormatError, match="10000 bytes"),
    ):
        connect(server.base_url).get("cache-x")
