"""``ls``, ``show``, ``rm`` and ``sweep``: what they say is what the server has."""

from __future__ import annotations

import io
import json
import re
from contextlib import closing
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from account_kit import KEY, SECRET, SYSTEM

from langchain_moonshot_cache.lifecycle import Ready
from langchain_moonshot_cache.manager import ContextCacheManager
from langchain_moonshot_cache.registry import open_registry

if TYPE_CHECKING:
    from pathlib import Path

    from account_kit import Shell

    from langchain_moonshot_cache.lifecycle import Entry

NOBODY = "cache-00000000000000000000"
TTL = 600


def ours(shell: Shell, *, registry: str | None = None, text: str = SECRET) -> Entry:
    """Make a cache as this package's clients do."""
    manager = ContextCacheManager(
        shell.client, registry=registry or shell.registry, ttl=TTL, wait=30
    )
    message = {"role": "system", "content": text}
    prefix = manager.prefix(model="moonshot-v1-8k", messages=[message])
    outcome = manager.ensure(prefix)
    assert isinstance(outcome, Ready), outcome
    return outcome.entry


def test_ls_lists_the_server_s_caches_and_whose_they_are(shell: Shell) -> None:
    foreign = shell.cache()
    recorded = ours(shell)
    elsewhere = ours(shell, registry="memory://", text="another")
    listed = {cache["id"]: cache for cache in shell("ls", "--json").json["caches"]}
    assert {one: cache["status"] for one, cache in listed.items()} == shell.statuses()
    origins = {one: cache["origin"] for one, cache in listed.items()}
    assert origins == {
        foreign.id: "foreign",
        recorded.cache_id: "ours",
        elsewhere.cache_id: "elsewhere",
    }
    mine = listed[str(recorded.cache_id)]
    assert mine["fingerprint"] == recorded.key
    assert mine["tokens"] == recorded.tokens
    assert mine["expired_at"] - mine["created_at"] == TTL
    assert mine["age"] + mine["expires_in"] == pytest.approx(TTL, abs=0.2)


def test_ls_prices_an_hour_of_storage_by_the_minute(shell: Shell) -> None:
    shell.cache()
    (listed,) = shell("ls", "--json").json["caches"]
    shell.server.clock.advance(1)
    first_minute = shell.server.bill(KEY).totals["storage"]
    assert first_minute > 0
    assert Decimal(listed["cost_per_hour"]) == first_minute * 60


def test_ls_says_that_there_is_nothing(shell: Shell) -> None:
    assert shell("ls").out == "No caches.\n"
    assert shell("ls", "--json").json == {"caches": []}


def test_ls_can_leave_out_what_is_over(shell: Shell) -> None:
    over, living = shell.cache(ttl=60), shell.cache(ttl=3600)
    shell.server.clock.advance(90)
    everything = shell("ls", "--json").json["caches"]
    assert {cache["id"] for cache in everything} == {over.id, living.id}
    assert {cache["cost_per_hour"] for cache in everything} > {"0"}
    (left,) = shell("ls", "--live", "--json").json["caches"]
    assert left["id"] == living.id
    assert "ended" in shell("ls").out
    assert "ended" not in shell("ls", "--live").out


@pytest.mark.parametrize("columns", ["30", "60", "200"])
def test_an_id_can_be_copied_whole_from_the_narrowest_screen(
    shell: Shell, columns: str
) -> None:
    cache = shell.cache()
    done = shell("ls", COLUMNS=columns)
    assert cache.id in done.out
    assert "foreign" in done.out


def test_a_table_has_colours_on_a_terminal_only_and_never_with_no_color(
    shell: Shell,
) -> None:
    shell.cache()
    assert "\x1b[" not in shell("ls").out
    assert "\x1b[" in shell("doctor", FORCE_COLOR="1").out
    coloured = shell("doctor", FORCE_COLOR="1", NO_COLOR="1").out
    assert "\x1b[32m" not in coloured


def test_ls_shows_what_the_server_says_while_the_registry_cannot_be_read(
    shell: Shell, tmp_path_factory: pytest.TempPathFactory
) -> None:
    foreign, recorded = shell.cache(), ours(shell)
    broken = tmp_path_factory.mktemp("broken") / "registry.sqlite"
    broken.write_bytes(b"no database at all" * 100)
    done = shell("ls", "--json", "--registry", f"sqlite:///{broken}")
    origins = {cache["id"]: cache["origin"] for cache in done.json["caches"]}
    assert origins == {foreign.id: "foreign", recorded.cache_id: "unreadable"}
    assert "MOONSHOT_CACHE_REGISTRY" in done.err
    assert broken.read_bytes() == b"no database at all" * 100


def test_show_tells_about_one_cache_and_not_what_it_holds(shell: Shell) -> None:
    made = ours(shell)
    shown = shell("show", str(made.cache_id), "--json").json
    assert shown["status"] == "ready"
    assert (shown["messages"], shown["tools"], shown["users"]) == (1, 0, 1)
    reference = shown["reference"]
    assert reference == {"role": "cache", "content": f"cache_id={made.cache_id}"}
    printed = shell("show", str(made.cache_id)).out
    assert json.dumps(reference) in printed
    assert re.search("^messages +1$", printed, re.MULTILINE)


def test_show_prints_what_a_cache_holds_when_told(shell: Shell) -> None:
    cache = shell.cache(name="the manual", metadata={"team": "a"})
    assert "the manual" not in shell("show", cache.id).out
    done = shell("show", cache.id, "--messages", "--json", reveals=True)
    contents = done.json["contents"]
    assert contents["messages"] == [SYSTEM]
    assert contents["name"] == "the manual"
    assert contents["metadata"]["team"] == "a"
    assert SECRET in shell("show", cache.id, "--messages", reveals=True).out


