"""What an answer says about tokens and money is what the server says."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from chat_kit import CHAT, KEY, METADATA, MODEL, QUESTION, SYSTEM, told
from colour_kit import Face
from langchain_core.messages import SystemMessage

from langchain_moonshot_cache import PriceBook
from langchain_moonshot_cache.economics import Unpriced, currency_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_moonshot_cache import ChatMoonshotCached
    from langchain_moonshot_cache.testing import MoonshotServer

    Make = Callable[..., ChatMoonshotCached]

FIELDS: dict[str, tuple[type, ...]] = {
    "mechanism": (str,),
    "outcome": (str,),
    "reason": (str,),
    "cache_id": (str, type(None)),
    "tokens_cached": (int, type(None)),
    "tokens_written": (int, type(None)),
    "cost": (str, type(None)),
    "cost_uncached": (str, type(None)),
    "currency": (str, type(None)),
}


def reply(usage: Any, **fields: Any) -> dict[str, Any]:
    """Return a completion with a usage of the test's choice."""
    message = {"role": "assistant", "content": "so"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {"id": "x", "object": "chat.completion", "model": MODEL}
    return {**body, "choices": [choice], "usage": usage, **fields}


@pytest.mark.parametrize("caching", ["auto", "off", "prefix", "named"])
async def test_the_fields_are_these_and_of_these_types(
    face: Face, style: str, make: Make, caching: str
) -> None:
    llm = make(caching=caching)
    for _ in range(2):
        metadata = told(await face.answer(llm, [SYSTEM, QUESTION], style=style))
        assert metadata.keys() == FIELDS.keys()
        for name, types in FIELDS.items():
            assert type(metadata[name]) in types, name
        assert Decimal(metadata["cost"]) > 0


@pytest.mark.parametrize("size", ["8k", "32k", "128k"])
async def test_the_costs_add_up_to_the_servers_bill_to_the_last_digit(
    face: Face, style: str, server: MoonshotServer, make: Make, size: str
) -> None:
    llm = make(model=f"moonshot-v1-{size}")
    system = SystemMessage("灯塔 lighthouse, " * 333)
    answers = [await face.answer(llm, [system, QUESTION], style=style)]
    answers += [
        await face.answer(make(caching="off", model=llm.model_name), q, style=style)
        for q in ([system, QUESTION], [QUESTION])
    ]
    answers += [await face.answer(llm, [system, q], style=style) for q in (QUESTION,)]

    charged = [
        Decimal(line["amount"])
        for line in server.bill(KEY).lines
        if line["kind"] == "chat"
    ]
    assert [Decimal(told(answer)["cost"]) for answer in answers] == charged
    whole = told(answers[1])["cost"]
    assert told(answers[0])["cost_uncached"] == told(answers[3])["cost_uncached"]
    assert told(answers[1])["cost_uncached"] == whole
    assert all("E" not in told(answer)["cost"] for answer in answers)
    assert {told(answer)["currency"] for answer in answers} == {"CNY"}
    totals = llm.ledger.totals()[llm.model_name]
    assert totals.cost["CNY"] == charged[0] + charged[3]


async def test_a_model_without_a_known_price_has_no_cost(
    face: Face, style: str, make: Make
) -> None:
    llm = make(model="moonshot-v1-auto")
    metadata = told(await face.answer(llm, [SYSTEM, QUESTION], style=style))
    assert [metadata[name] for name in ("cost", "cost_uncached", "currency")] == [
        None
    ] * 3
    assert metadata["outcome"] == "write"
    assert llm.ledger.totals()["moonshot-v1-auto"].cost_unknown == 1


PRICED = {"model": MODEL, "currency": "CNY", "input": "12", "output": "12"}


def listed(**dates: str) -> PriceBook:
    """Return a book with the model's tokens, and without named caches."""
    row = {**PRICED, **dates}
    return PriceBook.from_table({"checked": "2026-11-22", "named_chat": [row]})


async def test_a_cache_without_a_known_price_has_no_cost_and_the_reason_says_so(
    face: Face, style: str, make: Make
) -> None:
    llm = make(prices=listed())
    used = told(await face.answer(llm, [SYSTEM, QUESTION], style=style))
    assert used["cost"] is None
    assert Unpriced.CACHE in used["reason"]
    plain = told(await face.answer(llm, [QUESTION], style=style))
    assert Decimal(plain["cost"]) > 0
    assert Unpriced.CACHE not in plain["reason"]


@pytest.mark.parametrize("dates", [{"from": "2999-01-01"}, {"to": "2024-12-31"}])
async def test_a_price_of_other_days_is_not_taken_for_today_s(
    face: Face, make: Make, dates: dict[str, str]
) -> None:
    llm = make(caching="off", prices=listed(**dates))
    metadata = told(await face.invoke(llm, [SYSTEM, QUESTION]))
    assert metadata["cost"] is None
    assert Unpriced.DAY in metadata["reason"]


USAGE = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}


