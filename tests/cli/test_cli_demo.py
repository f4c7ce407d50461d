"""``moonshot-cache demo``: what it prints and what its figures are worth."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from command_kit import moonshot_cache

from langchain_moonshot_cache.cli.demo_table import show
from langchain_moonshot_cache.demo import Report, run

Json = dict[str, Any]
LANES = ("cached", "plain")
RED = "\x1b[1;31m"


@pytest.fixture(scope="module")
def report() -> Json:
    # Whoever asks a proxy for something on this computer will get no answer.
    nowhere = "http://127.0.0.1:9"
    done = moonshot_cache("demo", "--json", HTTP_PROXY=nowhere, ALL_PROXY=nowhere)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    figures: Json = json.loads(done.stdout)
    return figures


@pytest.fixture(scope="module")
def played() -> Report:
    return run()


@pytest.fixture(scope="module")
def document(report: Json) -> Json:
    found: Json = report["examples"][1]
    return found


def total(calls: list[Json], name: str) -> Decimal:
    return sum((Decimal(call[name]) for call in calls), Decimal(0))


def test_the_first_call_creates_a_cache_and_the_later_ones_use_it(report: Json) -> None:
    for example in report["examples"]:
        outcomes = [call["outcome"] for call in example["cached"]["calls"]]
        assert outcomes == ["write"] + ["hit"] * (len(outcomes) - 1)


def test_one_cache_is_created_per_prefix_and_none_is_left(report: Json) -> None:
    for example in report["examples"]:
        assert example["cached"]["caches_created"] == 1
        assert example["plain"]["caches_created"] == 0
        assert all(example[lane]["caches_left"] == 0 for lane in LANES)


def test_the_cache_changes_no_answer(report: Json) -> None:
    for example in report["examples"]:
        assert example["same_answers"] is True
        assert example["cached"]["answers"] == example["plain"]["answers"]
        assert all(example["cached"]["answers"])


def test_the_cost_in_the_metadata_adds_up_to_the_server_s_bill(report: Json) -> None:
    for example in report["examples"]:
        for lane in LANES:
            bill = example[lane]["bill"]
            billed = sum(Decimal(bill[name]) for name in ("calls", "input", "output"))
            assert total(example[lane]["calls"], "cost") == billed
        without = Decimal(example["plain"]["bill"]["total"])
        assert total(example["cached"]["calls"], "cost_uncached") == without
        assert example["metadata_agrees_with_bill"] is True


def test_what_was_saved_counts_making_and_keeping_the_cache(report: Json) -> None:
    saved = Decimal(0)
    for example in report["examples"]:
        bill = example["cached"]["bill"]
        assert Decimal(bill["creation"]) > 0
        assert Decimal(bill["storage"]) > 0
        parts = ("creation", "storage", "calls", "input", "output")
        assert sum(Decimal(bill[part]) for part in parts) == Decimal(bill["total"])
        difference = Decimal(example["plain"]["bill"]["total"]) - Decimal(bill["total"])
        assert Decimal(example["saved"]) == difference
        saved += difference
    assert Decimal(report["saved"]) == saved
    assert Decimal(report["cost_uncached"]) - Decimal(report["cost"]) == saved
    assert report["currency"] == "CNY"


def test_the_announced_example_runs_its_program_and_loses_money(report: Json) -> None:
    announced = report["examples"][0]
    program, answer = announced["cached"]["answers"]
    assert "3214567" in program
    assert answer.endswith("3214567 是素数。")
    assert Decimal(announced["saved"]) < 0
    fees = Decimal(announced["cached"]["bill"]["calls"])
    assert fees == Decimal("0.02") * len(announced["cached"]["calls"])


def test_the_document_is_long_and_ten_questions_on_it_pay(document: Json) -> None:
    calls = document["cached"]["calls"]
    assert len(calls) == len(document["questions"]) == 10
    assert all(call["cached_tokens"] >= 20_000 for call in calls)
    assert Decimal(document["saved"]) > 0


def test_a_hit_sends_the_question_and_not_the_document(document: Json) -> None:
    with_cache, without = document["cached"]["calls"], document["plain"]["calls"]
    assert all(call["bytes_sent"] < 1_000 for call in with_cache[1:])
    assert all(call["bytes_sent"] > 80_000 for call in without)
    # The first one sends the document once, to have the cache made.
    assert with_cache[0]["bytes_sent"] > 80_000


def test_people_are_told_that_no_model_runs_and_what_it_comes_to(
    played: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    show(played)
    text = " ".join(capsys.readouterr().out.split())
    assert "engine behind this demo is scripted" in text
    assert "Too small to pay: using a cache costs 0.02 CNY a call" in text
    assert f"{played.saved}" in text
    assert f"{played.document.cached.bill.creation}" in text
    assert "adds up to these bills: yes." in text
    assert "All caches were deleted: yes." in text
    assert "seconds" not in text


def test_figures_that_disagree_are_called_so(
    played: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    lane = replace(played.document.plain, answers=["something else"])
    document = replace(played.document, plain=lane)
    show(replace(played, document=document))
    assert "the answers are the same: no." in capsys.readouterr().out


def test_no_figure_is_cut_off_on_a_terminal_of_80_columns(
    played: Report,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    show(played)
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert not any("…" in line[28:] for line in lines)


@pytest.mark.parametrize(("no_color", "wanted"), [("1", False), ("", True)])
def test_no_colour_is_printed_where_none_is_wanted(
    played: Report,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    no_color: str,
    wanted: bool,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", no_color)
    lane = replace(played.document.plain, answers=["something else"])
    show(replace(played, document=replace(played.document, plain=lane)))
    assert (RED in capsys.readouterr().out) is wanted


def test_a_terminal_without_chinese_is_no_obstacle() -> None:
    done = moonshot_cache("demo", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert r"3214567 \u662f\u7d20\u6570" in done.stdout