def test_a_terminal_obeys_nothing_that_a_cache_s_maker_wrote(shell: Shell) -> None:
    cache = shell.cache(description="\x1b]0;gotcha\x07", messages=[SYSTEM])
    done = shell("show", cache.id, "--messages", reveals=True)
    assert "\x1b" not in done.out
    assert "gotcha" in done.out


def test_an_unknown_cache_is_trouble(shell: Shell) -> None:
    done = shell("show", NOBODY)
    assert (done.status, done.out) == (1, "")
    assert NOBODY in done.err


def test_rm_deletes_what_is_named_and_forgets_it(shell: Shell) -> None:
    kept, made = shell.cache(), ours(shell)
    done = shell("rm", str(made.cache_id), "--yes", "--json")
    assert done.json == {"deleted": [made.cache_id], "unknown": [], "failed": {}}
    assert list(shell.statuses()) == [kept.id]
    with closing(open_registry(shell.registry)) as registry:
        entry = registry.lookup(made.key)
    assert entry is not None
    assert entry.cache_id is None


def test_rm_deletes_the_others_when_one_is_unknown(shell: Shell) -> None:
    cache = shell.cache()
    done = shell("rm", NOBODY, cache.id, cache.id, "--yes")
    assert done.status == 1
    assert done.out == f"deleted {cache.id}\n"
    assert NOBODY in done.err
    assert shell.statuses() == {}


def test_rm_says_which_cache_the_server_would_not_delete(shell: Shell) -> None:
    first, second = shell.cache(), shell.cache()
    shell.server.fail(
        "status", method="DELETE", path=f"/v1/caching/{first.id}", status=403
    )
    done = shell("rm", first.id, second.id, "--yes")
    assert done.status == 1
    assert f"{first.id} was not deleted" in done.err
    assert list(shell.statuses()) == [first.id]


@pytest.mark.parametrize(("answer", "left"), [("y\n", 0), ("n\n", 2), ("", 2)])
def test_rm_asks_first_and_says_what_is_in_use(
    shell: Shell, answer: str, left: int
) -> None:
    made, _ = ours(shell), shell.cache()
    shell.patch.setattr("sys.stdin", io.StringIO(answer))
    done = shell("rm", "--all")
    assert done.status == (1 if left else 0)
    assert f"{made.cache_id}  ready, ours, kept for 1 of your clients" in done.err
    assert len(shell.statuses()) == left


@pytest.mark.parametrize("arguments", [[], ["--all", NOBODY]])
def test_rm_wants_either_names_or_all(shell: Shell, arguments: list[str]) -> None:
    cache = shell.cache()
    assert shell("rm", "--yes", *arguments).status == 2
    assert list(shell.statuses()) == [cache.id]


def test_rm_all_of_nothing_is_no_trouble(shell: Shell) -> None:
    done = shell("rm", "--all")
    assert (done.status, done.out) == (0, "No caches.\n")


def test_sweep_lists_what_was_left_behind_and_deletes_it_when_told(
    shell: Shell,
) -> None:
    foreign, held = shell.cache(), ours(shell)
    orphan = ours(shell, registry="memory://", text="left behind")
    shell.server.clock.advance(200)  # until its maker's lease is over
    (found,) = shell("sweep", "--json").json["left_behind"]
    assert (found["cache_id"], found["deleted"]) == (orphan.cache_id, False)
    assert "sweep --delete" in shell("sweep").out
    assert len(shell.statuses()) == 3
    printed = shell("sweep", "--delete").out
    assert str(orphan.cache_id) in printed
    assert "deleted" in printed
    assert set(shell.statuses()) == {foreign.id, held.cache_id}
    assert shell("sweep").out == "Nothing was left behind.\n"


def test_what_storing_costs_is_told_at_prices_of_ones_own(
    shell: Shell, tmp_path: Path
) -> None:
    row = {"family": "moonshot-v1", "currency": "EUR", "create": "1", "call": "0"}
    table = {
        "checked": "2026-11-22",
        "currency": "EUR",
        "named": [{**row, "storage_minute": "100"}],
    }
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps(table))
    orphan = ours(shell, registry="memory://")
    shell.server.clock.advance(200)
    (listed,) = shell("ls", "--prices", prices, "--json").json["caches"]
    shown = shell("show", str(orphan.cache_id), "--prices", prices, "--json").json
    (swept,) = shell("sweep", "--prices", prices, "--json").json["left_behind"]
    hour = Decimal(60 * 100) * (orphan.tokens or 0) / 1_000_000
    for told in (listed, shown, swept):
        assert (Decimal(told["cost_per_hour"]), told["currency"]) == (hour, "EUR")
    assert "EUR/h" in shell("ls", "--prices", prices).out


def test_sweep_says_what_it_could_not_delete(shell: Shell) -> None:
    orphan = ours(shell, registry="memory://")
    shell.server.clock.advance(200)
    shell.server.fail("status", method="DELETE", status=403)
    done = shell("sweep", "--delete")
    assert done.status == 1
    assert str(orphan.cache_id) in done.out
    assert "PermissionDeniedError" in done.out


def test_sweep_does_nothing_without_a_registry_that_it_can_read(
    shell: Shell, tmp_path_factory: pytest.TempPathFactory
) -> None:
    ours(shell, registry="memory://")
    broken = tmp_path_factory.mktemp("broken") / "registry.sqlite"
    broken.write_bytes(b"no database at all" * 100)
    done = shell("sweep", "--delete", "--registry", f"sqlite:///{broken}")
    assert done.status == 1
    assert "MOONSHOT_CACHE_REGISTRY" in done.err
    assert len(shell.statuses()) == 1
