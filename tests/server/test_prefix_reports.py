"""What is reported, recorded and billed of the automatic prefix cache."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from prefix_cache_kit import (
    KIMI,
    MANUAL,
    MILLION,
    MORE,
    WRITE_1H,
    WRITE_5M,
    Json,
    ask,
    read,
    whole_blocks,
    with_ttl,
    written,
)
from server_kit import QUESTION, Api, chunks_of, reason


@pytest.mark.parametrize(
    ("fields", "top", "details"),
    [
        ("both", True, True),
        ("details", False, True),
        ("top", True, False),
        ("bare", False, False),
    ],
)
def test_usage_says_what_was_cached_where_it_is_set_to(
    kimi: Api, fields: Any, *, top: bool, details: bool
) -> None:
    kimi.server.configure(usage_fields=fields)
    usage = ask(kimi, MANUAL, QUESTION)
    assert ("cached_tokens" in usage) == top
    assert ("prompt_tokens_details" in usage) == details


@pytest.mark.parametrize("model", [KIMI, "moonshot-v1-8k"])
def test_usage_may_be_absent(api: Api, model: str) -> None:
    api.server.configure(usage_fields="absent")
    assert "usage" not in api.chat(model=model).json()
    asked: Json = {"stream": True, "stream_options": {"include_usage": True}}
    assert "usage" not in api.chat(model=model, **asked).text


def test_a_model_without_written_prices_reports_reads_only(api: Api) -> None:
    reply = api.chat(MANUAL, QUESTION, model="kimi-k2.6")
    details = reply.json()["usage"]["prompt_tokens_details"]
    assert details == {"cached_tokens": 0}
    assert WRITE_5M not in reply.headers
    assert read(ask(api, MANUAL, QUESTION, model="kimi-k2.6")) > 0


@pytest.mark.parametrize(
    ("kind", "value"), [("empty", ""), ("negative", "-1"), ("words", "n/a")]
)
def test_the_headers_can_be_odd(api: Api, kind: Any, value: str) -> None:
    api.server.configure(write_headers=kind)
    headers = api.chat(model=KIMI).headers
    assert headers[WRITE_5M] == headers[WRITE_1H] == value


def test_the_headers_can_be_absent(api: Api) -> None:
    api.server.configure(write_headers="absent")
    assert WRITE_5M not in api.chat(model=KIMI).headers


def test_more_can_be_reported_as_cached_than_the_prompt_has(kimi: Api) -> None:
    kimi.server.configure(cached_surplus=2)
    usage = ask(kimi, MANUAL, QUESTION)
    assert read(usage) == usage["cached_tokens"] == usage["prompt_tokens"] + 2


@pytest.mark.parametrize(
    ("layout", "asked", "inside", "beside"),
    [
        ("both", True, 1, 1),
        ("choice", True, 1, 0),
        ("chunk", True, 0, 1),
        ("both", False, 0, 0),
        ("choice", False, 0, 0),
    ],
)
def test_a_stream_reports_usage_only_when_asked(
    kimi: Api, layout: Any, *, asked: bool, inside: int, beside: int
) -> None:
    kimi.server.configure(usage_layout=layout)
    options: Json = {"stream": True, "stream_options": {"include_usage": asked}}
    reply = kimi.chat(MANUAL, QUESTION, model=KIMI, **options)
    assert reply.headers[WRITE_5M] == "0"
    chunks = chunks_of(reply.text)
    in_choices = [c["usage"] for k in chunks for c in k["choices"] if "usage" in c]
    in_chunks = [k["usage"] for k in chunks if "usage" in k]
    assert (len(in_choices), len(in_chunks)) == (inside, beside)
    assert all(read(usage) > 0 for usage in (*in_choices, *in_chunks))


def test_a_streamed_thought_comes_before_the_answer_and_is_held_too(api: Api) -> None:
    thought, text = "Let me think. " * 99, "It was a hundred metres tall. " * 40
    api.server.answer_next({"content": text, "reasoning_content": thought})
    reply = api.chat(MANUAL, QUESTION, model=KIMI, stream=True)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks_of(reply.text)]
    keys = ("reasoning_content", "content")
    kinds = [key for delta in deltas for key in keys if delta.get(key)]
    assert kinds == sorted(kinds, reverse=True)
    turn = {"role": "assistant"}
    for key in keys:
        turn[key] = "".join(delta.get(key) or "" for delta in deltas)
    assert (turn["reasoning_content"], turn["content"]) == (thought, text)
    held = api.server.chats()[-1]
    grown = ask(api, MANUAL, QUESTION, turn, MORE)
    assert read(grown) == whole_blocks(held.prompt_tokens + held.completion_tokens)


def test_the_record_of_a_chat_says_what_was_read_and_written(api: Api) -> None:
    usage = ask(api, MANUAL, QUESTION, **with_ttl("1h"))
    chat = api.server.chats()[-1]
    assert (chat.cached_tokens, chat.cache_write_tokens) == (0, written(usage))
    assert chat.cache_write_tier == "1h"


# --- The bill -----------------------------------------------------------------------
@pytest.mark.parametrize(("ttl", "price"), [("5m", 20), ("1h", 40)])
def test_reads_writes_and_the_rest_have_prices_of_their_own(
    api: Api, ttl: str, price: int
) -> None:
    ask(api, MANUAL, QUESTION, **with_ttl(ttl))
    usage = ask(api, MANUAL, MORE)
    line = api.server.bill().lines[-1]
    rest = usage["prompt_tokens"] - read(usage) - written(usage)
    prices = {"cache_read": 2, "cache_write": price, "input": 20, "output": 100}
    counts = (read(usage), written(usage), rest, usage["completion_tokens"])
    for (name, each), count in zip(prices.items(), counts, strict=True):
        assert count > 0
        assert Decimal(line[name]) == Decimal(count * each) / MILLION
    assert line["priced"] is True
    assert sum(Decimal(line[name]) for name in prices) == Decimal(line["amount"])


def test_a_read_discount_is_given_where_writes_are_not_billed(api: Api) -> None:
    for _ in range(2):
        usage = ask(api, MANUAL, QUESTION, model="kimi-k2.6")
    line = api.server.bill().lines[-1]
    read_price = Decimal("1.10") * read(usage) / MILLION
    assert Decimal(line["cache_read"]) == read_price > 0
    assert (line["cache_write"], line["input"]) == ("0", "0")


def test_a_model_without_a_price_in_the_bills_currency_is_marked(api: Api) -> None:
    ask(api, MANUAL, model="kimi-k3.1-pro")
    line = api.server.bill().lines[-1]
    assert (line["priced"], line["amount"]) == (False, "0")


def test_the_bill_adds_up_over_both_kinds_of_cache(kimi: Api) -> None:
    kimi.create()
    ask(kimi, MANUAL, MORE)
    kimi.chat(MANUAL)
    bill = kimi.server.bill()
    parts = sum(amount for name, amount in bill.totals.items() if name != "total")
    assert sum(Decimal(line["amount"]) for line in bill.lines) == bill.total == parts


@pytest.mark.parametrize("model", ["kimi-k2.6", "kimi-k2.7-code", "moonshot-v1-8k"])
def test_a_life_cannot_be_asked_for_where_writes_are_not_billed(
    api: Api, model: str
) -> None:
    reply = api.chat(model=model, **with_ttl("1h"))
    assert "prompt_cache_options" in reason(reply, 400)


@pytest.mark.parametrize("wrong", [{"ttl": "2h"}, {"mode": "off"}, {"ttl": 300}])
def test_an_unknown_cache_option_is_refused(api: Api, wrong: Json) -> None:
    reply = api.chat(model=KIMI, prompt_cache_options=wrong)
    assert "prompt_cache_options" in reason(reply, 400)
