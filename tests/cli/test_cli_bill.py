"""``moonshot-cache bill``: the ledger as a table, a picture, a page and JSON."""

from __future__ import annotations

import re
import sys
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from account_kit import KEY, SECRET, database_of_another_program

from langchain_moonshot_cache import ChatMoonshotCached, Ledger
from langchain_moonshot_cache.economics import Bill, Usage
from langchain_moonshot_cache.ledger import CallEntry

if TYPE_CHECKING:
    from pathlib import Path

    from account_kit import Shell

MANUAL = f"{SECRET} " * 400
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()
DAY = 86_400.0
KNOWN = Usage(prompt=100, output=10, cached=50, written=0)
UNKNOWN = Usage(prompt=None, output=None, cached=None, written=None)


def spend(shell: Shell) -> None:
    """Ask a model of each mechanism a few questions."""
    for model in ("moonshot-v1-8k", "kimi-k3"):
        with ChatMoonshotCached(
            model=model,
            api_key=KEY,
            base_url=shell.server.base_url,
            registry=shell.registry,
            cache_wait=30,
            cache_policy="always",
        ) as llm:
            for question in ("How high?", "How old?"):
                llm.invoke([("system", MANUAL), ("human", question)])


def record(
    shell: Shell, *, day: float = 0, cost: str | None = "1", **said: Any
) -> None:
    """File one call, so many days after the first."""
    currency = said.pop("currency", "CNY")
    amount = None if cost is None else Decimal(cost)
    bill = (
        None
        if amount is None
        else Bill(currency=currency, input=amount, uncached=2 * amount)
    )
    entry = {"model": "kimi-k3", "outcome": "hit", "usage": KNOWN, **said}
    with closing(Ledger.open(shell.registry, clock=lambda: NOON + day * DAY)) as ledger:
        ledger.record(CallEntry(bill=bill, currency=currency, **entry))


