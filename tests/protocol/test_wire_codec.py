"""Encoding and decoding without a socket: every reply has exactly one meaning."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr
from wire_kit import KEY, MESSAGES, MODEL, PROMPT

from langchain_moonshot_cache.errors import (
    AuthenticationError,
    ConfigurationError,
    EndpointRetiredError,
    InvalidPromptError,
    InvalidRequestError,
    MoonshotCacheError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
)
from langchain_moonshot_cache.protocol.decode import read
from langchain_moonshot_cache.protocol.encode import cache_path, json_bytes, tag_path
from langchain_moonshot_cache.protocol.endpoint import Endpoint
from langchain_moonshot_cache.protocol.exchange import Reply, Request
from langchain_moonshot_cache.protocol.headers import request_id, retry_after
from langchain_moonshot_cache.protocol.models import (
    CacheDeleted,
    CacheList,
    CacheTag,
    ContextCache,
    TagList,
    TokenEstimate,
)
from langchain_moonshot_cache.protocol.operations import Operations
from langchain_moonshot_cache.protocol.redaction import withhold
from langchain_moonshot_cache.protocol.retry import RetryPolicy

CHINA = Endpoint(base_url="https://api.moonshot.cn/v1", key=SecretStr(KEY))
CREATE = Request(
    method="POST",
    path="/caching",
    body=json_bytes({"model": MODEL, "messages": MESSAGES}),
)
RETIRED = {
    "code": 5,
    "error": "url.not_found",
    "message": "no such route",
    "method": "POST",
    "scode": "0x5",
    "status": False,
    "ua": "",
    "url": "/v1/caching",
}
MODELS = (ContextCache, CacheList, CacheDeleted, CacheTag, TagList, TokenEstimate)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
field_names = st.sampled_from(
    ["id", "status", "error", "data", "deleted", "tag", "cache_id", "object", "tokens"]
)
likely_values = json_values | st.sampled_from(
    ["ready", "cache-x", "list", True, {"type": "x"}, {"total_tokens": 1}, "url"]
)
bodies = st.binary() | st.builds(
    lambda value: json.dumps(value).encode(),
    json_values | st.dictionaries(field_names, likely_values),
)
headers = st.dictionaries(
    st.sampled_from(["retry-after", "date", "content-encoding", "location"])
    | st.sampled_from(["msh-request-id", "x-request-id"]),
    st.text() | st.sampled_from(["gzip", "identity", "http://[", "1e999", "-1"]),
)


def outcome(status: int, body: bytes, model: Any = ContextCache, **fields: str) -> Any:
    reply = Reply(status=status, body=body, headers=fields, received_at=1e9)
    try:
        return read(CHINA, CREATE, reply, model)
    except MoonshotCacheError as error:
        return error


def refused(status: int, body: object) -> MoonshotCacheError:
    error = outcome(status, json.dumps(body).encode())
    assert isinstance(error, MoonshotCacheError)
    return error


@given(
    status=st.integers(100, 999),
    body=bodies,
    model=st.sampled_from(MODELS),
    fields=headers,
)
@example(status=200, body=b'{"error": []}', model=ContextCache, fields={})
@example(status=404, body=b'{"error": {}}', model=ContextCache, fields={})
@example(status=200, body=b'{"data": [[]]}', model=CacheList, fields={})
@example(status=429, body=b"", model=TagList, fields={"retry-after": "Mon, 99 Foo 0"})
def test_any_reply_is_a_model_or_an_error_of_ours(
    status: int, body: bytes, model: Any, fields: dict[str, str]
) -> None:
    result = outcome(status, body, model, **fields)
    assert isinstance(result, model | MoonshotCacheError)
    if isinstance(result, model):
        assert 200 <= status < 300
    else:
        assert result.status_code == status
        assert PROMPT not in str(result)


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (400, "invalid_request_error", InvalidRequestError),
        (400, "content_filter", InvalidRequestError),
        (401, "invalid_authentication_error", AuthenticationError),
        (401, "incorrect_api_key_error", AuthenticationError),
        (402, "anything", QuotaExceededError),
        (403, "permission_denied_error", PermissionDeniedError),
        (403, "exceeded_current_quota_error", QuotaExceededError),
        (404, "resource_not_found_error", NotFoundError),
        (409, "conflict", InvalidRequestError),
        (429, "engine_overloaded_error", RateLimitError),
        (429, "rate_limit_reached_error", RateLimitError),
        (429, "exceeded_current_quota_error", QuotaExceededError),
        (500, "server_error", ServerError),
        (503, "engine_overloaded_error", ServerError),
    ],
)
def test_each_documented_refusal_has_its_class(
    status: int, kind: str, expected: type[MoonshotCacheError]
) -> None:
    error = refused(status, {"error": {"type": kind, "message": "because"}})
    assert type(error) is expected
    assert error.error_type == kind
    assert "because" in str(error)


@pytest.mark.parametrize(
    "error",
    [
        {"type": "other", "code": "exceeded_current_quota_error"},
        {"code": "exceeded_current_quota_error"},
    ],
)
def test_quota_is_recognised_where_gateways_put_it(error: object) -> None:
    assert isinstance(refused(429, {"error": error}), QuotaExceededError)


@pytest.mark.parametrize("status", [200, 404])
def test_the_recorded_body_of_a_retired_endpoint_is_known(status: int) -> None:
    error = refused(status, RETIRED)
    assert type(error) is EndpointRetiredError
    assert error.error_type == "url.not_found"


def test_a_missing_model_is_not_mistaken_for_a_retired_endpoint() -> None:
    message = "Not found the model moonshot-v1 or Permission denied"
    body = {"error": {"message": message, "type": "resource_not_found_error"}}
    error = refused(404, body)
    assert type(error) is NotFoundError
    assert message in str(error)


@pytest.mark.parametrize(
    ("here", "there"),
    [("moonshot.cn", "moonshot.ai"), ("moonshot.ai", "moonshot.cn")],
)
def test_a_401_names_the_other_region(here: str, there: str) -> None:
    endpoint = Endpoint(base_url=f"https://api.{here}/v1", key=SecretStr(KEY))
    with pytest.raises(AuthenticationError, match=f"https://api.{there}/v1"):
        read(endpoint, CREATE, Reply(status=401), ContextCache)


def test_a_401_elsewhere_names_that_server() -> None:
    endpoint = Endpoint(base_url="http://localhost:8000/v1", key=SecretStr(KEY))
    with pytest.raises(AuthenticationError, match="localhost:8000"):
        read(endpoint, CREATE, Reply(status=401), ContextCache)


def test_a_cache_in_state_error_is_a_cache_and_no_refusal() -> None:
    body = b'{"id":"cache-x","status":"error","error":{"type":"t","message":"m"}}'
    cache = outcome(200, body)
    assert cache.status == "error"
    assert cache.error.type == "t"


def test_expired_is_another_word_for_inactive() -> None:
    cache = outcome(200, b'{"id":"cache-x","status":"expired"}')
    assert cache.status == "inactive"


@pytest.mark.parametrize("spelling", ["context-cache", "context_cache_object"])
def test_both_spellings_of_the_object_are_one(spelling: str) -> None:
    body = json.dumps({"id": "cache-x", "status": "ready", "object": spelling})
    assert outcome(200, body.encode()).object == "context_cache_object"


def test_a_format_error_names_the_field_and_never_its_value() -> None:
    body = json.dumps({"id": "cache-x", "status": PROMPT, "metadata": {PROMPT: 1}})
    error = outcome(200, body.encode())
    assert isinstance(error, ResponseFormatError)
    assert "status" in str(error)
    assert "metadata" in str(error)
    assert PROMPT not in str(error)


def test_attributes_of_a_refusal_come_from_its_headers() -> None:
    reply = Reply(
        status=429,
        headers={"msh-request-id": "req-7", "retry-after": "1.5"},
        body=b"{}",
    )
    with pytest.raises(RateLimitError) as caught:
        read(CHINA, CREATE, reply, ContextCache)
    assert (caught.value.request_id, caught.value.retry_after) == ("req-7", 1.5)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("2.5", 2.5),
        ("-1", None),
        ("inf", None),
        ("nan", None),
        ("1e999", None),
        ("", None),
        ("soon", None),
        ("Thu, 01 Jan 1970 00:00:30 GMT", 20),
        ("Thu, 01 Jan 1970 00:00:30 -0000", 20),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 0),
        ("Thu, 99 Jan 1970 00:00:01 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_forms(value: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": value}, received_at=10) == seconds


def test_an_absurd_request_id_is_left_out() -> None:
    assert request_id({"msh-request-id": "x" * 201, "x-request-id": "é"}) is None


@pytest.mark.parametrize("name", ["", ".", "..", "...", "a b", "ä", "a\n", "a\x00"])
def test_a_name_that_would_reach_another_resource_is_refused(name: str) -> None:
    for path in (cache_path, tag_path):
        with pytest.raises(ConfigurationError):
            path(name)


def test_a_name_is_quoted_into_one_segment() -> None:
    assert cache_path("../v2?x#y%") == "/caching/..%2Fv2%3Fx%23y%25"


class Odd:
    """Something that JSON does not know."""


circle: list[Any] = []
circle.append(circle)


@pytest.mark.parametrize(
    "value", [Odd(), {1, 2}, b"bytes", math.nan, math.inf, "\ud800", circle]
)
def test_what_json_cannot_say_is_a_prompt_error(value: object) -> None:
    with pytest.raises(InvalidPromptError, match="Nothing was sent"):
        begin_create(messages=[{"role": "system", "content": value}])


@pytest.mark.parametrize(
    "messages", [[], "text", {"role": "user"}, [1], ["text"], None, 7]
)
def test_messages_must_be_a_sequence_of_mappings(messages: Any) -> None:
    with pytest.raises(InvalidPromptError, match="messages"):
        begin_create(messages=messages)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", ""),
        ("name", "x" * 257),
        ("description", "x" * 513),
        ("metadata", {f"k{n}": "v" for n in range(17)}),
        ("metadata", {"k" * 65: "v"}),
        ("metadata", {"k": "v" * 513}),
        ("metadata", {"": "v"}),
        ("metadata", {"k": 1}),
        ("tags", ["a b"]),
        ("ttl", -1),
        ("ttl", True),
        ("ttl", "60"),
        ("expired_at", -1),
    ],
)
def test_an_option_out_of_its_documented_range_is_a_configuration_error(
    field: str, value: Any
) -> None:
    with pytest.raises(ConfigurationError, match=field):
        begin_create(**{field: value})


def test_two_expiries_exclude_each_other() -> None:
    with pytest.raises(ConfigurationError, match="exclude each other"):
        begin_create(ttl=60, expired_at=1_900_000_000)


@pytest.mark.parametrize("options", [{"limit": 0}, {"order": "up"}])
def test_a_list_wants_sensible_options(options: dict[str, Any]) -> None:
    wanted = {"limit": 20, "order": "desc", "after": None, "before": None, **options}
    with pytest.raises(ConfigurationError):
        operations().tags(max_retries=None, **wanted)


def operations() -> Operations:
    return Operations(endpoint=CHINA, policy=RetryPolicy())


def begin_create(**changed: Any) -> None:
    """Run a create up to its first request."""
    arguments: dict[str, Any] = {
        "model": MODEL,
        "messages": MESSAGES,
        "tools": None,
        "metadata": None,
        "ttl": None,
        "expired_at": None,
        "find_first": False,
        "max_retries": None,
        **changed,
    }
    next(operations().create(**arguments))


def test_pages_end_where_a_server_repeats_itself() -> None:
    pages = operations().tags(
        limit=2, order="desc", after=None, before=None, max_retries=None
    )
    page = TagList(data=[CacheTag(tag="a", cache_id="cache-x")])
    assert list(pages.take(page)) == page.data
    assert pages.next() is not None
    assert list(pages.take(page)) == []
    assert pages.next() is None


def test_pages_end_when_the_server_says_so() -> None:
    pages = operations().tags(
        limit=2, order="desc", after=None, before=None, max_retries=None
    )
    tag = CacheTag(tag="a", cache_id="cache-x")
    pages.take(TagList(data=[tag], has_more=False))
    assert pages.next() is None


def test_a_server_s_words_are_kept_and_its_quotations_withheld() -> None:
    said = f"The content '{PROMPT}' sent with {KEY} is too long: 9 tokens"
    kept = withhold(said, key=KEY, body=CREATE.body)
    assert kept == "The content '[...]' sent with [key] is too long: 9 tokens"


@given(
    prompt=st.text(min_size=12).map(lambda text: " ".join(text.split())),
    before=st.text(max_size=20),
    ascii_only=st.booleans(),
    escaped=st.booleans(),
)
@example(prompt="line\nline\nline\nline", before="", ascii_only=False, escaped=False)
@example(prompt='say "a" or "b" or "c"', before="", ascii_only=False, escaped=False)
def test_no_quotation_survives_in_any_spelling(
    *, prompt: str, before: str, ascii_only: bool, escaped: bool
) -> None:
    body = json_bytes({"messages": [{"content": prompt}]})
    quoted = prompt
    if escaped:
        quoted = json.dumps(prompt, ensure_ascii=ascii_only)[1:-1]
    kept = withhold(f"{before}: {quoted}", key=KEY, body=body)
    shown = " ".join(quoted.split())
    if len(shown.encode()) >= 12:
        _, _, rest = kept.partition(":")
        assert shown not in rest
