"""``moonshot-cache explain``: where requests part, and what it tells of them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from account_kit import SECRET

from langchain_moonshot_cache.economics import PriceBook

if TYPE_CHECKING:
    from pathlib import Path

    from account_kit import Shell

MANUAL = f"{SECRET} " * 400
TOOLS = [{"type": "function", "function": {"name": name}} for name in ("find", "run")]


def body(
    *, time: str = "10:00:00", question: str = "How high?", **changed: Any
) -> dict[str, Any]:
    return {
        "model": "kimi-k3",
        "messages": [
            {"role": "system", "content": f"It is {time}. {MANUAL}"},
            {"role": "user", "content": question},
        ],
        **changed,
    }


def written(path: Path, *bodies: dict[str, Any]) -> Path:
    path.write_text("".join(f"{json.dumps(each)}\n\n" for each in bodies), "utf-8")
    return path


def test_two_files_are_compared_and_the_cause_the_cost_and_the_remedy_told(
    shell: Shell, tmp_path: Path
) -> None:
    one = written(tmp_path / "one.json", body())
    two = written(tmp_path / "two.json", body(time="10:00:07"))
    found = shell("explain", one, two, "--json", "--currency", "CNY").json
    (finding,) = found["findings"]
    drift = finding["drift"]
    assert (finding["request"], finding["earlier"]) == (2, 1)
    assert drift["cause"] == "timestamp"
    assert drift["place"]["path"] == "messages[0].content"
    assert drift["lost_tokens"] > 4000
    assert "texts" not in drift
    prices = PriceBook.builtin()
    chat = prices.chat("kimi-k3", currency="CNY")
    automatic = prices.automatic("kimi-k3", currency="CNY")
    assert chat is not None
    assert automatic is not None
    more = (chat.input - automatic.cache_read) * drift["lost_tokens"] / 1_000_000
    assert Decimal(finding["cost"]) == Decimal(found["cost"]) == more
    said = shell("explain", one, two).out
    assert "a time changed" in said
    assert drift["mend"] in " ".join(said.split())
    assert shell.server.requests() == []


def test_each_request_of_a_series_is_compared_with_the_one_it_carries_on(
    shell: Shell, tmp_path: Path
) -> None:
    other = {**body(), "messages": [{"role": "system", "content": "x " * 3000}]}
    asked = body(question="How old?")
    longer = {
        **asked,
        "messages": [*asked["messages"], {"role": "user", "content": "And now?"}],
    }
    series = written(tmp_path / "all.jsonl", asked, other, longer)
    found = shell("explain", series, "--json").json["findings"]
    assert [finding["earlier"] for finding in found] == [1, 1]
    assert found[0]["drift"]["cause"] == "other_prompt"
    assert (found[1]["drift"], found[1]["cost"]) == (None, "0")
    assert "carries it on, nothing is lost" in shell("explain", series).out


def test_tools_in_another_order_are_told_by_name(shell: Shell, tmp_path: Path) -> None:
    one = body(tools=TOOLS)
    two = body(tools=TOOLS[::-1])
    series = written(tmp_path / "all.jsonl", one, two)
    (finding,) = shell("explain", series, "--json").json["findings"]
    assert finding["drift"]["cause"] == "tool_order"


def test_another_question_is_nothing_to_mend(shell: Shell, tmp_path: Path) -> None:
    series = written(tmp_path / "all.jsonl", body(), body(question="How old?"))
    said = shell("explain", series).out
    assert "another question. Nothing to mend" in " ".join(said.split())
    assert "0 worth mending: about 0 tokens lost, 0 CNY" in said


def test_the_text_is_shown_when_asked_for(shell: Shell, tmp_path: Path) -> None:
    one, two = body(time="10:00:00"), body(time="\x1b[2J")
    series = written(tmp_path / "all.jsonl", one, two)
    done = shell("explain", series, "--show-text", reveals=True)
    assert "was: 'It is 10:00:00." in done.out
    assert "\x1b" not in done.out
    told = shell("explain", series, "--show-text", "--json", reveals=True).json
    assert told["findings"][0]["drift"]["texts"][0].startswith("It is 10:00:00")


def test_a_cost_that_is_not_known_is_not_told_as_zero(
    shell: Shell, tmp_path: Path
) -> None:
    bodies = [body(model="a-model-of-mine", time=time) for time in ("1:00", "2:00")]
    series = written(tmp_path / "all.jsonl", *bodies)
    found = shell("explain", series, "--json").json
    assert found["findings"][0]["cost"] is None
    assert found["cost_unknown"] == 1
    assert "? CNY" in shell("explain", series).out


def test_the_endpoint_tells_the_currency(shell: Shell, tmp_path: Path) -> None:
    series = written(tmp_path / "all.jsonl", body(), body(time="11:00:00"))
    base = "https://api.moonshot.ai/v1"
    assert shell("explain", series, "--json").json["currency"] == "CNY"
    there = shell("explain", series, "--json", MOONSHOT_API_BASE=base).json
    assert there["currency"] == "USD"
    assert shell("explain", series, "--currency", "EUR").status == 2


def test_a_cache_that_had_expired_is_told_where_bodies_say_when_they_were_sent(
    shell: Shell, tmp_path: Path
) -> None:
    hour = {"mode": "implicit", "ttl": "1h"}
    series = written(
        tmp_path / "all.jsonl",
        body(sent_at=1_800_000_000, prompt_cache_options=hour),
        body(sent_at=1_800_003_600.0),
        body(sent_at="2027-01-15T09:06:00+00:00"),
        body(),
    )
    found = shell("explain", series, "--json").json["findings"]
    assert found[0]["drift"] is None
    drift = found[1]["drift"]
    assert drift["cause"] == "expired"
    assert drift["detail"] == "last used 360 s ago, and kept for 300 s"
    assert drift["lost_tokens"] > 4000
    assert Decimal(found[1]["cost"]) > 0
    assert found[2]["drift"] is None


@pytest.mark.parametrize("model", ["moonshot-v1-8k", "a-model-of-mine"])
def test_of_caches_whose_lifetime_nobody_tells_none_is_said_to_have_expired(
    shell: Shell, tmp_path: Path, model: str
) -> None:
    bodies = [body(model=model, sent_at=at) for at in (1e9, 2e9)]
    series = written(tmp_path / "all.jsonl", *bodies)
    (finding,) = shell("explain", series, "--json").json["findings"]
    assert finding["drift"] is None


def test_requests_that_are_not_in_their_order_are_refused(
    shell: Shell, tmp_path: Path
) -> None:
    series = written(tmp_path / "all.jsonl", body(sent_at=2e9), body(sent_at=1e9))
    done = shell("explain", series)
    assert done.status == 1
    assert f"{series}, line 3: it was sent before the one in front of it" in done.err


@pytest.mark.parametrize(
    "at", [True, [], "noon", "2026-11-22T12:00:00", float("nan"), 10**400]
)
def test_a_time_that_is_none_is_refused(shell: Shell, tmp_path: Path, at: Any) -> None:
    series = written(tmp_path / "all.jsonl", body(), body(sent_at=at))
    done = shell("explain", series)
    assert done.status == 1
    assert "line 3: 'sent_at' is a time" in done.err


def test_prices_of_ones_own_tell_the_cost_and_the_currency(
    shell: Shell, tmp_path: Path
) -> None:
    row = {"model": "mine", "currency": "EUR", "input": "2", "output": "4"}
    table = {
        "checked": "2026-11-22",
        "currency": "EUR",
        "automatic": [{**row, "cache_read": "0.5"}],
    }
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps(table))
    bodies = [body(model="mine", time=time) for time in ("1:00", "2:00")]
    series = written(tmp_path / "all.jsonl", *bodies)
    found = shell("explain", series, "--prices", prices, "--json").json
    lost = found["findings"][0]["drift"]["lost_tokens"]
    assert Decimal(found["cost"]) == lost * Decimal("1.5") / 1_000_000
    assert found["currency"] == "EUR"
    prices.write_text("{")
    assert shell("explain", series, "--prices", prices).status == 2
    assert shell("explain", series, "--prices", tmp_path / "none.json").status == 2


@pytest.mark.parametrize(
    "line", [SECRET, "[1]", '{"messages": 1}', '{"tools": []}', "[" * 100_000]
)
def test_a_line_that_is_no_request_is_named_and_not_quoted(
    shell: Shell, tmp_path: Path, line: str
) -> None:
    path = tmp_path / "all.jsonl"
    path.write_text(f"{json.dumps(body())}\n\n{line}\n", "utf-8")
    done = shell("explain", path)
    assert (done.status, done.out) == (1, "")
    assert f"{path}, line 3: " in done.err


def test_one_request_alone_is_a_mistake(shell: Shell, tmp_path: Path) -> None:
    assert shell("explain", written(tmp_path / "one.json", body())).status == 2
    assert shell("explain", written(tmp_path / "none.jsonl")).status == 2
    assert shell("explain").status == 2
