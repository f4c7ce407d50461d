"""What answers say they cost is what the server bills, to the last digit."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from chat_kit import KEY, told
from kimi_kit import LATER, LONG, QUESTION, kimi_of

if TYPE_CHECKING:
    from kimi_kit import Make, Talk

    from langchain_moonshot_cache.testing import MoonshotServer, ServerFactory

OPENING = [LONG, QUESTION]
CASES = [
    ("kimi-k3", None),
    ("kimi-k3", "5m"),
    ("kimi-k3", "1h"),
    ("kimi-k2.6", None),
    ("kimi-k2.7-code", None),
    ("kimi-k2.7-code-highspeed", None),
]


@pytest.mark.parametrize(("model", "ttl"), CASES)
async def test_the_costs_add_up_to_the_bill_in_yuan(
    talk: Talk, server: MoonshotServer, make: Make, model: str, ttl: Any
) -> None:
    llm = make(model=model, cache_ttl=ttl)
    first = await talk(llm, OPENING)
    later = await talk(llm, [*OPENING, first, LATER])
    again = await talk(llm, [*OPENING, first, LATER])

    costs = [told(answer) for answer in (first, later, again)]
    assert {cost["currency"] for cost in costs} == {"CNY"}
    bill = server.bill(KEY)
    assert [Decimal(cost["cost"]) for cost in costs] == [
        Decimal(line["amount"]) for line in bill.lines
    ]
    assert llm.ledger.totals()[model].cost["CNY"] == bill.total
    assert Decimal(costs[2]["cost"]) < Decimal(costs[2]["cost_uncached"])


class Detour(httpx2.HTTPTransport):
    """Sends what is meant for Moonshot's host to the stand-in."""

    def __init__(self, server: MoonshotServer) -> None:
        super().__init__(verify=False)
        self._there = httpx2.URL(server.url)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        here = self._there
        request.url = request.url.copy_with(
            scheme=here.scheme, host=here.host, port=here.port
        )
        return super().handle_request(request)


IN_DOLLARS = [*CASES, ("kimi-k3.1-pro", "1h"), ("kimi-k3.1-pro-highspeed", "5m")]


@pytest.mark.parametrize(("model", "ttl"), IN_DOLLARS)
@pytest.mark.parametrize("style", ["invoke", "stream"])
def test_the_costs_add_up_to_the_bill_in_dollars(
    moonshot_server_factory: ServerFactory, model: str, ttl: Any, style: str
) -> None:
    server = moonshot_server_factory(currency="USD")
    server.clock.freeze()
    with httpx2.Client(transport=Detour(server)) as client:
        llm = kimi_of(
            server,
            model=model,
            cache_ttl=ttl,
            base_url="https://api.moonshot.ai/v1",
            http_client=client,
        )
        total = Decimal(0)
        for _ in range(2):
            if style == "invoke":
                answer = llm.invoke(OPENING)
            else:
                answer = sum_of(llm.stream(OPENING))
            total += Decimal(told(answer)["cost"])
            assert told(answer)["currency"] == "USD"
    assert total == server.bill(KEY).total > 0


def sum_of(chunks: Any) -> Any:
    first, *rest = chunks
    for chunk in rest:
        first += chunk
    return first


async def test_a_write_for_an_hour_costs_twice_and_a_read_a_tenth(
    talk: Talk, make: Make
) -> None:
    five = told(await talk(make(cache_ttl="5m", api_key="sk-a"), OPENING))
    hour = told(await talk(make(cache_ttl="1h", api_key="sk-b"), OPENING))
    read = told(await talk(make(cache_ttl="1h", api_key="sk-b"), OPENING))
    written = hour["tokens_written"]
    surcharge = Decimal(hour["cost"]) - Decimal(five["cost"])
    assert surcharge == written * Decimal(40 - 20) / 1_000_000
    saved = Decimal(read["cost_uncached"]) - Decimal(read["cost"])
    assert saved == read["tokens_cached"] * Decimal(20 - 2) / 1_000_000


async def test_a_model_without_a_price_in_the_currency_has_no_cost(
    talk: Talk, make: Make
) -> None:
    answer = told(await talk(make(model="kimi-k3.1-pro"), OPENING))
    assert (answer["cost"], answer["cost_uncached"], answer["currency"]) == (
        None,
        None,
        None,
    )
