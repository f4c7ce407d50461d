"""``moonshot-cache doctor``: each thing that may be wrong, and what to do about it."""

from __future__ import annotations

import json
import socket
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from account_kit import database_of_another_program

from langchain_moonshot_cache.cli import checks
from langchain_moonshot_cache.economics import PriceBook
from langchain_moonshot_cache.registry import open_registry

if TYPE_CHECKING:
    from pathlib import Path

    from account_kit import Shell

Json = dict[str, Any]
ENDPOINT = "key and endpoint"


def examined(shell: Shell, *arguments: str, **environment: Any) -> dict[str, Json]:
    """Return the checks by name; the exit status must agree with them."""
    done = shell("doctor", "--json", *arguments, **environment)
    found = {check["name"]: check for check in json.loads(done.out)["checks"]}
    failed = any(check["verdict"] == "fail" for check in found.values())
    assert done.status == (1 if failed else 0)
    assert all(check["next_step"] != "" for check in found.values())
    return found


def test_all_is_well_and_nothing_was_made_or_charged(shell: Shell) -> None:
    found = examined(shell)
    assert set(found) == {
        "installation",
        "prices",
        "registry",
        ENDPOINT,
        "balance",
        "caching",
        "clock",
    }
    assert {check["verdict"] for check in found.values()} == {"ok"}
    assert {request.method for request in shell.server.requests()} == {"GET"}
    assert shell.server.bill(shell.key).total == 0


def test_the_registry_forgets_that_it_was_tried(shell: Shell) -> None:
    examined(shell)
    with closing(open_registry(shell.registry)) as registry:
        assert list(registry.entries()) == []
    path = shell.registry.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as file:
        (end,) = file.execute("SELECT until - since FROM marks").fetchone()
    assert end == pytest.approx(1.0)


def test_people_read_a_line_for_each_check_and_the_next_step(shell: Shell) -> None:
    done = shell("doctor", MOONSHOT_CACHE_REGISTRY="memory://", COLUMNS="200")
    lines = done.out.splitlines()
    assert any(line.startswith("warn    registry: memory://") for line in lines)
    assert any(line.startswith("        -> ") for line in lines)


def test_without_a_key_the_next_step_is_where_to_get_one(shell: Shell) -> None:
    found = examined(shell, MOONSHOT_API_KEY="")
    assert found[ENDPOINT]["verdict"] == "fail"
    assert "https://platform.moonshot" in found[ENDPOINT]["finding"]
    assert found["registry"]["verdict"] == "ok"


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_is_a_failure_and_the_rest_is_skipped(
    shell: Shell, status: int
) -> None:
    shell.server.fail("status", path="/v1/models", status=status)
    found = examined(shell)
    assert found[ENDPOINT]["verdict"] == "fail"
    assert str(status) in found[ENDPOINT]["finding"]
    assert {found[name]["verdict"] for name in ("balance", "caching", "clock")} == {
        "skipped"
    }


def test_an_endpoint_that_is_down_is_named(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    found = examined(shell, "--base-url", f"http://127.0.0.1:{port}/v1")
    assert found[ENDPOINT]["verdict"] == "fail"
    assert f"127.0.0.1:{port}" in found[ENDPOINT]["finding"]


def test_a_base_url_that_is_no_api_root_is_pointed_out(shell: Shell) -> None:
    found = examined(shell, "--base-url", shell.server.url)
    assert found[ENDPOINT]["verdict"] == "warn"
    assert "/v1" in found[ENDPOINT]["next_step"]


@pytest.mark.parametrize("status", [404, 200])
def test_an_endpoint_without_named_caches_is_well_and_the_mechanism_told(
    shell: Shell, status: int
) -> None:
    shell.server.retire(200 if status == 200 else 404)
    found = examined(shell)
    assert found["caching"]["verdict"] == "ok"
    assert found["caching"]["finding"].startswith("automatic")


def test_a_caching_endpoint_that_fails_is_a_failure(shell: Shell) -> None:
    shell.server.fail("status", path="/v1/caching", status=503)
    assert examined(shell)["caching"]["verdict"] == "fail"


def test_an_account_without_money_is_a_failure(shell: Shell) -> None:
    broke = {"data": {"available_balance": -0.5}}
    shell.server.fail("status", path="/v1/users/me/balance", status=200, body=broke)
    found = examined(shell)["balance"]
    assert (found["verdict"], found["finding"]) == ("fail", "-0.5 CNY left")


def test_the_balance_is_in_the_currency_of_prices_of_ones_own(
    shell: Shell, tmp_path: Path
) -> None:
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps({"checked": "2026-11-22", "currency": "EUR"}))
    found = examined(shell, "--prices", str(prices))["balance"]
    assert found["finding"] == "1000 EUR left"