def rows(shell: Shell, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = shell("bill", "--json", *arguments).json["rows"]
    return found


def test_the_bill_is_the_server_s_to_the_last_digit(shell: Shell) -> None:
    spend(shell)
    by_model = {row["model"]: row for row in rows(shell)}
    assert set(by_model) == {"moonshot-v1", "moonshot-v1-8k", "kimi-k3"}
    total = sum(Decimal(row["total"]) for row in by_model.values())
    assert total == shell.server.bill(KEY).total > 0
    assert by_model["kimi-k3"]["calls"] == 2
    printed = shell("bill", COLUMNS="140").out
    assert "in all" in printed
    assert f"{total:.6f}".rstrip("0") in printed


def test_by_model_what_caches_cost_is_named_as_such(
    shell: Shell, tmp_path: Path
) -> None:
    spend(shell)
    page = tmp_path / "bill.html"
    printed = shell("bill", "--html", page, COLUMNS="140").out
    assert cells(printed, "caches for moonshot-v1")[2] == "0"
    assert "All models of the family may use them" in " ".join(printed.split())
    assert "caches for moonshot-v1" in Cells(page.read_text("utf-8")).rows
    by_prefix = shell("bill", "--by", "prefix", COLUMNS="140").out
    assert "caches for" not in by_prefix


def test_it_needs_no_key_and_asks_nobody(shell: Shell) -> None:
    record(shell)
    assert "kimi-k3" in shell("bill", MOONSHOT_API_KEY="").out
    assert shell.server.requests() == []


def test_rows_are_grouped_by_what_is_asked_for_in_its_order(shell: Shell) -> None:
    for day, tag in ((2, "b"), (0, "a"), (1, "b"), (0, "b")):
        record(shell, day=day, tag=tag)
    found = rows(shell, "--by", "day", "--by", "tag")
    assert [(row["day"], row["tag"]) for row in found] == [
        ("2026-11-20", "a"),
        ("2026-11-20", "b"),
        ("2026-11-21", "b"),
        ("2026-11-22", "b"),
    ]
    table = shell("bill", "--by", "tag", "--by", "day").out
    assert re.search(r"^ a +2026-11-20 +CNY +1 ", table, re.MULTILINE)


def test_days_can_be_chosen(shell: Shell) -> None:
    for day in range(5):
        record(shell, day=day)
    found = rows(shell, "--by", "day", "--since", "2026-11-21", "--until", "2026-11-22")
    assert [row["day"] for row in found] == ["2026-11-21", "2026-11-22"]
    assert shell("bill", "--since", "yesterday").status == 2
    backwards = shell("bill", "--since", "2026-11-22", "--until", "2026-11-21")
    assert backwards.status == 2
    assert "no day lies between them" in backwards.err


def test_nothing_on_record_is_said_and_not_shown_as_zero(
    shell: Shell, tmp_path: Path
) -> None:
    page, picture = tmp_path / "b.html", tmp_path / "b.svg"
    done = shell("bill", "--html", page, "--plot", picture)
    assert (done.status, done.out) == (0, "Nothing is on record for all days.\n")
    assert "Nothing is on record" in page.read_text("utf-8")
    assert picture.stat().st_size > 0
    assert rows(shell) == []


def test_a_ledger_that_ended_with_its_process_is_not_taken_for_an_empty_one(
    shell: Shell,
) -> None:
    done = shell("bill", "--registry", "memory://")
    assert (done.status, done.out) == (0, "Nothing is on record for all days.\n")
    assert "each process has one of its own" in done.err
    record(shell)
    assert shell("bill").err == ""


def test_unknown_is_told_apart_from_zero_everywhere(
    shell: Shell, tmp_path: Path
) -> None:
    record(shell, model="free", cost="0")
    record(shell, model="hidden", cost=None, usage=UNKNOWN)
    record(shell, model="partly", cost="3")
    record(shell, model="partly", cost=None, usage=UNKNOWN)
    page = tmp_path / "bill.html"
    printed = shell("bill", "--html", page, COLUMNS="140").out
    assert cells(printed, "free")[3:] == ["50.0%", "0", "0", "0", "0", "0"]
    assert cells(printed, "hidden")[3:] == ["?", "?", "0", "?", "?", "?"]
    assert cells(printed, "partly")[4:6] == ["3 +?", "0"]
    assert "the cost of 2 calls and 0 caches is not known" in printed
    table = Cells(page.read_text("utf-8")).rows
    assert table["hidden"][3:] == ["?", "?", "0", "?", "?", "?"]
    assert table["partly"][4] == "3 +?"
    assert table["free"][4] == "0"
    assert "? not known" in page.read_text("utf-8")


def cells(printed: str, head: str) -> list[str]:
    """Return the cells of the table's row that begins so."""
    (line,) = (line for line in printed.splitlines() if line.startswith(f" {head} "))
    return re.split(r"\s{2,}", line.strip())


def test_words_are_shown_as_they_are(shell: Shell) -> None:
    record(shell, tag=":cat:", model="a/b:c")
    printed = shell("bill", "--by", "tag", "--by", "model").out
    assert ":cat:" in printed
    assert "a/b:c" in printed


def test_what_was_inferred_is_marked(shell: Shell) -> None:
    record(shell, inferred=True)
    printed = shell("bill", COLUMNS="140").out
    assert "~1" in printed
    assert "1 calls or caches was inferred" in printed


def test_currencies_are_never_added(shell: Shell, tmp_path: Path) -> None:
    record(shell, cost="1", currency="CNY")
    record(shell, cost="10", currency="USD")
    page = tmp_path / "bill.html"
    printed = shell("bill", "--html", page, "--plot", tmp_path / "b.png").out
    assert "11" not in printed.replace("2026-11", "")
    assert printed.count("kimi-k3") == 2
    text = page.read_text("utf-8")
    assert text.count("<svg") == 2
    assert text.index("<h2>CNY</h2>") < text.index("<h2>USD</h2>")


@pytest.mark.parametrize(
    ("suffix", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_the_picture_is_of_the_kind_that_its_name_says(
    shell: Shell, tmp_path: Path, suffix: str, magic: bytes
) -> None:
    for model in ("kimi-k3", "kimi-k2.7-code"):
        record(shell, model=model)
    path = tmp_path / f"bill.{suffix}"
    assert shell("bill", "--plot", path).status == 0
    assert path.read_bytes().startswith(magic)


def test_a_picture_of_another_kind_is_refused_by_name(
    shell: Shell, tmp_path: Path
) -> None:
    done = shell("bill", "--plot", tmp_path / "bill.gif")
    assert done.status == 2
    assert ".png" in done.err


def test_without_matplotlib_the_extra_is_named_and_the_rest_works(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(shell)
    name = "langchain_moonshot_cache.cli.bill_plot"
    monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    done = shell("bill", "--plot", tmp_path / "bill.png")
    assert done.status == 2
    assert "pip install 'langchain-moonshot-cache[plot]'" in done.err
    assert shell("bill", "--html", tmp_path / "bill.html").status == 0


def test_the_page_needs_nothing_but_itself(shell: Shell, tmp_path: Path) -> None:
    spend(shell)
    path = tmp_path / "bill.html"
    shell("bill", "--html", path)
    text = path.read_text("utf-8")
    assert not re.search(r"<script|<link|<img|url\(|@import|https?://", text)
    assert "prefers-color-scheme: dark" in text
    assert SECRET not in text
    for drawing in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        assert ET.fromstring(drawing).findall("rect")  # noqa: S314 - our own
    total = shell.server.bill(KEY).total
    assert Cells(text).rows["in all"][6] == f"{total:.6f}".rstrip("0")


def test_bars_are_as_long_as_the_amounts(shell: Shell, tmp_path: Path) -> None:
    record(shell, model="a", cost="1")
    record(shell, model="b", cost="3")
    path = tmp_path / "bill.html"
    shell("bill", "--html", path)
    text = path.read_text("utf-8")
    widths = re.findall(r'width="([\d.]+)" height="14" fill="#0072B2"/><rect', text)
    assert len(widths) == 2
    assert float(widths[1]) == pytest.approx(3 * float(widths[0]), rel=0.01)


def test_many_rows_are_all_in_the_table_and_the_largest_in_the_picture(
    shell: Shell, tmp_path: Path
) -> None:
    for number in range(40):
        record(shell, model=f"model-{number:02}", cost=str(number))
    path = tmp_path / "bill.html"
    printed = shell("bill", "--html", path, "--plot", tmp_path / "bill.png").out
    assert printed.count("model-") == 40
    text = path.read_text("utf-8")
    drawing = text.partition("<svg")[2].partition("</svg>")[0]
    assert "10 smaller ones left out" in text
    assert "model-39" in drawing
    assert "model-09" not in drawing


def test_a_narrow_terminal_shows_every_figure(shell: Shell) -> None:
    record(shell, cost="1.234567")
    printed = shell("bill", COLUMNS="40").out
    assert re.search(r"^total +1\.234567$", printed, re.MULTILINE)


def test_another_program_s_database_is_refused_and_left_alone(
    shell: Shell, tmp_path: Path
) -> None:
    path = database_of_another_program(tmp_path)
    before = path.read_bytes()
    done = shell("bill", "--registry", f"sqlite:///{path}")
    assert done.status == 1
    assert "another program's" in done.err
    assert path.read_bytes() == before


def test_what_the_command_line_does_to_caches_is_on_the_bill(
    shell: Shell, tmp_path: Path
) -> None:
    shell.server.clock.freeze()
    shell.server.configure(ready_after=0)
    manual = tmp_path / "manual.txt"
    manual.write_text(MANUAL, "utf-8")
    warmed = shell("warm", manual, "--ttl", "3600", "--json").json
    shell.server.clock.advance(90)
    shell("rm", "--yes", warmed["id"])
    shell.server.clock.advance(3600)
    (row,) = rows(shell)
    totals = shell.server.bill(KEY).totals
    assert Decimal(row["creation"]) == totals["creation"] > 0
    assert Decimal(row["storage"]) <= totals["storage"]
    assert Decimal(row["storage_at_most"]) == totals["storage"]


class Cells(HTMLParser):
    """The cells of a page's table, by what stands in the first one of a row."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: dict[str, list[str]] = {}
        self._row: list[str] = []
        self._within = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        del attrs
        if tag == "tr":
            self._row = []
        elif tag in {"td", "th"}:
            self._row.append("")
            self._within = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "tr":
            self.rows[self._row[0]] = self._row
        self._within = False

    def handle_data(self, data: str) -> None:
        if self._within:
            self._row[-1] += data
