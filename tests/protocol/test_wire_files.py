"""Having the text of a file extracted."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from colour_kit import COLOURS
from wire_kit import KEY, PROMPT, Face, RawServer, faces, http

from langchain_moonshot_cache.errors import (
    ConnectionFailedError,
    EndpointRetiredError,
    InvalidRequestError,
    RateLimitError,
    ServerError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from langchain_moonshot_cache.testing import FaultKind, MoonshotServer

FILES = "/v1/files"


@pytest.fixture(params=COLOURS)
def connect(request: pytest.FixtureRequest) -> Iterator[Callable[..., Face]]:
    with faces(request.param) as make:
        yield make


@pytest.fixture
def client(connect: Callable[..., Face], moonshot_server: MoonshotServer) -> Face:
    return connect(moonshot_server.base_url)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / '灯 "1".txt'
    path.write_text(PROMPT, "utf-8")
    return path


def asked(server: MoonshotServer) -> list[str]:
    """Return what arrived, without ids."""
    return [
        f"{request.method} {'content' if request.path.endswith('content') else ''}"
        for request in server.requests()
    ]


def test_a_file_goes_up_its_text_comes_down_and_nothing_is_left(
    client: Face, path: Path, moonshot_server: MoonshotServer
) -> None:
    assert client.extract_file(path) == PROMPT
    assert asked(moonshot_server) == ["POST ", "GET content", "DELETE "]
    assert [request.status for request in moonshot_server.requests()] == [200] * 3


def test_a_file_is_uploaded_once(
    client: Face, path: Path, moonshot_server: MoonshotServer
) -> None:
    for _ in range(2):
        client.extract_file(str(path))
    assert len(moonshot_server.requests(method="POST")) == 1
    path.write_text("another text", "utf-8")
    assert client.extract_file(path) == "another text"


@pytest.mark.parametrize("data", [b"", b"\r\n", b"--", bytes(range(128)).strip(b"\0")])
def test_any_text_comes_back_as_it_went(
    client: Face, tmp_path: Path, data: bytes
) -> None:
    path = tmp_path / "any.txt"
    path.write_bytes(data)
    assert client.extract_file(path) == data.decode()


def test_a_file_without_text_is_refused_and_deleted(
    client: Face, tmp_path: Path, moonshot_server: MoonshotServer
) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InvalidRequestError, match="No text could be extracted"):
        client.extract_file(path)
    assert asked(moonshot_server)[-1] == "DELETE "


def test_trouble_on_the_way_is_waited_out(
    client: Face, path: Path, moonshot_server: MoonshotServer
) -> None:
    moonshot_server.fail("status", path=FILES, nth=1, status=429)
    for method in ("GET", "DELETE"):
        moonshot_server.fail("status", method=method, nth=1, status=503)
    assert client.extract_file(path) == PROMPT
    assert len(client.sleeps) == 3


@pytest.mark.parametrize(
    ("kind", "error"), [("reply_lost", ConnectionFailedError), ("status", ServerError)]
)
def test_an_upload_that_may_have_arrived_is_not_repeated(
    client: Face,
    path: Path,
    moonshot_server: MoonshotServer,
    kind: FaultKind,
    error: type[Exception],
) -> None:
    moonshot_server.fail(kind, path=FILES, method="POST")
    with pytest.raises(error):
        client.extract_file(path)
    assert asked(moonshot_server) == ["POST "]


def test_a_text_is_worth_having_even_if_its_file_is_left_behind(
    client: Face,
    path: Path,
    moonshot_server: MoonshotServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    moonshot_server.fail("status", method="DELETE", status=403)
    assert client.extract_file(path) == PROMPT
    [record] = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert "An uploaded file was left behind. DELETE /files/" in record.getMessage()


def test_no_retries_means_none(
    client: Face, path: Path, moonshot_server: MoonshotServer
) -> None:
    moonshot_server.fail("status", path=FILES, method="POST", status=429)
    with pytest.raises(RateLimitError):
        client.extract_file(path, max_retries=0)


def test_an_endpoint_without_files_says_so(
    connect: Callable[..., Face], path: Path
) -> None:
    unknown = http(b'{"error": "url.not_found"}', status="404 Not Found")
    with RawServer(unknown) as server, pytest.raises(EndpointRetiredError) as caught:
        connect(server.base_url).extract_file(path)
    assert str(caught.value).endswith("does not offer this route.")


def test_no_error_quotes_the_file_or_its_name(
    connect: Callable[..., Face], path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    uploaded = http(b'{"id": "f1"}')
    words = f"may not say {PROMPT} of key {KEY}".encode()
    echo = http(b'{"error": {"message": "' + words + b'"}}', status="400 Bad Request")
    for replies in ([echo], [uploaded, echo]):
        with RawServer(*replies) as server:
            with pytest.raises(InvalidRequestError) as caught:
                connect(server.base_url).extract_file(path)
            assert PROMPT.encode() in server.requests[0]
        assert PROMPT[:20] not in f"{caught.value!r} {vars(caught.value)}"
        assert KEY not in str(caught.value)
    ours = [one for one in caplog.records if one.name == "langchain_moonshot_cache"]
    assert PROMPT[:20] not in "".join(record.getMessage() for record in ours)


def test_a_file_that_is_not_there_is_the_system_s_own_error(
    client: Face, tmp_path: Path, moonshot_server: MoonshotServer
) -> None:
    with pytest.raises(FileNotFoundError):
        client.extract_file(tmp_path / "nowhere.pdf")
    assert moonshot_server.requests() == []
