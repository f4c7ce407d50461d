"""The server's bill, against published figures and ones worked out by hand."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from server_kit import MODEL, QUESTION, SYSTEM, Api, by_message

from langchain_moonshot_cache.server.billing import Usage, started_minutes
from langchain_moonshot_cache.server.settings import Settings
from langchain_moonshot_cache.server.world import World, make_world
from langchain_moonshot_cache.testing import MoonshotServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from langchain_moonshot_cache.testing import ServerFactory

    Ledger = Callable[..., "Book"]

MILLION = 1_000_000
ACCOUNT = "acct-test"
FAMILY = "moonshot-v1"


class Book:
    """A bill written without any chat: only what it is charged."""

    def __init__(self, world: World) -> None:
        self.world = world

    def call(self, *, model: str, prompt: int, cached: int, completion: int) -> None:
        cache = ("cache-x", FAMILY) if cached else None
        usage = Usage(prompt=prompt, cached=cached, completion=completion)
        charge = self.world.billing.call(
            ACCOUNT, request_id="r", model=model, usage=usage, cache=cache
        )
        self.world.store.change(charge)

    def cache(self, *, tokens: int, seconds: int) -> None:
        begin = self.world.clock.seconds()
        self.world.store.change(
            (
                "INSERT INTO spans VALUES (?, ?, ?)",
                ("cache-x", begin, begin + seconds),
            ),
            self.world.billing.creation(
                ACCOUNT, cache_id="cache-x", family=FAMILY, tokens=tokens
            ),
        )
        self.world.clock.advance(seconds)

    def total(self, name: str = "total") -> Decimal:
        return Decimal(self.world.billing.bill(ACCOUNT)["totals"][name])


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    worlds = []

    def open_book(**settings: Any) -> Book:
        world = make_world(Settings(**settings))
        worlds.append(world)
        world.clock.freeze()
        return Book(world)

    yield open_book
    for world in worlds:
        world.store.close()


def test_the_published_calculator_is_met_to_the_hundredth_percent(
    ledger: Ledger,
) -> None:
    without, cached = ledger(currency="USD"), ledger(currency="USD")
    same = int(117_965 * 0.995)
    cached.cache(tokens=same, seconds=60)
    for _ in range(10):
        for book, matched in ((without, 0), (cached, same)):
            book.call(
                model="moonshot-v1-128k",
                prompt=117_965,
                cached=matched,
                completion=13_107,
            )
    assert without.total().quantize(Decimal("0.01")) == Decimal("3.01")
    saved = 1 - cached.total() / without.total()
    assert (saved * 100).quantize(Decimal("0.01")) == Decimal("72.89")


def test_the_launch_posts_price_without_a_cache_is_met(ledger: Ledger) -> None:
    book = ledger(currency="CNY", price_date=date(2024, 7, 1))
    for _ in range(40):
        book.call(model="moonshot-v1-128k", prompt=64_100, cached=0, completion=0)
    assert book.total("input") == Decimal("153.84")


def test_storage_got_cheaper_on_the_day_the_price_list_says(ledger: Ledger) -> None:
    for day, price in ((date(2024, 8, 6), 10), (date(2024, 8, 7), 5)):
        book = ledger(price_date=day)
        book.cache(tokens=MILLION, seconds=60)
        assert book.total("storage") == price


def test_before_the_first_price_list_the_first_one_holds(ledger: Ledger) -> None:
    book = ledger(currency="USD", price_date=date(2024, 7, 1))
    book.cache(tokens=MILLION, seconds=60)
    assert book.total("creation") == 1


@pytest.mark.parametrize(
    ("seconds", "minutes"), [(0, 1), (1, 1), (60, 1), (61, 2), (3600, 60), (3601, 61)]
)
def test_a_started_minute_counts_whole(seconds: int, minutes: int) -> None:
    assert started_minutes(seconds) == minutes


@pytest.mark.parametrize(
    ("tokens", "price"), [(8192, "12"), (8193, "24"), (32_768, "24"), (32_769, "60")]
)
def test_auto_costs_what_the_smallest_fitting_size_costs(
    ledger: Ledger, tokens: int, price: str
) -> None:
    book = ledger()
    book.call(model="moonshot-v1-auto", prompt=tokens, cached=0, completion=0)
    assert book.total("input") == Decimal(price) * tokens / MILLION


def test_a_cached_call_pays_its_fee_the_rest_of_its_input_and_its_output(
    api: Api,
) -> None:
    cache = api.create_ready()
    reply = api.chat(by_message(f"cache_id={cache['id']}"), QUESTION)
    usage = reply.json()["usage"]
    line = api.server.bill().lines[-1]
    price = Decimal(12) / MILLION
    rest = (usage["prompt_tokens"] - usage["cached_tokens"]) * price
    output = usage["completion_tokens"] * price
    assert line["request_id"] == reply.headers["Msh-Request-Id"]
    assert (line["model"], line["cache_id"]) == (MODEL, cache["id"])
    assert Decimal(line["fee"]) == Decimal("0.02")
    assert Decimal(line["input"]) == rest
    assert Decimal(line["output"]) == output
    assert Decimal(line["amount"]) == Decimal("0.02") + rest + output


def test_an_uncached_call_pays_no_fee_and_all_of_its_input(api: Api) -> None:
    usage = api.chat(SYSTEM, QUESTION).json()["usage"]
    totals = api.server.bill().totals
    assert totals["calls"] == totals["creation"] == totals["storage"] == 0
    assert totals["input"] == usage["prompt_tokens"] * Decimal(12) / MILLION


def test_creation_is_paid_once_and_storage_by_the_minute_alive(api: Api) -> None:
    cache = api.create(ttl=3600)
    tokens = cache["tokens"]

    def minutes() -> Decimal:
        totals = api.server.bill().totals
        assert totals["creation"] == Decimal(24) * tokens / MILLION
        return totals["storage"] * MILLION / Decimal(tokens * 5)

    assert minutes() == 1
    api.server.clock.advance(61)
    assert minutes() == 2
    reference = by_message(f"cache_id={cache['id']};reset_ttl=600")
    api.chat(reference, QUESTION)
    api.server.clock.advance(10_000)
    # It lived 61 seconds, was given another 600 from there, and then expired.
    assert minutes() == 12


def test_a_deleted_cache_stops_counting(api: Api) -> None:
    cache = api.create()
    api.server.clock.advance(90)
    api.delete(f"/caching/{cache['id']}")
    before = api.server.bill()
    api.server.clock.advance(3600)
    assert api.server.bill().lines == before.lines
    assert [line["minutes"] for line in before.lines if "minutes" in line] == [2]


def test_deleting_an_expired_cache_adds_nothing(api: Api) -> None:
    cache = api.create(ttl=60)
    api.server.clock.advance(3600)
    before = api.server.bill().total
    api.delete(f"/caching/{cache['id']}")
    assert api.server.bill().total == before


def test_a_revived_cache_pays_for_the_time_it_lived_only(api: Api) -> None:
    cache = api.create(ttl=60)
    api.server.clock.advance(3600)
    api.put(f"/caching/{cache['id']}", json={"ttl": 120})
    api.server.clock.advance(3600)
    bill = api.server.bill()
    minutes = [line["minutes"] for line in bill.lines if line["kind"] == "storage"]
    assert minutes == [1, 2]
    assert [line["kind"] for line in bill.lines].count("creation") == 1


def test_a_cache_whose_building_failed_costs_nothing(api: Api) -> None:
    api.server.fail("build_fails", nth=1)
    api.create()
    api.server.clock.advance(120)
    assert api.server.bill().total == 0


def test_the_total_is_the_sum_of_the_lines(api: Api) -> None:
    cache = api.create_ready()
    for _ in range(3):
        api.chat(by_message(f"cache_id={cache['id']}"), QUESTION)
        api.chat(SYSTEM, QUESTION)
    bill = api.server.bill()
    assert sum(Decimal(line["amount"]) for line in bill.lines) == bill.total > 0


def test_every_account_has_its_own_bill(api: Api, stranger: Api) -> None:
    api.chat()
    assert api.server.bill().total > 0
    assert api.server.bill("sk-somebody-else").total == 0
    stranger.create()
    assert api.server.bill("sk-somebody-else").totals["creation"] > 0


def test_a_balance_is_what_the_bill_left(api: Api) -> None:
    api.create()
    balance = api.get("/users/me/balance").json()["data"]["available_balance"]
    assert balance == float(1000 - api.server.bill().total)


def test_the_bill_is_kept_in_the_currency_that_was_chosen(
    moonshot_server_factory: ServerFactory,
) -> None:
    server = moonshot_server_factory(currency="USD")
    with Api(server) as api:
        tokens = api.create()["tokens"]
    assert isinstance(server, MoonshotServer)
    assert server.bill().currency == "USD"
    assert server.bill().totals["creation"] == Decimal(tokens) / MILLION