def test_prices_that_cannot_be_read_keep_nobody_from_the_balance(
    shell: Shell, tmp_path: Path
) -> None:
    found = examined(shell, "--prices", str(tmp_path / "nowhere.json"))
    assert found["prices"]["verdict"] == "fail"
    assert found["balance"]["finding"] == "1000 CNY left"


def test_an_endpoint_that_tells_no_balance_is_no_trouble(shell: Shell) -> None:
    shell.server.fail("status", path="/v1/users/me/balance", status=404)
    assert examined(shell)["balance"]["verdict"] == "skipped"


@pytest.mark.parametrize(("skew", "way"), [(3600, "behind"), (-3600, "ahead of")])
def test_a_clock_that_is_wrong_is_pointed_out(
    shell: Shell, skew: int, way: str
) -> None:
    shell.server.clock.advance(skew)
    found = examined(shell)["clock"]
    assert found["verdict"] == "warn"
    assert way in found["finding"]
    seconds = int(found["finding"].split(" is ")[1].split()[0])
    assert seconds == pytest.approx(3600, abs=60)


def test_prices_that_are_old_are_pointed_out(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_ago = PriceBook.builtin().checked + timedelta(days=91)
    monkeypatch.setattr(checks, "datetime", Clock(long_ago.isoformat()))
    found = examined(shell)["prices"]
    assert found["verdict"] == "warn"
    assert "91 days" in found["finding"]
    monkeypatch.setattr(
        checks, "datetime", Clock((long_ago - timedelta(days=1)).isoformat())
    )
    assert examined(shell)["prices"]["verdict"] == "ok"


def test_prices_of_ones_own_are_checked_instead(shell: Shell, tmp_path: Path) -> None:
    prices = tmp_path / "prices.json"
    for checked, verdict in (("1999-12-31", "warn"), ("2999-12-31", "warn")):
        prices.write_text(json.dumps({"checked": checked}))
        found = examined(shell, "--prices", str(prices))["prices"]
        assert found["verdict"] == verdict
        assert f"{prices}, prices as of {checked}" in found["finding"]
    assert "still to come" in found["finding"]
    prices.write_text(json.dumps({"checked": "soon"}))
    assert examined(shell, "--prices", str(prices))["prices"]["verdict"] == "fail"


class Clock:
    """Stands for ``datetime``, on a day of the test's choice."""

    def __init__(self, day: str) -> None:
        self._day = day

    def now(self, tz: Any) -> datetime:
        assert tz is UTC
        return datetime.fromisoformat(f"{self._day}T12:00:00+00:00")


def test_a_registry_of_a_newer_version_is_a_failure_and_left_alone(
    shell: Shell, tmp_path: Path
) -> None:
    examined(shell)
    path = tmp_path / "registry.sqlite"
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version = 9999")
        newer.execute("PRAGMA journal_mode = DELETE")
    before = path.read_bytes()
    found = examined(shell)["registry"]
    assert found["verdict"] == "fail"
    assert "newer version" in found["finding"]
    assert path.read_bytes() == before


def test_a_registry_of_another_program_is_a_failure_and_left_alone(
    shell: Shell, tmp_path: Path
) -> None:
    path = database_of_another_program(tmp_path)
    before = path.read_bytes()
    found = examined(shell, "--registry", f"sqlite:///{path}")["registry"]
    assert found["verdict"] == "fail"
    assert "another program's" in found["finding"]
    assert path.read_bytes() == before


def test_the_password_of_a_registry_is_not_repeated(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"redis://user:hunter2@127.0.0.1:{port}/0"
    done = shell("doctor", "--registry", url)
    assert done.status == 1
    assert "hunter2" not in done.out + done.err


@pytest.mark.parametrize(("mode", "verdict"), [(0o644, "warn"), (0o600, "ok")])
def test_a_key_file_that_others_may_read_is_pointed_out(
    shell: Shell, tmp_path: Path, mode: int, verdict: str
) -> None:
    path = tmp_path / "key"
    path.write_text(f"{shell.key}\n", "utf-8")
    path.chmod(mode)
    found = examined(shell, "--api-key-file", str(path), MOONSHOT_API_KEY="")
    assert found["key file"]["verdict"] == verdict
    assert found[ENDPOINT]["verdict"] == "ok"


def test_an_extra_that_is_missing_is_named_with_the_line_that_installs_it(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = {"redis": None, "langchain": None, "xllamacpp": None}
    monkeypatch.setattr(checks, "find_spec", lambda name: without.get(name, object()))
    found = examined(shell)["installation"]
    assert found["verdict"] == "ok"
    assert "'langchain-moonshot-cache[local,middleware,redis]'" in found["next_step"]