@pytest.mark.parametrize(
    ("usage", "details", "outcome"),
    [
        (USAGE, {}, "unknown"),
        ({**USAGE, "cached_tokens": 0}, {"cache_read": 0}, "miss"),
        ({**USAGE, "cached_tokens": 3}, {"cache_read": 3}, "partial"),
        ({**USAGE, "cached_tokens": 50}, {"cache_read": 50}, "hit"),
        ({**USAGE, "cached_tokens": 102}, {"cache_read": 100}, "hit"),
        ({**USAGE, "cached_tokens": None}, {}, "unknown"),
        ({**USAGE, "cached_tokens": -1}, {}, "unknown"),
        ({**USAGE, "cached_tokens": 1.5}, {}, "unknown"),
        ({**USAGE, "prompt_tokens_details": {}}, {}, "unknown"),
        (
            {**USAGE, "prompt_tokens_details": {"cached_tokens": 50}},
            {"cache_read": 50},
            "hit",
        ),
        (
            {
                **USAGE,
                "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 5},
            },
            {"cache_read": 0, "cache_creation": 5},
            "miss",
        ),
    ],
)
async def test_what_was_not_reported_is_unknown_and_not_zero(
    server: MoonshotServer,
    llm: ChatMoonshotCached,
    usage: Any,
    details: Any,
    outcome: str,
) -> None:
    face = Face("async")
    await face.warm(llm, [SYSTEM])
    server.fail("status", path=CHAT, status=200, body=reply(usage))
    answer = await face.invoke(llm, [SYSTEM, QUESTION])

    assert answer.usage_metadata["input_token_details"] == details
    assert answer.usage_metadata["input_tokens"] == 100
    assert told(answer)["outcome"] == outcome
    assert told(answer)["tokens_cached"] == details.get("cache_read")
    assert (told(answer)["cost"] is None) == ("cache_read" not in details)


async def test_an_answer_without_usage_is_counted_as_unknown(
    face: Face, server: MoonshotServer, llm: ChatMoonshotCached
) -> None:
    await face.warm(llm, [SYSTEM])
    server.fail("status", path=CHAT, status=200, body=reply(None))
    answer = await face.invoke(llm, [SYSTEM, QUESTION])

    assert answer.usage_metadata is None
    assert told(answer)["outcome"] == "unknown"
    assert told(answer)["cost"] is None
    assert "usage was not reported in full" in told(answer)["reason"]
    totals = llm.ledger.totals()[MODEL]
    assert (totals.usage_unknown, totals.cost_unknown, totals.cost) == (1, 1, {})


@pytest.mark.parametrize(
    ("details", "outcome", "cost"),
    [
        ({"cached_tokens": 80, "cache_write_tokens": 0}, "hit", "0.00156"),
        ({"cached_tokens": 0, "cache_write_tokens": 0}, "miss", "0.003"),
        ({}, "unknown", None),
    ],
)
async def test_automatic_caching_is_priced_by_what_was_read(
    server: MoonshotServer, make: Make, details: Any, outcome: str, cost: str | None
) -> None:
    usage = {**USAGE, "prompt_tokens_details": details}
    server.fail("status", path=CHAT, status=200, body=reply(usage))
    answer = await make(model="kimi-k3").ainvoke([SYSTEM, QUESTION])

    assert told(answer)["outcome"] == outcome
    assert told(answer)["cost"] == cost
    assert told(answer)["cache_id"] is None


@pytest.mark.parametrize(
    ("host", "currency"),
    [
        ("https://api.moonshot.ai/v1", "USD"),
        ("https://api.moonshot.cn/v1", "CNY"),
        ("https://API.MOONSHOT.AI:443/v1", "USD"),
        ("http://127.0.0.1:8000/v1", "CNY"),
        ("https://notmoonshot.ai/v1", "CNY"),
        ("https://api.moonshot.ai.example/v1", "CNY"),
    ],
)
def test_the_currency_follows_the_host(host: str, currency: str) -> None:
    assert currency_of(host) == currency


async def test_an_answer_repeated_by_langchains_own_cache_is_no_new_spend(
    face: Face, server: MoonshotServer, make: Make
) -> None:
    from langchain_core.caches import InMemoryCache  # noqa: PLC0415 - used here alone

    llm = make(cache=InMemoryCache())
    first, second = [await face.invoke(llm, [SYSTEM, QUESTION]) for _ in range(2)]

    assert len(server.chats()) == 1
    assert llm.ledger.totals()[MODEL].calls == 1
    assert second.text == first.text
    assert second.response_metadata[METADATA] == told(first)
